"""The same replication in this process, in two workers and on a Ray cluster of a head and two nodes."""

import json
import os
import sys
from pathlib import Path

import pytest

from nwedge.cli import main

COMMAND = ["replicate", "--claims", "no-obstacles", "--landscapes", "toy-sampled", "network", "--seeds", "2"]


def verdicts(out: Path, *flags: str) -> list[dict]:
    assert main([*COMMAND, "--cpus-per-task", "1", "--out", str(out), *flags]) == 0
    return json.loads((out / "verdicts.json").read_text())


def test_verdicts_are_the_same_on_every_engine(tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    here = verdicts(tmp_path / "here", "--workers", "1")
    assert {row["landscape"] for row in here} == {"toy-sampled", "network"}
    assert all(row["statistic"] is not None for row in here)
    assert verdicts(tmp_path / "workers", "--workers", "2") == here

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        assert verdicts(tmp_path / "ray", "--engine", "ray", "--address", cluster.address) == here
    finally:
        ray.shutdown()
        cluster.shutdown()
