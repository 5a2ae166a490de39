"""A restricted landscape that is not the landscape at the embedded points is caught."""

import pytest
import torch

from nwedge import WedgeLandscape
from nwedge.geometry import Line, Plane
from nwedge.landscapes.restricted import RestrictedLandscape
from nwedge.testing import LandscapeError, check_landscape, restriction


class Shifted(RestrictedLandscape):
    def loss(self, points):
        return super().loss(points + 1e-5)


class Stuck(RestrictedLandscape):
    """The right loss, half of its gradient."""

    def loss_and_gradient(self, points):
        loss, slope = super().loss_and_gradient(points)
        return loss, slope / 2


class Turned(RestrictedLandscape):
    """On a line the ends are exchanged."""

    def loss(self, points):
        return super().loss(1 - points if self.dim == 1 else points)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Shifted, "loss on a plane to be the loss at its points"),
        (Stuck, "gradient on a plane to be J.T times the gradient"),
        (Turned, "loss on a line to be the loss at its points"),
    ],
)
def test_broken_restrictions(monkeypatch, kind, words, dtype):
    if kind is Shifted and dtype == torch.float32:
        monkeypatch.setattr(kind, "loss", lambda self, points: RestrictedLandscape.loss(self, points + 0.1))
    monkeypatch.setattr(restriction, "restrict", lambda landscape, chart, origin=None: kind(landscape, chart, origin))
    with pytest.raises(LandscapeError, match=f"^the law of restriction is broken: .*{words}"):
        check_landscape(WedgeLandscape(30, 10, profile="squared", dtype=dtype))


def test_a_plane_and_a_line_are_seen(monkeypatch):
    seen = []

    def watched(landscape, chart, origin=None):
        seen.append(type(chart))
        return RestrictedLandscape(landscape, chart, origin)

    monkeypatch.setattr(restriction, "restrict", watched)
    check_landscape(WedgeLandscape(30, 10))
    assert seen == [Plane, Line]
