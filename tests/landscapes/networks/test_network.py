from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader, TensorDataset

from nwedge import NetworkLandscape, Predictive, check_landscape, evaluate, gradient, hvp
from nwedge._random import derive
from nwedge.landscapes.networks.architectures import mlp, simple_cnn

EXAMPLES, HELD_OUT, FEATURES, CLASSES = 40, 11, 6, 3


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=derive(seed, "data"), dtype=torch.float64)


def labels(count: int, seed: int = 0) -> Tensor:
    return torch.randint(CLASSES, (count,), generator=derive(seed, "labels"))


class Pixels(nn.Module):
    """Works on dict batches; the same layer twice, so its weights are tied."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = nn.Linear(FEATURES, FEATURES)
        self.again = self.inner
        self.outer = nn.Linear(FEATURES, CLASSES)

    def forward(self, pixels: Tensor, scale: Tensor) -> Tensor:
        return self.outer(torch.tanh(self.again(torch.tanh(self.inner(pixels * scale[:, None])))))


def dict_loss(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    return cross_entropy(model(batch["pixels"], batch["scale"]), batch["labels"])


def dict_predict(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    return model(batch["pixels"], batch["scale"]).softmax(-1)


def flat(dtype: torch.dtype, **options: Any) -> NetworkLandscape:
    model = mlp(FEATURES, CLASSES, (8, 7), dropout=options.pop("dropout", 0.0))
    held_out = (normal(HELD_OUT, FEATURES, seed=1), labels(HELD_OUT, 1))
    data = (normal(EXAMPLES, FEATURES), labels(EXAMPLES))
    return NetworkLandscape(model, data, held_out, dtype=dtype, batch_size=16, **options)


def images(dtype: torch.dtype, **options: Any) -> NetworkLandscape:
    data = (normal(EXAMPLES, 1, 8, 8), labels(EXAMPLES))
    return NetworkLandscape(
        simple_cnn(1, 8, CLASSES, (2, 3, 4)), data, (data[0][:9], data[1][:9]), dtype=dtype, chunk=20, **options
    )


def normalised(dtype: torch.dtype, **options: Any) -> NetworkLandscape:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 5), nn.BatchNorm1d(5), nn.Tanh()
    )
    model.append(nn.Linear(5, CLASSES))
    update_bn([normal(8, 1, 6, 6, seed=seed).float() for seed in range(3)], model)
    model.train(options.get("batch_norm") == "recompute")
    data = (normal(EXAMPLES, 1, 6, 6), labels(EXAMPLES))
    held_out = (normal(HELD_OUT, 1, 6, 6, seed=1), labels(HELD_OUT, 1))
    chunk = 20 if model.training else EXAMPLES
    return NetworkLandscape(model, data, held_out, dtype=dtype, **{"chunk": chunk} | options)


def dicts(dtype: torch.dtype, **options: Any) -> NetworkLandscape:
    data = {"pixels": normal(EXAMPLES, FEATURES), "scale": normal(EXAMPLES), "labels": labels(EXAMPLES)}
    return NetworkLandscape(Pixels(), data, loss=dict_loss, predict=dict_predict, dtype=dtype, **options)


KINDS: dict[str, Callable[[torch.dtype], NetworkLandscape]] = {
    "mlp": flat,
    "mlp in a loop": lambda dtype: flat(dtype, strategy="loop", chunk=27),
    "cnn": images,
    "dropout": lambda dtype: flat(dtype, dropout=0.3),
    "batch norm kept": normalised,
    "batch norm recomputed": lambda dtype: normalised(dtype, batch_norm="recompute"),
    "dict": dicts,
    "dict, stacked": lambda dtype: dicts(dtype, strategy="vmap"),
}


@pytest.fixture(params=KINDS)
def landscape(request: pytest.FixtureRequest) -> NetworkLandscape:
    return KINDS[request.param](torch.float64)


def random_points(landscape: NetworkLandscape, count: int = 3) -> Tensor:
    return landscape.initial(count, derive(3, "points"))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kind", KINDS)
def test_it_keeps_every_law_of_a_landscape(kind: str, dtype: torch.dtype) -> None:
    landscape = KINDS[kind](dtype)
    assert isinstance(landscape, Predictive)
    check_landscape(landscape)


@pytest.mark.parametrize("kind", ["mlp", "batch norm kept", "batch norm recomputed"])
def test_its_held_out_data_keep_every_law_of_a_landscape(kind: str) -> None:
    held_out = KINDS[kind](torch.float64).held_out
    assert held_out.examples == HELD_OUT
    check_landscape(held_out)


def plain(landscape: NetworkLandscape, function: Callable[[nn.Module], Tensor], points: Tensor) -> Tensor:
    """The slow, obvious way: one module after another, all examples at once."""
    with torch.no_grad():
        return torch.stack([function(landscape.module(point)) for point in points])


@pytest.mark.parametrize("kind", ["mlp", "mlp in a loop", "cnn", "dropout", "batch norm kept", "batch norm recomputed"])
def test_loss_predictions_and_accuracy_are_those_of_the_users_own_module(kind: str) -> None:
    landscape = KINDS[kind](torch.float64)
    points = random_points(landscape)
    for part in (landscape, landscape.held_out):
        x, y = part._examples.batch(slice(None), slice(None))
        logits = plain(landscape, lambda module, x=x: module(x), points)
        losses = torch.stack([cross_entropy(own, y) for own in logits])
        torch.testing.assert_close(part.loss(points), losses, rtol=1e-12, atol=0)
        probabilities = logits.softmax(-1)
        torch.testing.assert_close(part.predict(points), probabilities)
        right = (probabilities.argmax(-1) == y).double().mean(1)
        torch.testing.assert_close(part.accuracy(points), right)
        assert torch.equal(part.labels, y)


def test_loss_predictions_and_accuracy_of_dict_batches_are_those_of_the_users_own_functions() -> None:
    landscape = dicts(torch.float64, chunk=13)
    points = random_points(landscape)
    batch = {"pixels": normal(EXAMPLES, FEATURES), "scale": normal(EXAMPLES), "labels": labels(EXAMPLES)}
    torch.testing.assert_close(landscape.loss(points), plain(landscape, lambda m: dict_loss(m, batch), points))
    probabilities = plain(landscape, lambda m: dict_predict(m, batch), points)
    torch.testing.assert_close(landscape.predict(points), probabilities)
    right = (probabilities.argmax(-1) == batch["labels"]).double().mean(1)
    torch.testing.assert_close(landscape.accuracy(points), right)


def test_any_loss_on_any_nested_data() -> None:
    def loss(model: nn.Module, batch: Any) -> Tensor:
        (x, weights), target = batch["input"], batch["target"]
        return (weights * mse_loss(model(x)[:, 0], target, reduction="none")).mean()

    data = {"input": (normal(EXAMPLES, FEATURES), normal(EXAMPLES, seed=1).abs()), "target": normal(EXAMPLES, seed=2)}
    landscape = NetworkLandscape(mlp(FEATURES, 1, (5,)), data, loss=loss, dtype=torch.float64, chunk=7)
    points = random_points(landscape)
    torch.testing.assert_close(landscape.loss(points), plain(landscape, lambda m: loss(m, data), points))


@pytest.mark.parametrize("make", [flat, images, dicts, normalised])
def test_stacked_weights_and_a_loop_agree(make: Callable[..., NetworkLandscape]) -> None:
    stacked, loop = (make(torch.float64, strategy=strategy) for strategy in ("vmap", "loop"))
    assert (stacked.strategy, loop.strategy) == ("vmap", "loop")
    points = random_points(loop, 35)  # more than one block
    rows = [derive(row) for row in range(35)]
    torch.testing.assert_close(stacked.loss(points), loop.loss(points))
    torch.testing.assert_close(stacked.predict(points), loop.predict(points))
    torch.testing.assert_close(gradient(stacked, points), gradient(loop, points))
    torch.testing.assert_close(hvp(stacked, points, points), hvp(loop, points, points))
    same = [one.minibatch(derive(0)).loss(points) for one in (stacked, loop)]
    torch.testing.assert_close(*same)
    own = [one.minibatch([copy_of(row) for row in rows]).loss(points) for one in (stacked, loop)]
    torch.testing.assert_close(*own)


def copy_of(generator: torch.Generator) -> torch.Generator:
    return torch.Generator().set_state(generator.get_state())


def state_of(module: nn.Module) -> dict[str, Any]:
    return {
        "weights": {name: value.detach().clone() for name, value in module.state_dict().items()},
        "gradients": {name: value.grad.clone() for name, value in module.named_parameters() if value.grad is not None},
        "modes": {name: layer.training for name, layer in module.named_modules()},
        "trained": {name: value.requires_grad for name, value in module.named_parameters()},
        "hooks": sum(len(layer._forward_hooks) + len(layer._forward_pre_hooks) for layer in module.modules()),
        "dtypes": [str(value.dtype) for value in module.state_dict().values()],
    }


@pytest.mark.parametrize("batch_norm", ["keep", "recompute"])
def test_the_users_module_and_the_global_random_state_stay_bit_for_bit(batch_norm: str) -> None:
    model = nn.Sequential(nn.Linear(FEATURES, 5), nn.BatchNorm1d(5), nn.Dropout(0.4), nn.ReLU(), nn.Linear(5, CLASSES))
    x, y = normal(EXAMPLES, FEATURES).float(), labels(EXAMPLES)
    cross_entropy(model(x), y).backward()
    model.eval()
    model[0].bias.requires_grad_(False)
    before, random, kept_x = state_of(model), torch.get_rng_state(), x.clone()

    loader = DataLoader(TensorDataset(x, y), batch_size=16)
    landscape = NetworkLandscape(model, loader, (x, y), batch_norm=batch_norm)
    points = landscape.initial(3, derive(0))
    landscape.module(points[0])(x)
    landscape.point(model)
    for view in (landscape, landscape.held_out, landscape.minibatch(derive(1)), *landscape.epoch(derive(2))):
        evaluate(view, points)
        gradient(view, points)
        hvp(view, points, points)
    landscape.predict(points)
    landscape.accuracy(points)

    after = state_of(model)
    for what in ("weights", "gradients"):
        assert after[what].keys() == before[what].keys()
        assert all(torch.equal(after[what][name], value) for name, value in before[what].items())
    for what in ("modes", "trained", "hooks", "dtypes"):
        assert after[what] == before[what]
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(x, kept_x)


def test_a_later_change_of_the_users_module_does_not_reach_the_landscape() -> None:
    model = mlp(FEATURES, CLASSES, (4,))
    landscape = NetworkLandscape(model, (normal(9, FEATURES), labels(9)))
    points = random_points(landscape)
    before = landscape.loss(points)
    with torch.no_grad():
        model[0].weight.fill_(torch.nan)
    model.train()
    assert torch.equal(landscape.loss(points), before)


def test_a_point_is_the_concatenation_of_the_named_parameters_tied_weights_once() -> None:
    landscape, model = dicts(torch.float64), Pixels().double()
    expected = torch.cat([value.detach().flatten() for _, value in model.named_parameters()])
    assert landscape.dim == len(expected) == FEATURES * FEATURES + FEATURES + FEATURES * CLASSES + CLASSES
    assert list(landscape.parameter_shapes.items()) == [(name, tuple(p.shape)) for name, p in model.named_parameters()]
    assert torch.equal(landscape.point(model), expected)
    assert torch.equal(landscape.point(model.state_dict()), expected)
    back = landscape.module(expected)
    assert torch.equal(landscape.point(back), expected)
    assert back.again is back.inner
    assert all(parameter.requires_grad for parameter in back.parameters())


def test_module_returns_an_independent_copy() -> None:
    landscape = flat(torch.float64)
    points = random_points(landscape)
    before = landscape.loss(points)
    with torch.no_grad():
        for parameter in landscape.module(points[0]).parameters():
            parameter.zero_()
    assert torch.equal(landscape.loss(points), before)
    assert points.abs().sum() > 0


def test_module_refuses_what_is_no_point() -> None:
    landscape = flat(torch.float64)
    with pytest.raises(ValueError, match=rf"point must have shape \(batch, {landscape.dim}\); got \(1, 9\)"):
        landscape.module(torch.zeros(9, dtype=torch.float64))


def test_the_float64_twin_starts_at_the_same_points() -> None:
    single, double = flat(torch.float32), flat(torch.float64)
    assert torch.equal(random_points(single).double(), random_points(double))


def test_dtype_follows_the_parameters_unless_it_is_given() -> None:
    data = (normal(9, FEATURES), labels(9))
    assert NetworkLandscape(mlp(FEATURES, CLASSES).double(), data).dtype == torch.float64
    landscape = NetworkLandscape(mlp(FEATURES, CLASSES), data)
    assert landscape.dtype == torch.float32
    assert landscape.loss(random_points(landscape)).dtype == torch.float32


def test_data_may_be_a_dataset_or_a_loader() -> None:
    x, y = normal(EXAMPLES, FEATURES), labels(EXAMPLES)
    model = mlp(FEATURES, CLASSES)
    whole = NetworkLandscape(model, (x, y))
    points = random_points(whole)
    for data in ([x, y], TensorDataset(x, y), DataLoader(TensorDataset(x, y), batch_size=7)):
        assert torch.equal(NetworkLandscape(model, data).loss(points), whole.loss(points))


def test_without_held_out_data_there_is_no_held_out_landscape() -> None:
    landscape = dicts(torch.float64)
    assert landscape.held_out is None
    assert isinstance(landscape, Predictive)


def test_the_defaults_of_strategy_chunk_and_batch_size() -> None:
    dense, convolutional = flat(torch.float32), images(torch.float32)
    assert (dense.strategy, dense.chunk, dense.batch_size) == ("stacked", 512, 16)
    assert (convolutional.strategy, convolutional.chunk) == ("loop", 20)
    assert convolutional.batch_size == EXAMPLES  # 128 is clipped to what there is
    assert convolutional.held_out.batch_size == 9


def test_weights_that_give_nan_give_nan_everywhere() -> None:
    landscape = flat(torch.float64)
    points = random_points(landscape)
    points[1, 0] = torch.nan
    for values in (landscape.loss(points), landscape.accuracy(points), landscape.predict(points)[:, 0, 0]):
        assert values.isnan().tolist() == [False, True, False]


class Squeezed(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[:, :, None]


@pytest.mark.parametrize(
    ("model", "data", "options", "match"),
    [
        (nn.ReLU(), (normal(5, 6), labels(5)), {}, "no parameters"),
        (nn.Linear(6, 3), (normal(5, 6), labels(5)), {"batch_norm": "drop"}, "'keep', 'recompute'; got 'drop'"),
        (nn.Linear(6, 3), (normal(5, 6), labels(5)), {"strategy": "fast"}, "'vmap', 'loop'; got 'fast'"),
        (nn.Linear(6, 3), (normal(5, 6), labels(5)), {"batch_size": 0}, "batch_size must be at least 1; got 0"),
        (nn.Linear(6, 3), (normal(5, 6), labels(5)), {"chunk": 0}, "chunk must be at least 1; got 0"),
        (nn.Linear(6, 3), (normal(5, 6), labels(5)), {"dtype": torch.int64}, "dtype must be floating; got torch.int64"),
        (nn.Linear(6, 3), (normal(5, 6), labels(5) + 2), {}, "labels must be between 0 and 2, .* got [34]"),
        (nn.Linear(6, 3), (normal(5, 6), labels(5) - 3), {}, "labels must be between 0 and 2, .* got -3"),
        (nn.Linear(6, 3), (normal(5, 6), normal(5)), {}, "integer labels .* got .float32 .5, 6., float32 .5,"),
        (nn.Linear(6, 3), {"x": normal(5, 6), "y": labels(5)}, {}, r"got \{'x': .*\}: give loss="),
        (Squeezed(6, 3), (normal(5, 6), labels(5)), {}, r"classes\); got float32 \(5, 3, 1\): give loss="),
        (nn.Linear(6, 3), (normal(5, 6), labels(5)), {"loss": lambda m, b: m(b[0]).mean(1)}, r"float32 \(5,\)"),
        (nn.Linear(6, 3), (normal(5, 6), labels(5)), {"loss": lambda m, b: m(b[0]).mean().item()}, "got float"),
        (
            nn.Linear(6, 3),
            (normal(5, 6), labels(5)),
            {"loss": lambda m, b: m(b[0]).mean().double()},
            "the landscape's dtype",
        ),
        (nn.Sequential(nn.Linear(6, 3), nn.Linear(3, 3).double()), (normal(5, 6), labels(5)), {}, "one dtype"),
        (nn.LazyLinear(3), (normal(5, 6), labels(5)), {}, "parameter 'weight' is lazy"),
    ],
)
def test_bad_arguments_get_one_sentence(model: Any, data: Any, options: dict[str, Any], match: str) -> None:
    with pytest.raises((ValueError, TypeError), match=match) as caught:
        NetworkLandscape(model, data, **options)
    assert "\n" not in str(caught.value)
