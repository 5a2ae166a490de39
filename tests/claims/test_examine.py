"""A claim on a landscape of one's own, which is trained on, spanned and judged in one call."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
import xarray as xr

from nwedge import descend, examine, examine_optima
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
    verdict = examine_optima(WEDGES, "m-tunnels", optima, config=MTunnelsConfig(m=(2, 3)))
    assert (verdict.statistic, verdict.seeds) == (2, 3)
    for seed, (_, runs, _) in enumerate(handed):
        assert torch.equal(torch.stack([run.optimum for run in runs]), optima[seed, :3])
        assert torch.equal(runs.sheets[3].optima, optima[seed, :3])
        for run in runs:
            torch.testing.assert_close(torch.from_numpy(run.loss), WEDGES.loss(run.points))
        assert len(torch.stack([run.start for run in runs]).unique(dim=0)) == 3


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
        ("tunnel-width", {}, ValueError, "the claim 'tunnel-width' needs more than runs at one rate"),
        ("m-tunnels", {"sheet_steps": -1}, ValueError, "sheet_steps must be"),
        ("intrinsic-dimension", {}, ValueError, "the claim 'intrinsic-dimension' needs more than runs at one rate"),
        ("tunnels", {"config": TunnelsConfig(), "optimizer": "lbfgs"}, ValueError, "optimizer"),
    ],
)
def test_what_cannot_be_is_refused(claim, options, error, words) -> None:
    with pytest.raises(error, match=words):
        examine(WEDGES, claim, **{"lr": 0.1, "steps": 5} | options)


@pytest.mark.parametrize(
    ("claim", "shape", "words"),
    [
        ("tunnels", (2, 1, 12), r"for 'tunnels', 2 members; got \(2, 1, 12\)"),
        ("tunnels", (1, 2, 12), "at least 2 seeds"),
        ("tunnels", (2, 2, 11), r"shape \(seeds, members, 12\)"),
        ("no-obstacles", (2, 2, 12), "is about the way to an optimum: train with `examine`"),
        ("tunnel-width", (2, 2, 12), "needs more than runs at one rate"),
        ("averaging", (2, 2, 12), "needs more than runs at one rate"),
    ],
)
def test_optima_that_do_not_serve_are_refused(claim, shape, words) -> None:
    with pytest.raises(ValueError, match=words):
        examine_optima(WEDGES, claim, torch.zeros(shape))


def test_optima_are_judged_by_a_real_claim() -> None:
    """Points on the wedges are joined by tunnels; points far off them count as untrained."""
    generator = torch.Generator().manual_seed(0)
    config = TunnelsConfig(steps=200, pointwise_steps=40, samples=4, interior=3, points=21, bends=20, bend_points=3)
    start = WEDGES.initial(4, generator)
    on = descend(WEDGES, start, lr=0.1, steps=200, generator=generator).points.unflatten(0, (2, 2))
    good, bad = (
        examine_optima(WEDGES, "tunnels", optima, config=config) for optima in (on, 3 * start.unflatten(0, (2, 2)))
    )
    assert good.seeds == 2
    assert good.statistic is not None
    assert good.statistic > 0.5
    assert bad.outcome == "inconclusive"
    assert "untrained" in bad.sentence
