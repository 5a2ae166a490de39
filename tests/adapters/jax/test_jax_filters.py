"""Cuts and filters of networks of Flax and Equinox."""

import numpy as np
import pytest
import torch

jax = pytest.importorskip("jax")

from nwedge._random import derive  # noqa: E402
from nwedge.adapters.jax import JaxLandscape  # noqa: E402
from nwedge.adapters.jax.filters import find_filters  # noqa: E402
from nwedge.adapters.jax.words import leaves_by_place  # noqa: E402
from nwedge.geometry import Plane, filter_normalised  # noqa: E402
from nwedge.geometry.directions import random  # noqa: E402
from nwedge.methods.cutting import cut  # noqa: E402

CPU = torch.device("cpu")


def labels(params):
    shapes = {place: leaf.shape for place, leaf in leaves_by_place(params, "params")}
    every = find_filters(shapes, CPU).filters
    pieces = every.split([int(np.prod(shape)) for shape in shapes.values()])
    return {place: piece.view(*shape) for (place, shape), piece in zip(shapes.items(), pieces, strict=True)}


def test_kernels_of_flax_have_their_outputs_last():
    flax = pytest.importorskip("flax")
    nn = flax.linen

    class Model(nn.Module):
        @nn.compact
        def __call__(self, tokens):
            x = nn.Embed(7, 4)(tokens)
            x = nn.LayerNorm()(nn.MultiHeadDotProductAttention(num_heads=2)(x, x))
            return nn.Dense(3)(nn.Conv(5, (2,))(x).mean(-2))

    params = Model().init(jax.random.key(0), np.zeros((1, 6), int))["params"]
    counts = {place: int(own.max()) - int(own.min()) + 1 for place, own in labels(params).items() if own.max() >= 0}
    assert {place.removeprefix("leaf ").removesuffix(" of params"): count for place, count in counts.items()} == {
        "['Conv_0']['kernel']": 5,
        "['Dense_0']['kernel']": 3,
        "['Embed_0']['embedding']": 7,
        "['MultiHeadDotProductAttention_0']['key']['kernel']": 4,
        "['MultiHeadDotProductAttention_0']['out']['kernel']": 4,
        "['MultiHeadDotProductAttention_0']['query']['kernel']": 4,
        "['MultiHeadDotProductAttention_0']['value']['kernel']": 4,
    }
    dense = labels(params)["leaf ['Dense_0']['kernel'] of params"]
    assert (dense == dense[0]).all()


def test_weights_of_equinox_have_their_outputs_first():
    eqx = pytest.importorskip("equinox")
    model = eqx.nn.Sequential([eqx.nn.Linear(3, 4, key=jax.random.key(0)), eqx.nn.LayerNorm(4)])
    found = labels(eqx.filter(model, eqx.is_array))
    (rows,) = [own for own in found.values() if own.max() >= 0]
    assert torch.equal(rows, torch.arange(4, dtype=torch.int32)[:, None].expand(4, 3))


def test_leaves_of_unknown_layout_are_refused_and_cut_in_plain_directions(net):
    landscape = JaxLandscape(net.apply, net.params, net.train, net.held_out, init=net.init)
    point = landscape.point(net.params)
    with pytest.raises(ValueError, match=r"leaf \['in'\]\['w'\] of params.*not known by its name.*geometry\.random"):
        filter_normalised(landscape, point, 2, derive(0))
    u, v = random(landscape, point, 2, derive(0))
    names = ("loss", "accuracy", "held_out_loss")
    found = cut(landscape, Plane(u, v), [[-1.0, 0.0, 1.0], [0.0, 2.0]], origin=point, metrics=names)
    where = (point + u + 2 * v)[None]
    assert found.loss[2, 1].item() == pytest.approx(landscape.loss(where).item(), rel=1e-6)
    assert found.accuracy[2, 1].item() == pytest.approx(landscape.accuracy(where).item())
    assert found.held_out_loss[2, 1].item() == pytest.approx(landscape.held_out.loss(where).item(), rel=1e-6)
    assert found.loss.attrs["units"] == "nats"
