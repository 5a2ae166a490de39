import pytest
import torch

from nwedge.requirements import check
from nwedge.specs.replicate import Replicate


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "--device cuda is not on this machine, where torch sees 0 CUDA devices: use cpu"),
        ({"engine": "ray", "gpus_per_task": 1.0, "autotune": True}, "torch sees 0 CUDA devices: leave out --autotune"),
    ],
)
def test_a_device_is_refused_where_networks_are_timed_or_run_without_it(settings, words, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ValueError, match=words):
        check(Replicate(device="cuda", **settings), ())


def test_the_nodes_of_a_cluster_may_have_the_device_that_this_machine_lacks(monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    check(Replicate(device="cuda", engine="ray", gpus_per_task=1.0), ())
