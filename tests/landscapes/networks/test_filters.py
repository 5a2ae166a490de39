"""The filters of modules: which weights make one output, found by asking the module itself."""

import pytest
import torch
from torch import nn

from nwedge import NetworkLandscape
from nwedge._random import derive
from nwedge.geometry import filter_normalised
from nwedge.landscapes.networks.filters import find_filters

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(3, 4),
        nn.Conv1d(2, 4, 3),
        nn.Conv2d(4, 6, 2, groups=2),
        nn.ConvTranspose1d(3, 4, 2),
        nn.ConvTranspose2d(4, 6, 2, groups=2),
        nn.ConvTranspose3d(2, 2, 2),
    ],
    ids=str,
)
def test_a_filter_is_what_one_output_depends_on(layer):
    dims = layer.weight.ndim - 2 if layer.weight.ndim > 2 else 0
    x = torch.rand(1, getattr(layer, "in_channels", 3), *[4] * dims)
    out = layer(x)[0]
    filters = find_filters(layer, CPU).filters[: layer.weight.numel()]
    for output in range(len(out)):
        (slope,) = torch.autograd.grad(out[output].sum(), layer.weight, retain_graph=True)
        ours = filters[slope.flatten() != 0].unique()
        assert len(ours) == 1
        assert torch.equal(filters == ours, slope.flatten() != 0)
    assert len(filters.unique()) == len(out)


def labels(model: nn.Module) -> dict[str, torch.Tensor]:
    found = find_filters(model, CPU).filters
    named = list(model.named_parameters())
    pieces = found.split([parameter.numel() for _, parameter in named])
    return {name: piece.view(p.shape) for (name, p), piece in zip(named, pieces, strict=True)}


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.attention = nn.MultiheadAttention(4, 2, add_bias_kv=True)
        self.norm = nn.LayerNorm((3, 4))
        self.slope = nn.PReLU(2)
        self.out = nn.Linear(4, 5)
        self.out.weight = self.embedding.weight


def test_biases_and_normalisation_are_no_filters_and_tied_weights_are_one():
    found = labels(Attending())
    rows = {"embedding.weight": 5, "attention.in_proj_weight": 12, "attention.out_proj.weight": 4}
    for name, own in found.items():
        assert (own[own >= 0].unique().numel() if name in rows else int(own.max()) + 1) == rows.get(name, 0), name
    assert "out.weight" not in found
    every = torch.cat([own.flatten() for own in found.values()])
    assert sorted(set(every[every >= 0].tolist())) == list(range(sum(rows.values())))


def test_weight_normalisation_keeps_its_lengths():
    convolution = nn.utils.parametrizations.weight_norm(nn.ConvTranspose1d(3, 4, 2), dim=1)
    found = labels(convolution)
    assert (found["parametrizations.weight.original0"] == -1).all()
    assert torch.equal(found["parametrizations.weight.original1"][0, :, 0], torch.arange(4, dtype=torch.int32))


def test_frozen_weights_stay_where_they_are_unless_all_are():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    data = torch.rand(6, 3), torch.zeros(6).long()
    model[0].requires_grad_(False)
    landscape = NetworkLandscape(model, data)
    point = landscape.point(model)
    direction = filter_normalised(landscape, point, 1, derive(0), others="filters")[0]
    assert not direction[:16].any()
    assert direction[16:].all()
    model.requires_grad_(False)
    assert filter_normalised(NetworkLandscape(model, data), point, 1, derive(0))[0, :12].all()


def test_a_point_in_half_precision_has_directions():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).bfloat16()
    landscape = NetworkLandscape(model, (torch.rand(6, 3).bfloat16(), torch.zeros(6).long()))
    found = filter_normalised(landscape, landscape.point(model), 1, derive(0))
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found[0, :12].view(4, 3).norm(dim=1), model[0].weight.norm(dim=1), rtol=0.02, atol=0)
