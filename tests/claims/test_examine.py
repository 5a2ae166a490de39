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


def test_optima_of_ones_own_take_the_place_of_training(handed) -> None:
    optima = torch.randn(3, 4, WEDGES.dim)
    verdict = examine(WEDGES, "m-tunnels", optima=optima, config=MTunnelsConfig(m=(2, 3)))
    assert (verdict.statistic, verdict.seeds) == (2, 3)
    for seed, (_, runs, _) in enumerate(handed):
        assert torch.equal(torch.stack([run.optimum for run in runs]), optima[seed])
        assert torch.equal(runs.sheets[3].optima, optima[seed, :3])
        for run in runs:
            torch.testing.assert_close(torch.from_numpy(run.loss), WEDGES.loss(run.points))
        assert len(torch.stack([run.start for run in runs]).unique(dim=0)) == 4


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
        ("tunnels", {"lr": None}, ValueError, "give lr= and steps= to train some, or optima= of yours"),
        ("tunnels", {"optima": torch.zeros(2, 1, 12)}, ValueError, r"for 'tunnels', 2 members; got \(2, 1, 12\)"),
        ("no-obstacles", {"optima": torch.zeros(2, 2, 12)}, ValueError, "is about the way to an optimum"),
    ],
)
def test_what_cannot_be_is_refused(claim, options, error, words) -> None:
    with pytest.raises(error, match=words):
        examine(WEDGES, claim, **{"lr": 0.1, "steps": 5} | options)
