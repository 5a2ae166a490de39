"""A sheet over three optima as a surface in space that one can turn: an SVG, which the page's script redraws."""

import html
import itertools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from matplotlib import colormaps
from matplotlib.colors import to_hex

OPTIMA = 3
CORNERS = tuple((2**a - 1, 2**a + 2**b - 1, 6) for a, b in itertools.permutations(range(OPTIMA), 2))
"""The faces of the subdivided triangle, as rows of a sheet's vertices: an optimum, a pair with it, all three."""
REFINED = 5
"""Pieces into which each edge of a face is cut: its height above the plane is not linear."""
FRONT = (1, -1)
"""The axes of the plane: from the first optimum to the second, and from the third, which is in front, to them."""
AZIMUTH, ELEVATION = 0.2, 0.45
"""In radians: from where the surface is seen before it is turned."""
MARGIN, FLAT = 1.05, 0.8
"""The frame: its half width in units of the farthest point's distance from the middle, and height against width."""
COLOURS = "viridis"


@dataclass(frozen=True)
class Surface:
    """A sheet over three optima, seen from their plane; lengths are in units of the mean distance of two optima.

    Attributes:
        points: the place of each in the plane of the optima and its distance from that plane, shape (point, 3).
        faces: triangles as rows of points, shape (face, 3).
        vertices: the same of the optima, of the free vertices and, last, of the centre, shape (7, 3).
    """

    points: Float[np.ndarray, "point 3"]
    faces: Int[np.ndarray, "face 3"]
    vertices: Float[np.ndarray, "7 3"]


def surface(
    optima: Float[np.ndarray, "3 dim"], vertices: Float[np.ndarray, "7 dim"], refined: int = REFINED
) -> Surface:
    """The surface of a sheet over three optima.

    Args:
        optima: shape (3, dim).
        vertices: of the sheet, that of a subset in row (sum of 2^i over its optima i) - 1, shape (7, dim).
        refined: pieces into which each edge of a face is cut.
    """
    optima, vertices = np.asarray(optima, dtype=float), np.asarray(vertices, dtype=float)
    unit = float(np.mean([np.linalg.norm(a - b) for a, b in itertools.combinations(optima, 2)]))
    origin = optima.mean(0)
    plane, signs = np.linalg.qr((optima[1:] - optima[0]).T)
    plane = plane * np.sign(np.diag(signs)) * FRONT

    def seen(points: np.ndarray) -> np.ndarray:
        away = (points - origin) / unit
        flat = away @ plane
        return np.column_stack([flat, np.linalg.norm(away - flat @ plane.T, axis=1)])

    weights, triangles = _grid(refined)
    points = np.concatenate([seen(weights @ vertices[list(corners)]) for corners in CORNERS])
    faces = np.concatenate([triangles + len(weights) * number for number in range(len(CORNERS))])
    return Surface(points, faces, seen(vertices))


def project(points: Float[np.ndarray, "point 3"], azimuth: float, elevation: float) -> Float[np.ndarray, "point 3"]:
    """Right, down and away, as seen from an elevation after a turn by the azimuth about the vertical axis."""
    x, y, z = points.T
    right, back = x * math.cos(azimuth) - y * math.sin(azimuth), x * math.sin(azimuth) + y * math.cos(azimuth)
    up = z * math.cos(elevation) + back * math.sin(elevation)
    away = back * math.cos(elevation) - z * math.sin(elevation)
    return np.column_stack([right, -up, away])


def draw(shape: Surface, label: str) -> str:
    """The surface as an SVG element.

    Every element names the points it is drawn at (`data-at`), whose places in space are listed once (`data-points`), so
    that a script can draw it from elsewhere; without one it is the view from `AZIMUTH` and `ELEVATION`.

    Args:
        shape: of the sheet.
        label: what it shows, in words.
    """
    middle = np.array([0.0, 0.0, shape.points[:, 2].max() / 2])
    feet = shape.vertices * [1, 1, 0]
    known = np.concatenate([shape.points, shape.vertices, feet]) - middle
    size = MARGIN * float(np.linalg.norm(known, axis=1).max())
    seen = project(known, AZIMUTH, ELEVATION)
    vertex, foot = len(shape.points), len(shape.points) + len(shape.vertices)
    optima, centre = [vertex + 2**i - 1 for i in range(OPTIMA)], vertex + 6
    parts = [
        _shape("polygon", [foot + 2**i - 1 for i in range(OPTIMA)], seen, 'class="flat"'),
        f'<g class="faces">{"".join(_faces(shape, seen))}</g>',
        _shape("line", [centre, foot + 6], seen, 'class="drop"'),
        *(_shape("circle", [at], seen, f'r="{0.018 * size:.3f}"') for at in [*optima, centre]),
        *(
            _shape("text", [at], seen, f'dy="{-0.05 * size:.3f}" font-size="{0.085 * size:.3f}"', text)
            for at, text in zip([*optima, centre], ["1", "2", "3", "centre"], strict=True)
        ),
    ]
    places = " ".join(f"{x:.3f},{y:.3f},{z:.3f}" for x, y, z in known)
    box = f"{-size:.3f} {-size * FLAT:.3f} {2 * size:.3f} {2 * size * FLAT:.3f}"
    return (
        f'<svg class="surface" role="img" aria-label="{html.escape(label)}" viewBox="{box}" data-azimuth="{AZIMUTH}" '
        f'data-elevation="{ELEVATION}" data-points="{places}">{"".join(parts)}</svg>'
    )


def _faces(shape: Surface, seen: np.ndarray) -> list[str]:
    """The triangles from back to front, coloured by their height."""
    heights = shape.points[shape.faces, 2].mean(1)
    shades = colormaps[COLOURS](heights / (heights.max() or 1.0))
    order = np.argsort(-seen[shape.faces, 2].mean(1), kind="stable")
    return [_shape("polygon", shape.faces[face].tolist(), seen, f'fill="{to_hex(shades[face])}"') for face in order]


def _shape(tag: str, at: list[int], seen: np.ndarray, attributes: str, text: str = "") -> str:
    """An element at some of the points."""
    places = [f"{x:.3f},{y:.3f}" for x, y in seen[at, :2]]
    pairs = [place.split(",") for place in places]
    where = {
        "polygon": lambda: f'points="{" ".join(places)}"',
        "line": lambda: " ".join(f'x{i}="{x}" y{i}="{y}"' for i, (x, y) in enumerate(pairs, 1)),
        "circle": lambda: f'cx="{pairs[0][0]}" cy="{pairs[0][1]}"',
        "text": lambda: f'x="{pairs[0][0]}" y="{pairs[0][1]}"',
    }[tag]()
    return f'<{tag} data-at="{" ".join(map(str, at))}" {where} {attributes}>{text}</{tag}>'


def _grid(pieces: int) -> tuple[np.ndarray, np.ndarray]:
    """Barycentric weights of the grid points of a triangle, and its small triangles as rows of them."""
    steps = [(i, j) for i in range(pieces + 1) for j in range(pieces + 1 - i)]
    row = {step: number for number, step in enumerate(steps)}
    weights = np.array([(pieces - i - j, i, j) for i, j in steps]) / pieces
    up = [[row[i, j], row[i + 1, j], row[i, j + 1]] for i, j in steps if i + j < pieces]
    down = [[row[i + 1, j], row[i + 1, j + 1], row[i, j + 1]] for i, j in steps if i + j < pieces - 1]
    return weights, np.array([*up, *down])
