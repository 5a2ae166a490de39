"""Broken probabilities, accuracies and held-out data are caught."""

import pytest
import torch

from nwedge.testing import LandscapeError, check_landscape

FEATURES, CLASSES, EXAMPLES = 2, 3, 12


class Classifier:
    """A linear classifier of points in the plane; without noise."""

    held_out = None

    def __init__(self, dtype=torch.float64, examples=EXAMPLES):
        self.dim, self.dtype, self.device, self.calls = FEATURES * CLASSES, dtype, torch.device("cpu"), 0
        draws = torch.Generator().manual_seed(examples)
        self.x = torch.randn(examples, FEATURES, generator=draws, dtype=torch.float64).to(dtype)
        self.y = torch.randint(CLASSES, (examples,), generator=draws)

    def scores(self, points):
        return self.x @ points.reshape(len(points), FEATURES, CLASSES)

    def loss(self, points):
        logs = self.scores(points).log_softmax(-1)
        return -logs.gather(2, self.y.expand(len(points), -1)[..., None]).mean((1, 2))

    def initial(self, count, generator):
        return torch.randn(count, self.dim, generator=generator, dtype=self.dtype)

    def minibatch(self, generator):
        return self

    def predict(self, points):
        return self.scores(points).softmax(-1)

    def accuracy(self, points):
        return (self.scores(points).argmax(-1) == self.y).to(self.dtype).mean(1)

    def count(self):
        self.calls += 1
        return self.calls


def predict(change):
    """A prediction changed by `change(landscape, probabilities)`."""
    return {"predict": lambda self, points: change(self, Classifier.predict(self, points))}


BROKEN = {
    "no tensor": (predict(lambda self, p: p.tolist()), "`predict` to give a torch.Tensor; got list"),
    "labels": (predict(lambda self, p: p.argmax(-1)), r"\(batch, examples, classes\); got \(4, 12\)"),
    "batch": (predict(lambda self, p: p[:2]), r"\(4, 12, 3\); got \(2, 12, 3\)"),
    "dtype": (predict(lambda self, p: p.half()), "`predict` of dtype"),
    "negative": (predict(lambda self, p: 1 - 2 * p), "probabilities of 0 or more; got -"),
    "logarithms": (predict(lambda self, p: -p.log()), "sum to 1 over the classes"),
    "sum to 1 over examples": (predict(lambda self, p: p / p.sum(1, keepdim=True)), "sum to 1 over the classes"),
    "NaN": (predict(lambda self, p: p * torch.nan), "probabilities"),
    "dropout": (predict(lambda self, p: p.roll(self.count(), 2)), "two calls of `predict`"),
    "accuracy of all": (
        {"accuracy": lambda self, p: Classifier.accuracy(self, p).mean()},
        r"`accuracy` of shape \(4,\)",
    ),
    "accuracy in per cent": ({"accuracy": lambda self, p: 100 * Classifier.accuracy(self, p)}, "between 0 and 1"),
    "accuracy missing": ({"accuracy": property()}, "a method `accuracy`"),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", BROKEN)
def test_broken_predictions(name, dtype):
    changes, words = BROKEN[name]
    with pytest.raises(LandscapeError, match=f"^the law of predictions is broken: .*{words}"):
        check_landscape(type("Broken", (Classifier,), changes)(dtype))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_honest_predictions_pass(dtype):
    landscape = Classifier(dtype)
    check_landscape(landscape)
    landscape.held_out = Classifier(dtype, examples=5)
    check_landscape(landscape)


HELD_OUT = {
    "dim": ({"dim": 5}, "held-out data of dim 6; got 5"),
    "dtype": ({"dtype": torch.float32}, "held-out data of dtype torch.float64; got torch.float32"),
    "loss": ({"loss": lambda points: points.sum()}, "one loss a point on the held-out data"),
    "predict": ({"predict": lambda points: torch.ones(4, 2, 2).double()}, "predictions on the held-out data.*sum to 1"),
    "accuracy": ({"accuracy": lambda points: points.sum(1) + 100}, "predictions on the held-out data.*between 0 and 1"),
}


@pytest.mark.parametrize("name", HELD_OUT)
def test_broken_held_out_data(name):
    changes, words = HELD_OUT[name]
    landscape = Classifier()
    landscape.held_out = Classifier(examples=5)
    vars(landscape.held_out).update(changes)
    with pytest.raises(LandscapeError, match=words):
        check_landscape(landscape)


def test_held_out_data_must_be_predicted():
    landscape = Classifier()
    landscape.held_out = type("Plain", (Classifier,), {"predict": property()})()
    with pytest.raises(LandscapeError, match="a method `predict`"):
        check_landscape(landscape)
