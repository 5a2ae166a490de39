"""A claim on a landscape of one's own, which is trained on, spanned and judged in one call."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
import xarray as xr

from nwedge import examine
from nwedge.claims.judging import Threshold, combine, part
from nwedge.landscapes.wedges import WedgeLandscape
from nwedge.specs.configs import MTunnelsConfig, NoObstaclesConfig, TunnelsConfig

WEDGES = WedgeLandscape(12, 3, wedges=5, seed=0)


@pytest.fixture
def handed(monkeypatch) -> list:
    """The claim `m-tunnels`, which keeps what it is handed and always holds."""
    kept: list = []
    module = ModuleType("claim")

    def measure(landscape, runs, config, generator):
        kept.append((landscape, runs, config))
        losses = {"initial_loss": ("run", [1.0]), "final_loss": ("run", [0.0])}
        return xr.Dataset(losses | {"value": len(runs.sheets)})

    def verdict(results):
        found = results["m-tunnels"]
        return combine([part("sheets", np.asarray(found["value"], float), Threshold(0.5, "any"))], found)

    module.measure, module.verdict = measure, verdict  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "nwedge.claims.m_tunnels", module)
    return kept


def test_it_trains_as_many_optima_as_the_largest_sheet_spans(handed) -> None:
    config = MTunnelsConfig(m=(2, 3))
    verdict = examine(WEDGES, "m-tunnels", lr=0.1, steps=20, seeds=2, config=config)
    assert (verdict.outcome, verdict.statistic, verdict.seeds) == ("holds", 2, 2)
    assert len(handed) == 2
    for seed, (landscape, runs, given) in enumerate(handed):
        assert (landscape, given) == (WEDGES, config)
        assert [(run.spec.seed, run.spec.member) for run in runs] == [(seed, member) for member in range(3)]
        assert set(runs.sheets) == {2, 3}
        for m, sheet in runs.sheets.items():
            assert torch.equal(sheet.optima, torch.stack([run.optimum for run in runs[:m]]))
            assert sheet.members == tuple(range(m))


@pytest.mark.parametrize(
    ("claim", "options", "error", "words"),
    [
        ("tunels", {}, ValueError, "claim must be one of .*'m-tunnels'"),
        ("tunnels", {"seeds": 1}, ValueError, "seeds must be"),
        ("tunnels", {"config": NoObstaclesConfig()}, TypeError, "config must be a TunnelsConfig for 'tunnels'"),
        (
            "averaging",
            {},
            ValueError,
            "the claim 'averaging' needs more than runs at one rate: only `nwedge replicate`",
        ),
        ("intrinsic-dimension", {}, ValueError, "the claim 'intrinsic-dimension' needs more than runs at one rate"),
        ("tunnels", {"config": TunnelsConfig(), "optimizer": "lbfgs"}, ValueError, "optimizer"),
    ],
)
def test_what_cannot_be_is_refused(claim, options, error, words) -> None:
    with pytest.raises(error, match=words):
        examine(WEDGES, claim, **{"lr": 0.1, "steps": 5} | options)
