"""Products of stacked weights give what the model gives, for every chain of dense layers."""

import pytest
import torch
from torch import Tensor, nn

from nwedge import NetworkLandscape, gradient, hvp
from nwedge._random import derive, spawn
from nwedge.landscapes.networks.functional import Network
from nwedge.landscapes.networks.stacked import ELEMENTWISE, IN_PLACE, Stacked

X = torch.randn(30, 2, 3, generator=derive(0), dtype=torch.float64)
Y = torch.arange(30) % 4


def tied() -> nn.Module:
    first, last = nn.Linear(6, 6, bias=False), nn.Linear(6, 4)
    return nn.Sequential(nn.Flatten(), first, nn.Tanh(), first, nn.ReLU(), last)


MODELS = {
    "one layer": lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, 4)),
    "without biases": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(6, 5, bias=False), nn.ReLU(), nn.Linear(5, 4, bias=False)
    ),
    "nested": lambda: nn.Sequential(
        nn.Sequential(nn.Flatten(), nn.Linear(6, 5)), nn.Sequential(nn.Sigmoid(), nn.Sequential(nn.Linear(5, 4)))
    ),
    "one layer twice": tied,
    "begins with an activation": lambda: nn.Sequential(
        nn.Flatten(), nn.ReLU(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4)
    ),
    "one activation after another": lambda: nn.Sequential(
        *(nn.Flatten(), nn.Linear(6, 5), nn.Tanh(), nn.ReLU(), nn.Linear(5, 5), nn.Sigmoid(), nn.Dropout(0.5)),
        *(nn.Sigmoid(), nn.Linear(5, 4)),
    ).eval(),
    "dropout, off": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(6, 5), nn.Dropout(0.5), nn.Tanh(), nn.Linear(5, 4)
    ).eval(),
    **{
        kind.__name__: lambda kind=kind: nn.Sequential(nn.Flatten(), nn.Linear(6, 5), kind(), nn.Linear(5, 4))
        for kind in sorted(ELEMENTWISE, key=lambda kind: kind.__name__)
    },
}


def pair(model: nn.Module, dtype: torch.dtype, x: Tensor = X, y: Tensor = Y) -> list[NetworkLandscape]:
    return [
        NetworkLandscape(model, (x, y), (x[:7], y[:7]), strategy=strategy, chunk=chunk, dtype=dtype)
        for strategy, chunk in (("stacked", 11), ("loop", 30))
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", MODELS)
def test_every_chain_has_the_values_and_derivatives_of_a_loop(name: str, dtype: torch.dtype) -> None:
    before = X.clone()
    stacked, loop = pair(MODELS[name](), dtype)
    assert stacked.strategy == "stacked"
    for seed, rows in enumerate((1, 3, 40)):
        points = stacked.initial(rows, derive(seed)) * 2
        vectors = torch.randn(rows, stacked.dim, generator=derive(seed, "vectors"), dtype=dtype)
        torch.testing.assert_close(stacked.loss(points), loop.loss(points))
        torch.testing.assert_close(stacked.predict(points), loop.predict(points))
        torch.testing.assert_close(stacked.accuracy(points), loop.accuracy(points))
        torch.testing.assert_close(stacked.held_out.loss(points), loop.held_out.loss(points))
        torch.testing.assert_close(gradient(stacked, points), gradient(loop, points))
        torch.testing.assert_close(hvp(stacked, points, vectors), hvp(loop, points, vectors), rtol=1e-3, atol=1e-5)
    assert torch.equal(X, before), "the data are as they were"
    assert torch.equal(points, stacked.initial(rows, derive(seed)) * 2), "and so are the points"


@pytest.mark.parametrize("own", [False, True])
def test_minibatches_are_those_of_a_loop(own: bool) -> None:
    views = []
    for landscape in pair(MODELS["nested"](), torch.float64):
        points = landscape.initial(5, derive(1))
        view = landscape.minibatch(spawn(derive(2), 5) if own else derive(2))
        views.append((view.loss(points), gradient(view, points)))
    torch.testing.assert_close(*views)


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dropout_draws_the_masks_of_a_loop(dtype: torch.dtype, own: bool) -> None:
    chain = [
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(6, 5),
        nn.Dropout(0.0),
        nn.ReLU(),
        nn.Linear(5, 7),
        nn.Dropout(0.5),
    ]
    model = nn.Sequential(*chain, nn.Tanh(), nn.Linear(7, 4)).eval()
    views = []
    for landscape in pair(model, dtype):
        points = landscape.initial(5, derive(1))
        view = landscape.minibatch(spawn(derive(2), 5) if own else derive(2))
        views.append((view.loss(points), gradient(view, points)))
        assert not torch.allclose(views[-1][0], NetworkLandscape(model, (X, Y), dtype=dtype).loss(points))
    torch.testing.assert_close(*views)


def test_a_landscape_takes_it_for_chains_with_the_default_loss_alone() -> None:
    model, data = MODELS["nested"](), (X.float(), Y)
    assert NetworkLandscape(model, data).strategy == "stacked"
    assert NetworkLandscape(model, data, predict=lambda model, batch: model(batch[0]).softmax(1)).strategy == "stacked"
    other = NetworkLandscape(model, data, loss=lambda model, batch: model(batch[0]).square().mean())
    assert other.strategy == "vmap"
    with pytest.raises(ValueError, match=r"strategy='stacked' cannot evaluate .*default loss alone"):
        NetworkLandscape(model, data, loss=lambda model, batch: model(batch[0]).mean(), strategy="stacked")


def test_a_model_with_a_hook_is_not_taken_for_a_chain() -> None:
    model = MODELS["nested"]()
    model.register_forward_hook(lambda module, inputs, output: output * 2)
    landscape = NetworkLandscape(model, (X.float(), Y))
    assert landscape.strategy == "vmap"
    with pytest.raises(ValueError, match="its values differ from those of a loop"):
        NetworkLandscape(model, (X.float(), Y), strategy="stacked")


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.LayerNorm(5), nn.Linear(5, 4)), "LayerNorm"),
        (nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.Sequential(nn.Flatten()), nn.Linear(5, 4)), "Flatten"),
        (nn.Bilinear(3, 2, 1), "Bilinear"),
    ],
)
def test_another_layer_is_named(model: nn.Module, named: str) -> None:
    with pytest.raises(ValueError, match=f"no {named} there"):
        Stacked(model)


@pytest.mark.parametrize("kind", IN_PLACE)
def test_what_is_done_in_place_gives_the_same(kind: type[nn.Module], monkeypatch) -> None:
    done, plain = [], IN_PLACE[kind]
    monkeypatch.setitem(IN_PLACE, kind, lambda hidden: done.append(kind) or plain(hidden))
    model = nn.Sequential(kind(), nn.Linear(6, 5), kind())  # the first sees the data, which are nobody's to overwrite
    network = Network(model)
    stacked, point = Stacked(model), network.flatten(dict(model.named_parameters()))[None]
    inputs = X.flatten(1).float()
    before = inputs.clone()
    attached = stacked(network.unflatten(point.requires_grad_()), inputs, per_row=False)
    assert attached.requires_grad
    assert done == [kind]
    with torch.no_grad():
        found = stacked(network.unflatten(point), inputs, per_row=False)
    assert done == [kind, kind]
    assert torch.equal(inputs, before)
    torch.testing.assert_close(found, attached.detach())
    torch.testing.assert_close(found[0].mT, model(inputs).detach())
