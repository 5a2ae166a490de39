"""Spectra of the Hessian: where its eigenvalues lie, how many there are, and how many exceed each threshold."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from nwedge.report import words
from nwedge.report.figures import style

COLOURS = {"positive": "#0072b2", "negative": "#d55e00"}
MARKS = {"positive": "o", "negative": "s"}


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A spectral density in numbers.

    Attributes:
        eigenvalues: nodes of the quadrature, shape (node,).
        weights: how many eigenvalues each stands for, shape (node,).
        top: the largest eigenvalues, found one by one.
        thresholds: shape (threshold,).
        counts: of eigenvalues above each threshold.
        count_errors: their standard errors.
        units: of the eigenvalues.
    """

    eigenvalues: Float[np.ndarray, " node"]
    weights: Float[np.ndarray, " node"]
    top: Float[np.ndarray, " top"]
    thresholds: Float[np.ndarray, " threshold"]
    counts: Float[np.ndarray, " threshold"]
    count_errors: Float[np.ndarray, " threshold"]
    units: str

    def signed(self, sign: str) -> tuple[np.ndarray, np.ndarray]:
        """The absolute values of the nodes of one sign, "positive" or "negative", and their weights."""
        keep = (self.eigenvalues > 0) if sign == "positive" else (self.eigenvalues < 0)
        keep &= self.weights > 0
        return np.abs(self.eigenvalues[keep]), self.weights[keep]

    @property
    def zeros(self) -> float:
        """The weight of nodes that are exactly 0, which a logarithmic axis does not show."""
        return float(self.weights[self.eigenvalues == 0].sum())

    @property
    def nonfinite(self) -> int:
        """How many nodes or weights are NaN or infinite."""
        return int((~(np.isfinite(self.eigenvalues) & np.isfinite(self.weights))).sum())

    @property
    def label(self) -> str:
        """The horizontal axis in words."""
        return f"size of the eigenvalue{f' ({self.units})' if self.units not in ('', '1') else ''}"

    @property
    def left_out(self) -> list[str]:
        """What the drawing does not show."""
        found = [f"{words.number(self.zeros)} eigenvalues of exactly 0 are not drawn"] if self.zeros > 0 else []
        return found + ([f"{words.count(self.nonfinite, 'node')} undefined"] if self.nonfinite else [])

    def counted(self) -> list[str]:
        """One sentence for each threshold."""
        rows = zip(self.thresholds.tolist(), self.counts.tolist(), self.count_errors.tolist(), strict=True)
        return [
            f"{words.number(count)} ± {words.number(error, 2)} eigenvalues above {words.number(at)}"
            for at, count, error in rows
        ]


def read(spectrum: xr.Dataset) -> Spectrum:
    """The numbers of a spectrum Dataset; without thresholds or largest eigenvalues these are empty."""

    def array(name: str) -> np.ndarray:
        return np.asarray(spectrum[name].values, dtype=float) if name in spectrum else np.zeros(0)

    return Spectrum(
        eigenvalues=array("eigenvalue"),
        weights=array("weight"),
        top=array("top"),
        thresholds=array("threshold"),
        counts=array("count"),
        count_errors=array("count_error"),
        units=str(spectrum["eigenvalue"].attrs.get("units", "")),
    )


def draw(axes: Axes, spectrum: Spectrum) -> Mapping[str, Artist]:
    """Stems from eigenvalues to their weights, both on logarithmic scales, with thresholds and counts."""
    entries: dict[str, Artist] = {}
    axes.set_xscale("log")
    axes.set_yscale("log")
    known = spectrum.weights[np.isfinite(spectrum.weights) & (spectrum.weights > 0)]
    if not known.size:
        style.says(axes, "undefined throughout")
        return entries
    foot = float(known.min()) / 3
    for sign, colour in COLOURS.items():
        sizes, weights = spectrum.signed(sign)
        if sizes.size:
            axes.vlines(sizes, foot, weights, color=colour, linewidth=1.0, alpha=0.7)
            axes.plot(sizes, weights, MARKS[sign], color=colour, markersize=4)
            handle = Line2D([], [], color=colour, marker=MARKS[sign], linestyle="none", markersize=4)
            entries[f"{sign} eigenvalues ({words.number(float(weights.sum()))})"] = handle
    top = spectrum.top[spectrum.top > 0]
    if top.size:
        axes.plot(top, np.full(len(top), foot), "|", color=style.INK, markersize=9, clip_on=False)
        handle = Line2D([], [], color=style.INK, marker="|", linestyle="none", markersize=9)
        entries[f"largest {len(top)}, one by one"] = handle
    sizes = np.abs(spectrum.eigenvalues[spectrum.eigenvalues != 0])
    middle = float(np.sqrt(sizes.min() * sizes.max())) if sizes.size else 1.0
    for number, (at, told) in enumerate(zip(spectrum.thresholds, spectrum.counted(), strict=True)):
        axes.axvline(at, color=style.MUTED, linewidth=0.9, linestyle="--")
        right = at > middle
        axes.annotate(
            told, (at, 1), (-3 if right else 3, -4 - 9 * number), xycoords=axes.get_xaxis_transform(),
            textcoords="offset points", size=7, va="top", ha="right" if right else "left", color=style.INK,
        )  # fmt: skip
    axes.set_ylim(foot, float(known.max()) * 10 ** (1 + 0.25 * len(spectrum.thresholds)))
    axes.set_xlabel(spectrum.label)
    axes.set_ylabel("weight (eigenvalues)")
    return entries
