"""What practitioners have: checkpoints of several kinds of trainings and networks, and what is to be done with them."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nwedge import NetworkLandscape, descend, diagnose
from nwedge._random import derive
from nwedge.diagnosis.diagnosis import Diagnosis
from nwedge.landscapes.networks import architectures, data


def advice(found: Diagnosis) -> tuple[str, str]:
    return found.recommendation.one_pass.option, found.recommendation.k_passes.option


def accuracies(found: Diagnosis) -> dict[str, float]:
    return {name: option.scores.accuracy.value for name, option in found.options.items()}


@pytest.fixture(scope="module")
def noisy() -> NetworkLandscape:
    """Digits with pixels drowned in noise, so that networks differ in what they get wrong."""
    (x, y), (held_x, held_y) = data.load("digits")
    x, y = torch.cat([x, held_x]), torch.cat([y, held_y])
    x = x + 1.5 * torch.randn(x.shape, generator=derive(0, "noise"))
    return NetworkLandscape(architectures.mlp(64, 10, (32, 32)), (x[:500], y[:500]), (x[500:], y[500:]))


def test_seeds_are_ensembled(noisy):
    start = noisy.initial(8, derive(0, "start"))
    points = descend(noisy, start, lr=0.1, momentum=0.9, steps=300, generator=derive(0)).points
    found = diagnose(noisy, points)
    assert len(found.clusters) == 8
    one_pass, k_passes = advice(found)
    assert one_pass != "average"
    assert k_passes == "ensemble"
    assert accuracies(found)["ensemble"] > accuracies(found)["single"] + 0.03
    assert accuracies(found)["single"] > accuracies(found)["average"] + 0.3


def test_snapshots_at_a_high_rate_are_ensembled_and_at_a_low_one_averaged(noisy):
    start = noisy.initial(1, derive(0, "start"))
    optimum = descend(noisy, start, lr=0.1, momentum=0.9, steps=300, generator=derive(0)).points
    kept = [60 * place for place in range(1, 6)]
    low, high = (
        descend(noisy, optimum, optimizer="adam", lr=rate, steps=kept[-1], keep=kept, generator=derive(1)).trajectory[0]
        for rate in (1e-4, 0.1)
    )
    near, far = diagnose(noisy, low), diagnose(noisy, high)
    assert len(near.clusters) == 1
    assert advice(near) == ("average", "average")
    assert advice(far)[1] == "ensemble"
    assert accuracies(far)["ensemble"] > accuracies(far)["average"] + 0.03


class Residual(nn.Module):
    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.first, self.first_norm = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.second, self.second_norm = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem_norm(self.stem(x.view(-1, 1, 8, 8))))
        inner = self.second_norm(self.second(F.relu(self.first_norm(self.first(x)))))
        return self.head(F.relu(x + inner).mean((2, 3)))


def test_a_residual_network_with_batch_norm_is_recomputed_and_aligned():
    (x, y), held_out = data.load("digits")
    trained: list[nn.Module] = []
    for seed in range(2):
        torch.manual_seed(seed)
        model, generator = Residual().train(), derive(seed, "batches")
        optimizer = torch.optim.Adam(model.parameters(), 0.02)
        for _ in range(120):
            batch = torch.randint(len(x), (64,), generator=generator)
            optimizer.zero_grad()
            F.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
        trained.append(model.eval())
    landscape = NetworkLandscape(trained[0], (x, y), held_out, batch_norm="recompute")
    points = torch.stack([landscape.point(model) for model in trained])
    found = diagnose(landscape, points, statistics=[dict(model.named_buffers()) for model in trained])
    assert len(found.clusters) == 2
    assert found.aligned_barriers is not None
    assert found.aligned_barriers.max() < found.barriers.max()
    assert found.averaged_statistics is not None
    assert found.averaged_statistics[0, 1] > 0
    assert accuracies(found)["align-average"] > accuracies(found)["average"]
    chosen = landscape.module(found.points["align-average"])
    right = (chosen(held_out[0]).argmax(1) == held_out[1]).double().mean().item()
    assert right == pytest.approx(accuracies(found)["align-average"], abs=0.1)


def test_a_transformer_of_hugging_face_with_batches_of_dicts():
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    words = torch.randint(20, (700, 8))
    batch = {"input_ids": words, "attention_mask": torch.ones_like(words), "labels": (words == 3).any(1).long()}
    train, held_out = ({name: one[part] for name, one in batch.items()} for part in (slice(500), slice(500, None)))
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24, num_labels=2
    )
    landscape = NetworkLandscape(
        transformers.BertForSequenceClassification(config).eval(),
        train,
        held_out,
        loss=lambda model, given: model(**given).loss,
        predict=lambda model, given: model(**{**given, "labels": None}).logits.softmax(1),
        batch_size=64,
    )
    start = landscape.initial(1, derive(0, "start"))
    kept = [200, 210, 220]
    found = descend(landscape, start, optimizer="adam", lr=5e-3, steps=220, keep=kept, generator=derive(0))
    diagnosis = diagnose(landscape, found.trajectory[0])
    assert len(diagnosis.clusters) == 1
    assert advice(diagnosis)[0] == "average"
    assert np.isfinite(diagnosis.aligned_barriers).all()
    assert accuracies(diagnosis)["average"] > 0.9
