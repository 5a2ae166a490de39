import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from nwedge import NetworkLandscape, check_landscape, examine, geometry, restrict
from nwedge._random import derive
from nwedge.landscape import Predictive
from nwedge.landscapes.networks.classification import accuracy_of, class_probabilities, classification_loss
from nwedge.specs.configs import TunnelsConfig, TwoHalvesConfig


@pytest.mark.parametrize("classes", [2, 10, 15, 16, 40])
def test_loss_and_probabilities_are_those_of_torch_for_few_and_for_many_classes(classes: int) -> None:
    model, x = nn.Linear(5, classes).double(), torch.randn(30, 5, generator=derive(0), dtype=torch.float64)
    y = (torch.arange(30) % classes).to(torch.uint8)
    expected = cross_entropy(model(x), y.long())
    ours = classification_loss(model, (x, y))
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(torch.autograd.grad(ours, model.weight), torch.autograd.grad(expected, model.weight))
    torch.testing.assert_close(class_probabilities(model, [x, y]), model(x).softmax(1))


def test_accuracy_is_the_share_of_right_predictions_and_nan_where_a_probability_is() -> None:
    probabilities = torch.tensor([[0.7, 0.3], [0.4, 0.6], [0.8, 0.2], [0.9, 0.1]])
    accuracy = accuracy_of(lambda model, batch: batch[0])
    labels = torch.tensor([0, 1, 1, 0])
    assert accuracy(nn.Identity(), (probabilities, labels)) == 0.75
    probabilities[2, 0] = torch.nan
    assert accuracy(nn.Identity(), (probabilities, labels)).isnan()


def test_data_without_pairs_or_labels_need_functions_of_the_user() -> None:
    x = torch.randn(9, 4, generator=derive(0))
    landscape = NetworkLandscape(nn.Linear(4, 2), {"x": x}, loss=lambda model, batch: model(batch["x"]).mean())
    points = landscape.initial(2, derive(1))
    for other in (landscape, copy.copy(landscape), copy.deepcopy(landscape)):
        assert not isinstance(other, Predictive), "no predictions are known"
    check_landscape(landscape)
    landscape = NetworkLandscape(
        nn.Linear(4, 2),
        {"x": x},
        loss=lambda model, batch: model(batch["x"]).mean(),
        predict=lambda model, batch: model(batch["x"]).softmax(-1),
    )
    assert landscape.predict(points).shape == (2, 9, 2)
    with pytest.raises(ValueError, match="labels must be an integer tensor"):
        landscape.accuracy(points)
    with pytest.raises(ValueError, match="labels must be an integer tensor"):
        _ = landscape.labels


def test_predictions_of_another_shape_are_refused() -> None:
    data = (torch.randn(9, 4, generator=derive(0)), torch.arange(9) % 2)
    landscape = NetworkLandscape(
        nn.Linear(4, 2), data, predict=lambda model, batch: model(batch[0])[:, 0], strategy="loop"
    )
    with pytest.raises(ValueError, match=r"shape \(examples, classes\); got float32 \(9,\)"):
        landscape.predict(landscape.initial(1, derive(1)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_predictions_that_are_no_probabilities_are_refused(dtype) -> None:
    data = (torch.randn(9, 4, generator=derive(0)), torch.arange(9) % 3)

    def landscape(predict) -> NetworkLandscape:
        return NetworkLandscape(nn.Linear(4, 3), data, predict=predict, dtype=dtype, strategy="loop")

    points = landscape(None).initial(2, derive(1))
    assert landscape(lambda model, batch: model(batch[0]).softmax(-1)).predict(points).shape == (2, 9, 3)
    undefined = landscape(lambda model, batch: model(batch[0]).softmax(-1) * torch.nan)
    assert undefined.predict(points).isnan().all()
    for wrong in (
        lambda logits: logits,
        lambda logits: logits.log_softmax(-1),
        lambda logits: 1.1 * logits.softmax(-1),
    ):
        with pytest.raises(ValueError, match=r"probabilities, at least 0 and of sum 1 .* are they logits\?"):
            landscape(lambda model, batch, wrong=wrong: wrong(model(batch[0]))).predict(points)


def test_a_regression_is_no_classifier_and_still_runs_a_claim() -> None:
    x = torch.randn(60, 3, generator=derive(4))
    y = x[:, :1] * x[:, 1:2]
    landscape = NetworkLandscape(
        nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)),
        (x[:40], y[:40]),
        (x[40:], y[40:]),
        loss=lambda model, batch: (model(batch[0]) - batch[1]).square().mean(),
    )
    check_landscape(landscape)
    light = TunnelsConfig(steps=5, pointwise_steps=5, points=11, bends=5, bend_points=5)
    verdict = examine(landscape, "tunnels", lr=0.1, momentum=0.9, steps=300, seeds=2, config=light)
    assert verdict.seeds == 2


def test_a_network_without_held_out_data_runs_the_claims_about_tunnels() -> None:
    x = torch.randn(60, 3, generator=derive(4))
    landscape = NetworkLandscape(nn.Linear(3, 2), (x, (x[:, 0] > 0).long()))
    light = TunnelsConfig(steps=5, pointwise_steps=5, points=11, bends=5, bend_points=5)
    assert examine(landscape, "tunnels", lr=0.1, steps=50, seeds=2, config=light).seeds == 2
    halves = TwoHalvesConfig(steps=5, pointwise_steps=5, places=2)
    assert examine(landscape, "two-halves", lr=0.1, steps=50, seeds=2, config=halves).seeds == 2
    line = geometry.Line(*landscape.initial(2, derive(0)))
    assert restrict(landscape, line).held_out is None
