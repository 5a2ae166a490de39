"""Where pictures cut: charts hold their checkpoints at their marks, and grids hold them with a margin."""

from pathlib import Path

import pytest
import torch

from nwedge import WedgeLandscape
from nwedge.pictures.sections import Section, Sections, sections
from nwedge.specs.picture import LinePicture, PlanePicture, TrajectoryPicture

DIM = 40


def drawn(kind: type, count: int, seed: int, dtype: torch.dtype, **options) -> tuple[Sections, torch.Tensor]:
    """The sections through so many random points, with random directions."""
    landscape = WedgeLandscape(DIM, 3, dtype=dtype)
    points = landscape.initial(count, torch.Generator().manual_seed(seed))
    names = [f"{number}.pt" for number in range(count)]
    arguments = kind(checkpoints=tuple(map(Path, names)), network="a:b", data="a:c", seed=seed, **options)
    return sections(arguments, landscape, points, names), points


def at(section: Section, place: tuple[float, ...]) -> torch.Tensor:
    return section.points(torch.tensor([place], dtype=section.chart.dtype))[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("kind", "count"), [(LinePicture, 1), (LinePicture, 2), (PlanePicture, 1), (PlanePicture, 3)])
def test_marks_are_the_checkpoints(kind, count, seed, dtype):
    options = {"directions": "random"} if count == 1 else {}
    found, points = drawn(kind, count, seed, dtype, **options)
    (section,) = found.draws.values()
    rounding = 1e-4 if dtype == torch.float32 else 1e-10
    assert len(found.marks) == count
    for point, place in zip(points, found.marks.values(), strict=True):
        torch.testing.assert_close(at(section, place), point, atol=rounding, rtol=0)
        for coordinate, axis in zip(place, section.coordinates, strict=True):
            assert axis[0] < coordinate < axis[-1]


@pytest.mark.parametrize("points", [2, 50, 51])
def test_a_line_through_two_has_both_on_its_grid_once(points):
    found, _ = drawn(LinePicture, 2, 0, torch.float32, points=points)
    (axis,) = next(iter(found.draws.values())).coordinates
    assert {0.0, 1.0} <= set(axis.tolist())
    assert (axis.float().diff() > 1e-4).all()
    assert len(axis) - points in (0, 1, 2)


def test_a_grid_that_meets_the_checkpoints_gets_no_points_beside_them():
    found, _ = drawn(LinePicture, 2, 0, torch.float32, points=41)  # steps of .05 from -.5 to 1.5
    assert len(next(iter(found.draws.values())).coordinates[0]) == 41


@pytest.mark.parametrize(("kind", "count"), [(PlanePicture, 3), (TrajectoryPicture, 6)])
@pytest.mark.parametrize("reach", [0.1, 2.0])
def test_the_margin_is_a_share_of_the_larger_extent(kind, count, reach):
    found, _ = drawn(kind, count, 1, torch.float64, reach=reach)
    if found.trajectory is None:
        places = torch.tensor(list(found.marks.values()))
    else:
        places = torch.from_numpy(found.trajectory["position"].values)
    (section,) = found.draws.values()
    extent = float((places.max(0).values - places.min(0).values).max())
    for coordinates, axis in zip(places.T, section.coordinates, strict=True):
        assert float(coordinates.min() - axis[0]) == pytest.approx(reach * extent)
        assert float(axis[-1] - coordinates.max()) == pytest.approx(reach * extent)


def test_draws_differ_and_depend_on_the_seed_alone():
    first, _ = drawn(PlanePicture, 1, 0, torch.float64, directions="random", draws=3)
    again, _ = drawn(PlanePicture, 1, 0, torch.float64, directions="random", draws=3)
    axes = [section.chart.axes for section in first.draws.values()]
    assert list(first.draws) == ["draw 1", "draw 2", "draw 3"]
    assert not any(torch.allclose(axes[0], other) for other in axes[1:])
    for one, other in zip(axes, again.draws.values(), strict=True):
        assert torch.equal(one, other.chart.axes)


@pytest.mark.parametrize("seed", range(3))
def test_the_direction_across_a_line_is_orthogonal_to_it(seed):
    found, (a, b) = drawn(PlanePicture, 2, seed, torch.float64, directions="random")
    u, v = next(iter(found.draws.values())).chart.axes
    torch.testing.assert_close(u, b - a)
    assert abs(float(u @ v)) < 1e-10 * float(u.norm() * v.norm())
    assert 0 < v.norm() <= a.norm() + 1e-9
