"""What a picture shows: stored numbers and the words that go with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import xarray as xr

DIMENSIONS = {"line": 1, "plane": 2, "trajectory": 2, "spectrum": 0}
"""The kinds of pictures, and of how many dimensions the cuts are that each shows."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture to be drawn, from Datasets alone.

    Attributes:
        title: in words.
        kind: "line", "plane", "trajectory" (a plane with a path on it) or "spectrum".
        cuts: panel label -> cut; several are draws of the same, shown side by side with their spread.
        marks: named points, in chart coordinates.
        trajectory: the checkpoints of a run as seen from their principal plane, for "trajectory".
        spectrum: nodes and weights of the Hessian's spectral density, for "spectrum".
        beside: the same cut of the wedge model, by label.
        axes: labels of the axes in words, one a dimension of the cuts.
        footer: self-check, directions, seeds, data, standard error: one sentence each.

    Raises:
        ValueError: a kind that is unknown, or lacks what it shows; a cut, a mark or labels of another dimension; two
            panels of one label.
    """

    title: str
    kind: str
    cuts: Mapping[str, xr.Dataset] = field(default_factory=dict)
    marks: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    trajectory: xr.Dataset | None = None
    spectrum: xr.Dataset | None = None
    beside: Mapping[str, xr.Dataset] = field(default_factory=dict)
    axes: tuple[str, ...] = ()
    footer: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.kind not in DIMENSIONS:
            raise ValueError(f"kind must be one of {', '.join(map(repr, DIMENSIONS))}; got {self.kind!r}")
        self._check_parts()
        for label, cut in {**self.cuts, **self.beside}.items():
            self._check_cut(label, cut)
        for label, place in self.marks.items():
            if len(place) != self.dim:
                raise ValueError(
                    f"the mark {label!r} of a {self.kind} must have {self.dim} coordinates; got {len(place)}"
                )
        if len(self.axes) != self.dim:
            raise ValueError(f"a {self.kind} needs {self.dim} labels of axes; got {len(self.axes)}")

    @property
    def dim(self) -> int:
        """The number of dimensions of the cuts."""
        return DIMENSIONS[self.kind]

    def _check_parts(self) -> None:
        """Refuse a picture that lacks what its kind shows, or holds what it does not show."""
        for name, kind in (("trajectory", "trajectory"), ("spectrum", "spectrum")):
            if (getattr(self, name) is not None) != (self.kind == kind):
                came = "none" if self.kind == kind else f"one for a {self.kind}"
                raise ValueError(f"a picture has a {name} where its kind is {kind!r}; got {came}")
        if bool(self.cuts) != (self.dim > 0) or (self.beside and not self.dim):
            raise ValueError(f"a {self.kind} shows {'no cuts' if not self.dim else 'at least one cut'}")
        if twice := sorted(self.cuts.keys() & self.beside.keys()):
            raise ValueError(f"a cut and one beside it are both called {twice[0]!r}: rename one")

    def _check_cut(self, label: str, cut: xr.Dataset) -> None:
        """Refuse a cut of another dimension, or one without coordinates."""
        dims = tuple(f"c{axis}" for axis in range(self.dim))
        if set(map(str, cut.sizes)) != set(dims) or not set(dims) <= set(map(str, cut.coords)):
            came = ", ".join(map(str, cut.sizes)) or "none"
            hint = ": write it by write_vti" if len(cut.sizes) > 2 else ""
            raise ValueError(f"the cut {label!r} of a {self.kind} must have coordinates {dims}; got {came}{hint}")
