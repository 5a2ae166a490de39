"""Arrays and their places in a pytree, in words, for errors."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.tree_util import keystr, tree_flatten_with_path


def is_array(leaf: Any) -> bool:
    """Whether a leaf is an array of JAX or NumPy."""
    return isinstance(leaf, jax.Array | np.ndarray | np.generic)


def leaves_by_place(tree: Any, what: str) -> list[tuple[str, Any]]:
    """The leaves of a pytree in its order, each with its place in words: `leaf ['w'] of params`."""
    return [
        (f"leaf {keystr(path)} of {what}" if path else what, leaf) for path, leaf in tree_flatten_with_path(tree)[0]
    ]


def describe(tree: Any) -> str:
    """The structure of arrays in words: (float32 (8, 64), int32 (8,))."""
    if hasattr(tree, "dtype") and hasattr(tree, "shape"):
        return f"{tree.dtype} {tuple(tree.shape)}"
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{key!r}: {describe(value)}" for key, value in tree.items()) + "}"
    if isinstance(tree, Sequence) and not isinstance(tree, str):
        return "(" + ", ".join(map(describe, tree)) + ")"
    return type(tree).__name__


def first_line(error: BaseException) -> str:
    """What an error says, without its explanations."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".:") if lines else type(error).__name__
