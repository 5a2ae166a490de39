import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader, TensorDataset

from nwedge import NetworkLandscape, evaluate, gradient
from nwedge._random import derive
from nwedge.landscapes.networks.batch_norm import (
    RecomputedBatchNorm,
    recomputed_layers,
    running_names,
    running_statistics,
    with_recomputed,
)

EXAMPLES, CHUNK = 60, 20


def convolutional() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 4))
    return model.append(nn.BatchNorm1d(4, affine=False)).append(nn.Linear(4, 3)).double()


def data(count: int = EXAMPLES) -> tuple[Tensor, Tensor]:
    x = torch.randn(count, 2, 6, 6, generator=derive(0), dtype=torch.float64)
    return 2 * x + 1, torch.randint(3, (count,), generator=derive(1))


def landscape_of(model: nn.Module, chunk: int = CHUNK) -> NetworkLandscape:
    return NetworkLandscape(model, data(), data(30), batch_norm="recompute", chunk=chunk, batch_size=12)


def test_statistics_are_those_of_update_bn() -> None:
    model = convolutional()
    landscape = landscape_of(model)
    point = landscape.initial(1, derive(2))[0]
    ours = landscape.module(point)
    assert not ours[1].training

    expected = copy.deepcopy(model)
    expected.load_state_dict(ours.state_dict())
    update_bn(DataLoader(TensorDataset(*data()), batch_size=CHUNK), expected)
    expected.eval()
    for layer in (1, 5):
        torch.testing.assert_close(ours[layer].running_mean, expected[layer].running_mean)
        torch.testing.assert_close(ours[layer].running_var, expected[layer].running_var)
    for part, (x, y) in ((landscape, data()), (landscape.held_out, data(30))):  # held out, with training statistics
        torch.testing.assert_close(part.loss(point[None])[0], cross_entropy(expected(x), y))
        torch.testing.assert_close(part.predict(point[None])[0], expected(x).softmax(-1))


def test_statistics_of_unequal_chunks_are_weighted_by_their_examples() -> None:
    x = torch.randn(7, 2, generator=derive(0), dtype=torch.float64)
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2)).double()
    landscape = NetworkLandscape(model, (x, torch.zeros(7).long()), batch_norm="recompute", chunk=4)
    assert [part.stop - part.start for part, _ in landscape._evaluation.chunks(7)] == [3, 4]
    hidden = landscape.module(landscape.point(model))[0](x)
    parts = (hidden[:3], hidden[3:])
    layer = landscape.module(landscape.point(model))[1]
    torch.testing.assert_close(layer.running_mean, hidden.mean(0))
    torch.testing.assert_close(layer.running_var, (3 * parts[0].var(0) + 4 * parts[1].var(0)) / 7)


def test_the_gradient_goes_through_the_statistics() -> None:
    landscape = landscape_of(convolutional())
    points = landscape.initial(2, derive(2))
    slope = gradient(landscape, points)
    step = 1e-5 * torch.randn(points.shape, generator=derive(3), dtype=torch.float64)
    change = evaluate(landscape, points + step) - evaluate(landscape, points - step)
    torch.testing.assert_close((slope * 2 * step).sum(1), change, rtol=1e-5, atol=1e-12)

    module = landscape.module(points[0])  # with the statistics of the point held fixed, as a wrong gradient would
    x, y = data()
    fixed = torch.autograd.grad(cross_entropy(module(x), y), list(module.parameters()))
    assert (nn.utils.parameters_to_vector(fixed) - slope[0]).norm() > 0.05 * slope[0].norm()


def test_a_minibatch_takes_the_statistics_of_its_batch() -> None:
    model = convolutional()
    landscape = landscape_of(model)
    points = landscape.initial(2, derive(2))
    view = landscape.minibatch(derive(3))
    chosen = torch.randperm(EXAMPLES, generator=derive(3))[:12]
    x, y = data()
    modules = [landscape.module(point).train() for point in points]
    expected = torch.stack([cross_entropy(module(x[chosen]), y[chosen]) for module in modules])
    torch.testing.assert_close(view.loss(points), expected.detach())
    assert view.unbiased is False


def test_running_statistics_of_the_given_module_do_not_matter_when_they_are_recomputed() -> None:
    model, spoilt = convolutional(), convolutional()
    spoilt[1].running_mean.fill_(100.0)
    points = landscape_of(model).initial(2, derive(2))
    assert torch.equal(landscape_of(model).loss(points), landscape_of(spoilt).loss(points))
    keep = [NetworkLandscape(one.eval(), data()).loss(points) for one in (model, spoilt)]
    assert not torch.allclose(*keep)


def test_without_batch_norm_layers_recompute_is_keep() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(72, 3)).double()
    keep, recompute = (NetworkLandscape(model, data(), batch_norm=policy) for policy in ("keep", "recompute"))
    points = keep.initial(2, derive(2))
    assert torch.equal(keep.loss(points), recompute.loss(points))
    assert recompute.minibatch(derive(0)).unbiased is True
    assert recompute.strategy == "stacked"


def test_layers_without_running_statistics_can_be_recomputed() -> None:
    model = (
        nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3, track_running_stats=False), nn.Linear(3, 2)).eval().double()
    )
    x, y = torch.randn(20, 2, dtype=torch.float64), torch.zeros(20).long()
    with pytest.raises(ValueError, match=r"layer '1' \(BatchNorm1d\) keeps no running statistics"):
        NetworkLandscape(model, (x, y))
    landscape = NetworkLandscape(model, (x, y), batch_norm="recompute", chunk=10)
    point = landscape.point(model)
    torch.testing.assert_close(landscape.loss(point[None])[0], cross_entropy(landscape.module(point)(x), y))


def test_a_layer_that_stands_in_two_places_is_replaced_in_both_and_sees_both() -> None:
    shared = nn.BatchNorm1d(2)
    model = with_recomputed(nn.Sequential(shared, nn.Linear(2, 2), shared))
    assert isinstance(model[0], RecomputedBatchNorm)
    assert model[2] is model[0]
    (layer,) = recomputed_layers(model)
    model(torch.randn(5, 2))
    assert len(layer.seen) == 2


def test_the_whole_model_may_be_one_layer() -> None:
    assert isinstance(with_recomputed(nn.BatchNorm2d(3)), RecomputedBatchNorm)


@pytest.mark.parametrize("shape", [(8, 3), (4, 3, 5), (4, 3, 2, 2), (2, 3, 2, 2, 2)])
@pytest.mark.parametrize("affine", [True, False])
def test_the_layer_is_batch_norm(shape: tuple[int, ...], affine: bool) -> None:
    kinds = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
    plain = kinds[len(shape)](3, affine=affine, momentum=1.0)
    if affine:
        nn.init.normal_(plain.weight)
        nn.init.normal_(plain.bias)
    x = torch.randn(shape) + 3
    layer = RecomputedBatchNorm(plain)
    torch.testing.assert_close(layer(x), plain(x))
    torch.testing.assert_close(layer.seen[0], torch.cat([plain.running_mean, plain.running_var]))
    layer.given = layer.seen[0]
    torch.testing.assert_close(layer(x), plain.eval()(x))


def test_an_unknown_kind_of_batch_norm_is_named() -> None:
    class Own(nn.BatchNorm1d):
        pass

    model = nn.Sequential(nn.Linear(2, 2), Own(2)).train()
    with pytest.raises(ValueError, match=r"layer '1' \(Own\) is a BatchNorm of its own kind"):
        NetworkLandscape(model, (torch.randn(5, 2), torch.zeros(5).long()), batch_norm="recompute")


def test_a_batch_without_a_variance_is_refused() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    landscape = NetworkLandscape(model, (torch.randn(5, 2), torch.zeros(5).long()), batch_norm="recompute", chunk=1)
    with pytest.raises(ValueError, match="at least 2 values per feature"):
        landscape.loss(landscape.initial(1, derive(0)))


def normalised(x: Tensor) -> nn.Module:
    """In eval mode, with running statistics of other data."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3))
    model(3 * x + 1)
    return model.eval()


def test_statistics_that_are_given_take_the_place_of_recomputed_ones():
    x, y = torch.randn(50, 4), torch.randint(3, (50,))
    model = normalised(x)
    recomputed = NetworkLandscape(model, (x, y), (x[:9], y[:9]), batch_norm="recompute")
    point, expected = recomputed.point(model)[None], cross_entropy(model(x), y, reduction="none")
    given = running_statistics(model, model.state_dict())
    assert running_names(model) == ["1.running_mean", "1.running_var"]
    torch.testing.assert_close(recomputed.example_losses(point, given[None])[0], expected)
    assert not torch.allclose(recomputed.example_losses(point)[0], expected)
    with pytest.raises(ValueError, match=r"'1\.running_mean' is missing"):
        running_statistics(model, {})
    with pytest.raises(ValueError, match=r"'1.running_var' must have shape \(6,\); got \(3,\)"):
        running_statistics(model, {"1.running_mean": torch.zeros(6), "1.running_var": torch.zeros(3)})


@pytest.mark.parametrize("batch_norm", ["keep", "recompute"])
def test_buffers_are_replaced(batch_norm):
    x, y = torch.randn(50, 4), torch.randint(3, (50,))
    model = normalised(x)
    fresh = NetworkLandscape(normalised(0 * x), (x, y), (x[:9], y[:9]), batch_norm=batch_norm)
    point = fresh.point(model)
    replaced = fresh.with_buffers(dict(model.named_buffers()))
    assert replaced.recomputes == fresh.recomputes
    as_given = torch.allclose(replaced.loss(point[None]), cross_entropy(model(x), y))
    assert as_given == (batch_norm == "keep")
    assert torch.allclose(replaced.loss(point[None]), fresh.loss(point[None])) == fresh.recomputes
    if batch_norm == "keep":
        torch.testing.assert_close(replaced.module(point)(x), model(x))
        torch.testing.assert_close(replaced.held_out.loss(point[None])[0], cross_entropy(model(x[:9]), y[:9]))
    with pytest.raises(RuntimeError, match="absent"):
        fresh.with_buffers({"absent": torch.ones(1)})
