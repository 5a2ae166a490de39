import html.parser
import itertools

import numpy as np
import pytest

from nwedge.report import surface

DIM = 40


def sheet(bend: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Three optima, and vertices that stand above the mean of their subset, at different heights."""
    rng = np.random.default_rng(0)
    optima = rng.normal(size=(3, DIM))
    members = [[i for i in range(3) if (row + 1) >> i & 1] for row in range(7)]
    away = rng.normal(size=DIM)
    plane, _ = np.linalg.qr((optima[1:] - optima[0]).T)
    away -= plane @ (plane.T @ away)
    lifted = [bend * (len(own) - 1) * away / np.linalg.norm(away) for own in members]
    return optima, np.stack([optima[own].mean(0) + lift for own, lift in zip(members, lifted, strict=True)])


def unit(optima: np.ndarray) -> float:
    return float(np.mean([np.linalg.norm(a - b) for a, b in itertools.combinations(optima, 2)]))


class Drawn(html.parser.HTMLParser):
    def __init__(self, source: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_a_flat_sheet_lies_in_the_triangle_of_its_optima():
    shape = surface.surface(*sheet(bend=0.0))
    np.testing.assert_allclose(shape.points[:, 2], 0, atol=1e-7)
    np.testing.assert_allclose(shape.vertices[6], 0, atol=1e-7)
    corners = shape.points[shape.faces][:, :, :2]
    edges = corners[:, 1:] - corners[:, :1]
    area = np.abs(np.linalg.det(edges)).sum() / 2
    first, second, third = shape.vertices[[0, 1, 3], :2]
    assert area == pytest.approx(abs(np.linalg.det(np.stack([second - first, third - first]))) / 2)


def test_heights_are_distances_from_the_plane_and_lengths_in_it_are_kept():
    optima, vertices = sheet()
    shape = surface.surface(optima, vertices)
    scale = unit(optima)
    np.testing.assert_allclose(shape.vertices[[2, 4, 5], 2], 0.5 / scale)
    assert shape.vertices[6, 2] == pytest.approx(1.0 / scale)
    assert shape.points[:, 2].max() == pytest.approx(1.0 / scale)
    for one, other in itertools.combinations([0, 1, 3], 2):
        seen = np.linalg.norm(shape.vertices[one] - shape.vertices[other])
        assert seen == pytest.approx(np.linalg.norm(vertices[one] - vertices[other]) / scale)


def test_the_third_optimum_is_in_front():
    first, second, third = surface.surface(*sheet()).vertices[[0, 1, 3]]
    assert first[0] < second[0]
    assert first[1] == pytest.approx(second[1])
    assert third[1] < first[1]


def test_a_view_keeps_distances_and_from_above_one_sees_the_plane():
    points = surface.surface(*sheet()).points
    for angles in ((0.3, 0.4), (-2.0, 1.2)):
        seen = surface.project(points, *angles)
        np.testing.assert_allclose(np.linalg.norm(seen, axis=1), np.linalg.norm(points, axis=1))
    above = surface.project(points, 0.0, np.pi / 2)
    np.testing.assert_allclose(above[:, :2] * [1, -1], points[:, :2], atol=1e-12)
    aside = surface.project(points, 0.0, 0.0)
    np.testing.assert_allclose(aside[:, 1], -points[:, 2], atol=1e-12)


def test_the_drawing_names_its_points_so_that_a_script_can_redraw_it():
    shape = surface.surface(*sheet())
    drawn = Drawn(surface.draw(shape, 'a "sheet" & more'))
    (head,) = drawn.named("svg")
    assert head["aria-label"] == 'a "sheet" & more'
    known = np.array([[float(x) for x in point.split(",")] for point in head["data-points"].split(" ")])
    seen = surface.project(known, float(head["data-azimuth"]), float(head["data-elevation"]))
    polygons = drawn.named("polygon")
    assert len(polygons) == len(shape.faces) + 1
    assert len(shape.faces) == 6 * surface.REFINED**2
    for polygon in polygons:
        at = [int(index) for index in polygon["data-at"].split(" ")]
        places = [[float(x) for x in place.split(",")] for place in polygon["points"].split(" ")]
        np.testing.assert_allclose(places, seen[at, :2], atol=2e-3)
    away = [seen[[int(index) for index in polygon["data-at"].split(" ")], 2].mean() for polygon in polygons[1:]]
    assert np.all(np.diff(away) <= 2e-3)
    for circle in drawn.named("circle"):
        place = seen[int(circle["data-at"])]
        np.testing.assert_allclose([float(circle["cx"]), float(circle["cy"])], place[:2], atol=2e-3)
    assert len(drawn.named("text")) == 4


def test_nothing_leaves_the_frame_when_it_is_turned():
    drawn = surface.draw(surface.surface(*sheet(bend=3.0)), "high")
    (head,) = Drawn(drawn).named("svg")
    left, top, width, height = map(float, head["viewbox"].split(" "))
    known = np.array([[float(x) for x in point.split(",")] for point in head["data-points"].split(" ")])
    for azimuth in np.linspace(-3, 3, 7):
        right = surface.project(known, azimuth, 0.4)[:, 0]
        assert left <= right.min() <= right.max() <= left + width
    assert top == pytest.approx(-height / 2, abs=1e-3)


def test_it_is_light():
    assert len(surface.draw(surface.surface(*sheet()), "sheet")) < 40_000
