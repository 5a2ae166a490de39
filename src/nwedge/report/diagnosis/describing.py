"""What the figures show, in words: alternative texts with the main numbers, and captions."""

import numpy as np

from nwedge.report import words
from nwedge.report.diagnosis import options, pairs
from nwedge.report.diagnosis.figures import accuracies, graph, matrix, plane, ways
from nwedge.report.diagnosis.reading import Found

MAPS = {
    "barriers": ("Barriers on the straight lines between all pairs", words.number),
    "statistics": ("Barriers with averaged BatchNorm statistics", words.number),
    "disagreement": ("Disagreement of all pairs", words.percent),
    "angles": ("Angles between all pairs", words.degrees),
}
"""The heat maps, named for what they show of what was found: what that is, and how its values are said."""
CAPTIONS = {
    "options": accuracies.CAPTION,
    "barriers": matrix.BARRIERS,
    "statistics": matrix.BARRIERS,
    "disagreement": matrix.OTHER,
    "angles": matrix.OTHER,
    "graph": graph.CAPTION,
    "ways": ways.CAPTION,
    "plane": plane.CAPTION,
}


def label(name: str, found: Found) -> str:
    """The alternative text of a figure: what it is, then, after a colon, its main numbers."""
    if name in MAPS:
        what, say = MAPS[name]
        return f"{what}: {pairs.extremes(found, getattr(found, name), say)}."
    return {"options": _options, "graph": _graph, "ways": _ways, "plane": _plane}[name](found)


def caption(name: str, found: Found) -> str:
    """What stands below a figure."""
    far = name == "options" and accuracies.far(found.content["options"])
    return CAPTIONS[name] + accuracies.FAR * far


def _options(found: Found) -> str:
    every, recommended = found.content["options"], found.content["recommendation"].values()
    parts = []
    for name in options.ordered(every):
        starred = " (recommended)" if name in recommended else ""
        parts.append(f"{options.title(name)} {options.scores(every[name]['scores'])['accuracy']}{starred}")
    return f"Accuracy of each option: {'; '.join(parts)}."


def _graph(found: Found) -> str:
    return f"Graph of the low lines: {pairs.together(found)}"


def _ways(found: Found) -> str:
    parts = []
    for way, values in pairs.ways(found).items():
        known = values[np.isfinite(values)]
        if known.size:
            parts.append(f"{way} {_range(known)}")
    return f"Barriers from the best checkpoint, by the way: {'; '.join(parts) or 'none defined'}."


def _plane(found: Found) -> str:
    one = found.content["plane"]
    loss = np.array(one["loss"], dtype=float)
    names = words.listed([found.labels[place] for place in found.places(one["names"])])
    known = loss[np.isfinite(loss)]
    missing = f"; undefined at {loss.size - known.size} of {loss.size} points" if known.size < loss.size else ""
    return f"Training loss on the plane through {names}: {_range(known) if known.size else 'no value'}{missing}."


def _range(values: np.ndarray) -> str:
    low, high = words.number(float(values.min())), words.number(float(values.max()))
    return low if low == high else f"{low} to {high}"
