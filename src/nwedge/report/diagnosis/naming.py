"""Short labels for checkpoints, whose names are often long paths."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

LONGEST = 22
"""Characters of a label; of a longer one the middle is left out."""
KEPT = 8
"""Characters that such a label keeps of its beginning."""


def labels(names: Sequence[str]) -> list[str]:
    """A label for each name, all different where the names are.

    What says nothing is left out: the folders with which all names begin, the folders and the file with which all end,
    the words at the end of names of equally many words, then the middle of what is still long. Where labels would be
    alike, they bear the place of their names, from 1 on.
    """
    parts = _parted([list(PurePosixPath(name).parts) or [name] for name in names], (0, -1))
    texts = ["/".join(one).replace("//", "/") for one in parts]
    tokens = [re.split("([-_/])", text) for text in texts]
    if len(names) > 1 and len({len(one) for one in tokens}) == 1:
        texts = ["".join(one).rstrip("-_/") for one in _parted(tokens, (-1,))]
    short = [_shortened(text or name) for text, name in zip(texts, names, strict=True)]
    return [text if short.count(text) == 1 else f"{place}: {text}" for place, text in enumerate(short, 1)]


def _parted(parts: list[list[str]], ends: Sequence[int]) -> list[list[str]]:
    """The parts without those that all share, at the given ends; one is left of each."""
    for end in ends:
        while all(len(one) > 1 for one in parts) and len({one[end] for one in parts}) == 1:
            parts = [one[1:] if end == 0 else one[:-1] for one in parts]
    return parts


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:KEPT]}…{text[KEPT + 1 - LONGEST :]}"
