"""Checkpoint files to a picture: read, cut in parts that are kept, checked in a plain loop, stored and drawn."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from nwedge._files import check_directory, shared, there
from nwedge.given import network_of
from nwedge.specs.picture import (
    METRICS,
    CutArguments,
    DirectedArguments,
    PictureArguments,
    SpectrumPicture,
    TrajectoryPicture,
    metric_name,
)
from nwedge.sweep.work import one_line

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from nwedge.landscapes.networks.files import Checkpoints
    from nwedge.landscapes.networks.network import NetworkLandscape
    from nwedge.pictures.checking import Check
    from nwedge.pictures.keeping import Keeper
    from nwedge.pictures.progress import Display
    from nwedge.report.pictures.picture import Picture

TOLERANCE = 0.02
"""The standard error of a loss, relative to it, where none is given and few examples can estimate it."""
MANY = 4096
"""Examples from which on fewer of them are quicker."""


@dataclass(frozen=True)
class Drawn:
    """What a picture of files came to.

    Attributes:
        page: the path of picture.html.
        sentences: the self-check and whatever else the picture's footer says.
        check: the self-check; None for a spectrum.
        left_out: one sentence for each checkpoint of a trajectory that could not be read.
    """

    page: Path
    sentences: Sequence[str]
    check: "Check | None"
    left_out: Sequence[str]

    @property
    def trusted(self) -> bool:
        """Whether nothing was left out and the self-check has passed."""
        return not self.left_out and (self.check is None or self.check.passed)


def draw_picture(arguments: PictureArguments) -> Drawn:
    """Write picture.html, its figures, picture.json and the numbers (*.nc) below `arguments.out`.

    The numbers are kept in parts as they come, and the same arguments go on from them.

    Raises:
        ValueError, TypeError: functions that are not to be found, raise or make no network, checkpoints that cannot be
            read, differ in their architecture or span no picture, or metrics that do not fit.
        FloatingPointError: a gradient or a Hessian that is not finite.
        StoreError: the directory cannot be written, or holds another picture.
    """
    from nwedge.landscapes.networks.files import read
    from nwedge.pictures.asking import asked, enter
    from nwedge.pictures.keeping import Keeper, remove_parts
    from nwedge.pictures.progress import Display
    from nwedge.report.pictures.document import write

    check_directory(arguments.out)
    _check_vtk(arguments)
    files, steps = _files(arguments)
    given = read(files, network_of(arguments), arguments.key)
    _check_given(arguments, given)
    read_files = [path for path in files if str(path) in given.names]
    steps = None if steps is None else [step for path, step in zip(files, steps, strict=True) if path in read_files]
    spec = asked(arguments, given.landscape, read_files, _settled(arguments, given.landscape))
    with shared(arguments.out, lambda first: enter(arguments.out, spec, overwrite=arguments.overwrite, first=first)):
        with Display(Console(stderr=True)) as display:
            keeper = Keeper(arguments.out, spec["id"], display.skip)
            job = _Job(arguments, given, steps, spec["arguments"], keeper, display)
            picture, check = _spectrum(job) if isinstance(arguments, SpectrumPicture) else _cuts(job)
        page = write(arguments.out, picture)
        _write_vtk(arguments, picture)
        remove_parts(arguments.out)
    return Drawn(page, picture.footer, check, given.left_out if isinstance(arguments, TrajectoryPicture) else ())


@dataclass(frozen=True)
class _Job:
    """What is to be drawn, and where its numbers are kept."""

    arguments: Any
    given: "Checkpoints"
    steps: Sequence[float] | None
    settled: Mapping[str, Any]
    keeper: "Keeper"
    display: "Display"

    @property
    def landscape(self) -> "NetworkLandscape":
        return self.given.landscape

    @property
    def names(self) -> list[str]:
        return list(self.given.names)

    def directions(self, landscape: Any, point: "Tensor", count: int, turn: int) -> "Tensor":
        """The directions that are asked for, kept, as some take long and others depend on how numbers are drawn."""
        import torch
        import xarray as xr

        from nwedge.pictures.sections import directions

        def found() -> xr.Dataset:
            drawn = directions(self.arguments, landscape, point, count, turn)
            return xr.Dataset({"direction": (("axis", "weight"), drawn.cpu().numpy())})

        self.display.begin(f"directions ({self.arguments.directions})", 1)
        kept = self.keeper.dataset(f"directions-{turn + 1}" if self.arguments.draws > 1 else "directions", found)
        return torch.from_numpy(kept["direction"].values).to(landscape.device, landscape.dtype)


def _files(arguments: PictureArguments) -> tuple[list[Path], list[float] | None]:
    """The checkpoints and, of a recording, their steps."""
    files = list(arguments.checkpoints)
    if isinstance(arguments, TrajectoryPicture) and len(files) == 1 and files[0].is_dir():
        from nwedge.recording.reading import RECORDS, read_recording

        if there(files[0] / RECORDS):
            recording = read_recording(files[0])
            return list(recording.snapshots), [float(step) for step in recording.steps]
    if len(set(files)) < len(files):
        twice = next(path for path in files if files.count(path) > 1)
        raise ValueError(f"checkpoints must be different; {twice} is given twice")
    return files, None


def _check_given(arguments: PictureArguments, given: "Checkpoints") -> None:
    """Refuse (ValueError) a picture that would not go through all checkpoints, or a trajectory of one."""
    if isinstance(arguments, TrajectoryPicture):
        if len(given.names) < 3:
            why = f": {'; '.join(given.left_out)}" if given.left_out else ""
            raise ValueError(
                f"a trajectory needs at least 3 checkpoints that differ; got {len(given.names)}{why}: keep more of "
                "them while the network trains"
            )
    elif given.left_out:
        raise ValueError(f"a {arguments.kind} goes through all of its checkpoints: {'; '.join(given.left_out)}")


def _settled(arguments: PictureArguments, landscape: "NetworkLandscape") -> dict[str, Any]:
    """What the arguments left open and numbers depend on."""
    import torch

    found: dict[str, Any] = {
        "batch_norm": arguments.batch_norm or "recompute",
        "threads": torch.get_num_threads(),
    }
    if isinstance(arguments, CutArguments):
        found["tolerance"] = _tolerance(arguments, landscape)
    return found


def _tolerance(arguments: CutArguments, landscape: "NetworkLandscape") -> float:
    """The tolerance, 0 where none is given and it could not be had or would not be quick."""
    if arguments.tolerance is not None:
        return arguments.tolerance
    losses = {"loss", "held_out_loss"} & set(arguments.metrics)
    quick = arguments.loss is None and not landscape.recomputes and landscape.examples >= MANY
    return TOLERANCE if losses and quick else 0.0


def _metrics(arguments: CutArguments) -> dict[str, Any]:
    """The metrics by name: of the user's functions, what they raise is told in a sentence."""
    from nwedge.specs.references import find

    def own(reference: str) -> Callable[[Any, "Tensor"], "Tensor"]:
        function = find(reference)

        def told(landscape: Any, points: "Tensor") -> "Tensor":
            try:
                return function(landscape, points)
            except Exception as error:  # the function is the user's: it may raise anything
                raise ValueError(f"{reference!r} raises {one_line(error)}") from error

        return told

    return {metric_name(one): one if one in METRICS else own(one) for one in arguments.metrics}


def _cuts(job: _Job) -> "tuple[Picture, Check]":
    from nwedge.pictures import footer
    from nwedge.pictures.checking import self_check
    from nwedge.pictures.cuts import cut_all, size_of, values_at
    from nwedge.pictures.sections import sections
    from nwedge.report.pictures.picture import Picture

    arguments, landscape, points = job.arguments, job.landscape, job.given.points
    metrics, tolerance = _metrics(arguments), job.settled["tolerance"] or None
    found = sections(arguments, landscape, points, job.names, steps=job.steps, draw=job.directions)
    job.display.begin("checkpoints", len(points))
    values = job.keeper.dataset(
        "checkpoints",
        lambda: values_at(landscape, points, job.names, metrics, lambda units: job.display.advance(units)),
    )
    job.display.begin(f"{arguments.kind} of {next(iter(metrics))}", size_of(found.draws))
    cuts = cut_all(landscape, found.draws, arguments, metrics, job.keeper, job.display, tolerance=tolerance)
    model, told = _model(job) if isinstance(arguments, DirectedArguments) and arguments.beside else ({}, [])
    job.display.begin("self-check", 1)
    check = self_check(arguments, landscape, found.draws, cuts)
    trajectory = None
    if found.trajectory is not None:
        path = found.trajectory
        trajectory = job.keeper.dataset("trajectory", lambda: path.assign(values.drop_vars("name").data_vars))
    sentences = [
        check.sentence,
        found.through,
        footer.of_data(arguments, landscape),
        *footer.of_errors(cuts),
        *footer.of_checkpoints(values),
        *footer.of_angles(cuts),
        *footer.of_gaps({**cuts, **model}),
        *told,
        *[f"{note}." for note in (*job.given.notes, *job.given.left_out)],
        footer.of_version(arguments),
    ]
    title = f"{_shown(metrics, cuts)} {_where(arguments, job.names)}"
    picture = Picture(
        title=title[0].upper() + title[1:],
        kind=arguments.kind,
        cuts=cuts,
        marks=found.marks,
        trajectory=trajectory,
        beside=model,
        axes=found.axes,
        footer=sentences,
    )
    return picture, check


def _model(job: _Job) -> "tuple[dict[str, xr.Dataset], list[str]]":
    """The same cut of the wedge model, and what it is."""
    import xarray as xr

    from nwedge.pictures.cuts import cut_all, size_of
    from nwedge.pictures.model import beside, count_short

    arguments, points = job.arguments, job.given.points
    job.display.begin("short directions", 1)

    def counted() -> xr.Dataset:
        found = count_short(arguments, job.landscape, points[0])
        return xr.Dataset(
            {"count": ("threshold", found.counts.numpy()), "count_error": ("threshold", found.standard_errors.numpy())},
            {"threshold": ("threshold", found.thresholds.numpy())},
        )

    short = job.keeper.dataset("short-directions", counted)
    numbers = (float(short[name][0]) for name in ("threshold", "count", "count_error"))
    model = beside(arguments, points, *numbers)
    job.display.begin("wedge model", size_of(model.draws))
    cuts = cut_all(
        model.landscape, model.draws, arguments, {"loss": "loss"}, job.keeper, job.display, tolerance=None
    )  # fmt: skip
    return cuts, [model.sentence]


def _spectrum(job: _Job) -> "tuple[Picture, None]":
    from nwedge._random import derive
    from nwedge.pictures import footer
    from nwedge.pictures.cuts import values_at
    from nwedge.pictures.spectrum import spectrum
    from nwedge.report.pictures.picture import Picture

    arguments, landscape, point = job.arguments, job.landscape, job.given.points[0]
    job.display.begin("products with the Hessian", 1)
    found = job.keeper.dataset(
        "spectrum",
        lambda: spectrum(
            landscape,
            point,
            arguments.thresholds,
            products=arguments.products,
            generator=derive(arguments.seed, "picture", "spectrum"),
            progress=lambda done, total: job.display.step(done / total, 1),
        ),
    )
    values = job.keeper.dataset(
        "checkpoints",
        lambda: values_at(landscape, point[None], job.names, {"loss": "loss"}, lambda units: None),
    )
    sentences = [
        f"Stochastic Lanczos quadrature with {found.attrs['products']} products of the Hessian and random vectors, on "
        "all training examples; errors are those of the random vectors and of the steps.",
        footer.of_data(arguments, landscape),
        *footer.of_checkpoints(values),
        *[f"{note}." for note in job.given.notes],
        footer.of_version(arguments),
    ]
    title = f"Spectrum of the Hessian at {job.names[0]}"
    return Picture(title=title, kind="spectrum", spectrum=found, footer=sentences), None


def _shown(metrics: Mapping[str, Any], cuts: "Mapping[str, xr.Dataset]") -> str:
    """The metrics in words."""
    first = next(iter(cuts.values()))
    return " and ".join(str(first[name].attrs["long_name"]) for name in metrics)


def _where(arguments: CutArguments, names: Sequence[str]) -> str:
    """What the picture goes around or through, in words."""
    if arguments.kind == "trajectory":
        return f"along a run of {len(names)} checkpoints"
    return f"around {names[0]}" if len(names) == 1 else f"through {', '.join(names[:-1])} and {names[-1]}"


def _check_vtk(arguments: PictureArguments) -> None:
    """Refuse files for ParaView where nothing can write them (ValueError), before anything is computed."""
    if getattr(arguments, "vtk", False) and importlib.util.find_spec("pyvista") is None:
        raise ValueError("--vtk needs pyvista, which is not installed: pip install 'nwedge[vtk]'")


def _write_vtk(arguments: PictureArguments, picture: "Picture") -> None:
    if not getattr(arguments, "vtk", False):
        return
    from nwedge.pictures.cuts import file_name
    from nwedge.report.pictures.vtk import write_vti, write_vtp

    for label, cut in {**picture.cuts, **picture.beside}.items():
        write_vti(arguments.out / f"{file_name(label)}.vti", cut)
    if picture.trajectory is not None:
        write_vtp(arguments.out / "trajectory.vtp", picture.trajectory)
