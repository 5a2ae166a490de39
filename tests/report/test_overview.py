import dataclasses

import pytest

from nwedge.plan import Plan
from nwedge.report import overview
from nwedge.report.results import Results
from nwedge.specs.claims import CLAIMS
from nwedge.specs.presets import PRESETS, Preset
from nwedge.specs.replicate import Replicate
from nwedge.specs.tasks import ClaimSpec


def results(verdicts=(), done: int = 0, **arguments) -> Results:
    """A replication of which so many measurements are done."""
    plan = Plan.of(Replicate(seeds=2, **arguments))
    measured = [task for task in plan.tasks if isinstance(task, ClaimSpec)][:done]
    provenance = {task.id: {} for task in measured}
    return Results(plan, verdicts, None, {}, {}, provenance, (), {}, ())


def row(claim: str, landscape: str, outcome: str = "fails") -> dict:
    return {"claim": claim, "landscape": landscape, "outcome": outcome, "statistic": 0.1, "threshold": 0.5}


def test_there_is_a_row_for_each_claim_and_a_column_for_each_toy_and_network_whatever_was_planned():
    found = results(claims=("tunnels",), landscapes=("toy-sampled",))
    assert overview.columns(found) == ["toy-complete", "toy-sampled", "network"]
    rows = overview.rows(found, overview.columns(found))
    assert [row["claim"] for row in rows] == [claim.id for claim in CLAIMS]
    assert [row["published"] for row in rows] == [claim.anchor for claim in CLAIMS]
    assert {len(row["cells"]) for row in rows} == {3}
    assert [row["claim"] for row in rows if row["shown"]] == ["tunnels"]


def test_controls_are_those_of_the_claim_in_its_order():
    found = results((row("tunnels", "control-isolated"), row("tunnels", "network", "holds")), claims=("tunnels",))
    tunnels = next(row for row in overview.rows(found, ["network"]) if row["claim"] == "tunnels")
    assert [cell["short"] for cell in tunnels["controls"]] == ["bowl", "isolated minima"]
    assert [bool(cell["verdict"]) for cell in tunnels["controls"]] == [False, True]
    assert [verdict["landscape"] for verdict in tunnels["verdicts"]] == ["network", "control-isolated"]


def test_a_verdict_of_a_derived_control_has_its_place_without_tasks_of_its_own():
    found = results((row("tunnel-width", "control-permuted"),), claims=("tunnel-width",))
    width = next(row for row in overview.rows(found, ["network"]) if row["claim"] == "tunnel-width")
    (control,) = width["controls"]
    assert (control["short"], control["verdict"]["tick"]) == ("shuffled levels", "✓")


def test_other_claims_and_landscapes_that_were_judged_have_a_place():
    found = results((row("later", "resnet"), row("later", "control-new")), claims=("tunnels",))
    assert overview.columns(found) == ["toy-complete", "toy-sampled", "network", "resnet"]
    last = overview.rows(found, overview.columns(found))[-1]
    assert (last["claim"], last["published"], len(last["controls"])) == ("later", "", 1)


@pytest.mark.parametrize(
    ("claim", "landscape", "why"),
    [
        ("tunnels", "network", "no verdict: 1 of 2 measurements done"),
        ("tunnels", "toy-sampled", "not planned in this run"),
        ("sections", "network", "not planned in this run"),
        ("tunnels", "control-groove", "not a control of this claim"),
        ("tunnels", "control-bowl", "not planned in this run"),
        ("tunnel-width", "control-permuted", "no verdict: 0 of 2 measurements done"),
    ],
)
def test_a_cell_without_a_verdict_says_why(claim, landscape, why):
    claims = ("tunnels",) if claim != "tunnel-width" else ("tunnel-width",)
    found = results(done=1 if claim == "tunnels" else 0, claims=claims, landscapes=("network",))
    assert overview.why(claim, landscape, found) == why


def test_a_claim_without_meaning_on_a_landscape_gives_the_reason(monkeypatch):
    network = PRESETS["digits"].subjects["network"][0]
    without = dataclasses.replace(network, meaningless={"averaging": "it has no <rate>"})
    monkeypatch.setitem(PRESETS, "digits", Preset({**PRESETS["digits"].subjects, "network": (without,)}))
    assert overview.why("averaging", "network", results(claims=("tunnels",))) == "it has no <rate>"
