import pytest

from nwedge.report import parting


def quantity(*values: float | None) -> dict:
    mean = None if None in values else sum(v for v in values if v is not None) / len(values)
    return {"mean": mean, "interval": None if mean is None else [mean - 1, mean + 1], "values": list(values)}


NOTHING = quantity(None, None)
FIT = {
    "confidence": 0.95,
    "agree": 0.1,
    "landscapes": {
        "network": {
            "dim": 6310,
            "true_s": None,
            "seeds": [0, 1],
            "estimates": [
                {"experiment": "d_lim", "threshold": None, "s": quantity(80, 82), "scale": quantity(2, 2),
                 "product": quantity(320, 330)},
                {"experiment": "probes", "threshold": None, "s": quantity(9, None), "scale": NOTHING,
                 "product": quantity(300, 310)},
                {"experiment": "m-growth", "threshold": 0.03, "s": quantity(40, 44), "scale": NOTHING,
                 "product": NOTHING},
                {"experiment": "m-growth", "threshold": 0.1, "s": NOTHING, "scale": NOTHING, "product": NOTHING},
            ],
            "growth": [
                {"threshold": 0.03, "m": [1, 2, 3], "count": [quantity(40, 44), quantity(80, 90), NOTHING],
                 "fitted": [quantity(41, 43), quantity(85, 84), quantity(120, 121)], "residual": quantity(0.1, 0.2)},
                {"threshold": 0.1, "m": [1, 2, 3], "count": [NOTHING] * 3, "fitted": [NOTHING] * 3,
                 "residual": NOTHING},
            ],
            "ratios": [
                {"of": "probes", "to": "d_lim", "ratio": None, "interval": None},
                {"of": "m-growth above 0.03", "to": "d_lim", "ratio": 0.52, "interval": [0.4, 0.6]},
            ],
            "sentence": "They part.",
        },
        "toy-sampled": {
            "dim": 300, "true_s": 15, "seeds": [0, 1],
            "estimates": [{"experiment": "d_lim", "threshold": None, "s": quantity(14, 16), "scale": quantity(1, 1),
                           "product": quantity(15, 15)}],
            "growth": [], "ratios": [], "sentence": "They agree.",
        },
    },
}  # fmt: skip
"""The content of a fit.json with what may be lacking."""


def test_landscapes_come_toys_first_with_the_true_s_beside():
    toy, network = parting.landscapes(FIT)
    assert (toy["title"], toy["true"], toy["dim"], toy["seeds"]) == ("Toy: sampled wedges", "15", "300", "2 seeds")
    assert network["true"] is None
    assert network["sentence"] == "They part."


def test_each_experiment_has_a_row_and_each_ratio_its_interval():
    _, network = parting.landscapes(FIT)
    assert [row["experiment"] for row in network["estimates"]] == [
        "d_lim", "probes", "m-growth, curvature above 0.03", "m-growth, curvature above 0.1",
    ]  # fmt: skip
    d_lim, probes, growth, lost = network["estimates"]
    assert (d_lim["s"], d_lim["residual"]) == ("81 [80, 82]", "")
    assert (probes["s"], probes["scale"]) == ("undefined in 1 of 2 seeds", "")
    assert growth["residual"] == "0.15 [−0.85, 1.15]"
    assert lost["s"] == ""
    assert network["ratios"][0] == {"pair": "probes / d_lim", "ratio": "undefined"}
    assert network["ratios"][1]["ratio"] == "0.52 [0.4, 0.6]"


@pytest.mark.parametrize(
    ("claims", "there", "text"),
    [
        (("sections", "tunnels"), (), "Not part of this run: radial-wells, short-directions."),
        (parting.NEEDED, ("sections",), "No result is there yet of: radial-wells, short-directions."),
        (parting.NEEDED, parting.NEEDED, "No toy or network has enough results of all three yet."),
    ],
)
def test_what_is_lacking_is_named(claims, there, text):
    assert parting.missing(claims, {claim: ["network"] for claim in there}) == text
