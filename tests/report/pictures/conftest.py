"""Made-up cuts, a trajectory and a spectrum with the schema of the real ones."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import xarray as xr

from nwedge.report.pictures.picture import Picture

UNITS = {"loss": "nats", "accuracy": "fraction"}
LONG = {
    "loss": "training loss",
    "held_out_loss": "held-out loss",
    "accuracy": "training accuracy",
    "held_out_accuracy": "held-out accuracy",
}


def cut(
    dim: int = 2,
    metrics: Sequence[str] = ("loss",),
    *,
    seed: int = 0,
    side: int = 11,
    nan: int = 0,
    error: bool = False,
    angle: float = 90.0,
    low: float = 0.01,
) -> xr.Dataset:
    """A bowl that is longer along axis 0 and whose middle lies off the origin, as `nwedge.cut` would store it."""
    rng = np.random.default_rng(seed)
    axes = [np.linspace(-1, 1, side + 2 * axis) for axis in range(dim)]
    unit = 3 + 0.1 * rng.random(dim)
    grids = np.meshgrid(*axes, indexing="ij")
    bowl = sum((grid - 0.3 * axis - 0.1 * rng.random()) ** 2 * (1 + 4 * axis) for axis, grid in enumerate(grids))
    data = {}
    for metric in metrics:
        accuracy = metric.endswith("accuracy")
        values = np.exp(-bowl) if accuracy else low + bowl * (2.0 if metric == "loss" else 2.5)
        values = np.array(values, dtype=float)
        if metric == metrics[0]:
            values.flat[:nan] = [np.nan, np.inf][: nan and 2] * (nan // 2) + [np.nan] * (nan % 2)
        dims = [f"c{axis}" for axis in range(dim)]
        attrs = {"long_name": LONG.get(metric, metric), "units": UNITS.get(metric.removeprefix("held_out_"), "1")}
        data[metric] = (dims, values, attrs | {"nonfinite": int((~np.isfinite(values)).sum())})
        if error:
            data[f"{metric}_error"] = (dims, 0.05 * np.abs(np.nan_to_num(values, posinf=1.0)) + 0.01)
            data[f"{metric}_examples"] = (dims, np.full(values.shape, 512))
    coords = {f"c{axis}": places for axis, places in enumerate(axes)}
    distances = {f"distance{axis}": (f"c{axis}", places * unit[axis]) for axis, places in enumerate(axes)}
    attrs = {"chart": "plane", "examples": 1000, "evaluations": int(bowl.size)}
    return xr.Dataset(data, coords | distances, attrs | ({"angle": angle} if dim == 2 else {}))


def trajectory(count: int = 12, loss: bool = True) -> xr.Dataset:
    """A path that spirals in and leaves the plane on its way."""
    t = np.linspace(0, 1, count)
    position = np.stack([2.5 * (1 - t) * np.cos(2 * t) - 0.2, 2 * (1 - t) * np.sin(3 * t)], 1)
    off = 1.5 * t * (1 - t)
    data = {
        "position": (("checkpoint", "axis"), position),
        "off_plane": ("checkpoint", off),
        "distance": ("checkpoint", np.hypot(np.linalg.norm(position, axis=1), off)),
        "explained": ("component", [0.7, 0.2, 0.1]),
        "variance": ("axis", [0.5, 0.3]),
        "step": ("checkpoint", np.arange(count) * 10),
    }
    return xr.Dataset(data | ({"loss": ("checkpoint", 2 - 1.9 * t)} if loss else {}))


def spectrum() -> xr.Dataset:
    """A bulk near zero of both signs, and a few large eigenvalues."""
    rng = np.random.default_rng(0)
    eigenvalue = np.concatenate([10.0 ** rng.uniform(-6, -1, 30), -(10.0 ** rng.uniform(-6, -3, 10)), [0.5, 3, 20, 0]])
    weight = np.concatenate([10.0 ** rng.uniform(0, 3, 30), 10.0 ** rng.uniform(0, 2, 10), [4, 2, 1, 50]])
    return xr.Dataset(
        {
            "eigenvalue": ("node", eigenvalue),
            "weight": ("node", weight),
            "count": ("threshold", [200.0, 9.0]),
            "count_error": ("threshold", [12.0, 0.5]),
            "top": ("top", [20.0, 3.0, 2.9]),
        },
        {"threshold": [0.01, 0.3]},
    )


FOOTER = ("Seed 0; filter-normalised directions; 1,000 training examples.", "Self-check: 5 points, difference 1e-7.")
AXES = ("filter-normalised direction 1", "filter-normalised direction 2")


def made(kind: str, draws: int = 1, **options) -> Picture:
    """A picture of any kind; options go to its cuts."""
    if kind == "spectrum":
        return Picture("The Hessian's spectrum at a.safetensors", kind, spectrum=spectrum(), footer=FOOTER)
    dim = 1 if kind == "line" else 2
    cuts = {f"draw {n + 1}": cut(dim, seed=n, **options) for n in range(draws)}
    return Picture(
        f"The loss around a.safetensors: a {kind}",
        kind,
        cuts=cuts,
        marks={"a": (0.0,) * dim, "b": (0.5,) * dim},
        trajectory=trajectory() if kind == "trajectory" else None,
        axes=AXES[:dim],
        footer=FOOTER,
    )


@pytest.fixture(scope="session")
def make() -> Callable[..., Picture]:
    """Makes a picture of a kind."""
    return made


@pytest.fixture(scope="session")
def make_cut() -> Callable[..., xr.Dataset]:
    """Makes a cut."""
    return cut


@pytest.fixture(scope="session")
def make_trajectory() -> Callable[..., xr.Dataset]:
    """Makes a trajectory."""
    return trajectory
