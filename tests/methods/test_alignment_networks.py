"""Networks of many kinds: their units change places without a change of the function, and are brought back."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nwedge._random import derive
from nwedge.landscapes.networks.architectures import mlp, simple_cnn
from nwedge.landscapes.networks.network import NetworkLandscape
from nwedge.landscapes.networks.permutations import Group, Permutations, find_permutations
from nwedge.landscapes.networks.tracing import INPUT, OUTPUT, Pass
from nwedge.methods import tunnels
from nwedge.methods.alignment import METHODS, align, aligned_module

CLASSES = 3
WORDS, LENGTH = 11, 6


class Block(nn.Module):
    """A basic block, with a projection where its shape changes."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(after)
        self.shortcut = nn.Sequential()
        if stride > 1 or before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.first_norm(self.first(x)), inplace=True)
        out = self.second_norm(self.second(hidden))
        out += self.shortcut(x)
        return F.relu(out)


def resnet(widths: tuple[int, ...] = (4, 6, 8)) -> nn.Module:
    blocks, before = [], widths[0]
    for stage, width in enumerate(widths):
        blocks += [Block(before, width, 2 if stage else 1), Block(width, width, 1)]
        before = width
    stem = (nn.Conv2d(3, before := widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(before), nn.ReLU())
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], CLASSES)).eval()


class Transformer(nn.Module):
    def __init__(self, *, norm_first: bool = False) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(WORDS, 8), nn.Parameter(torch.randn(LENGTH, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 10, 0.0, batch_first=True, norm_first=norm_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, words: Tensor) -> Tensor:
        return self.head(self.encoder(self.words(words) + self.positions).mean(1))


class Attention(nn.Module):
    """Written by hand: projections apart or packed, and products apart or as one operation."""

    def __init__(self, *, packed: bool = False, fused: bool = False) -> None:
        super().__init__()
        self.embed, self.packed, self.fused = nn.Linear(5, 12), packed, fused
        self.projections = nn.ModuleList([nn.Linear(12, 36)] if packed else [nn.Linear(12, 12) for _ in range(3)])
        self.out, self.head = nn.Linear(12, 12), nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        projected = [layer(x) for layer in self.projections]
        projected = projected[0].chunk(3, -1) if self.packed else projected
        q, k, v = (one.view(*x.shape[:2], 3, 4).transpose(1, 2) for one in projected)
        attended = F.scaled_dot_product_attention(q, k, v) if self.fused else (q @ k.mT / 2).softmax(-1) @ v
        return self.head((x + self.out(attended.transpose(1, 2).reshape(x.shape))).mean(1))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.again, self.last = nn.Linear(4, 7), nn.Linear(7, 7), nn.Linear(7, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.again(self.again(self.first(x).tanh()).tanh()).tanh())


class Dense(nn.Module):
    """Every layer reads what all before it wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 3, padding=1)
        self.last = nn.Linear(9 * 36, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x).relu()
        return self.last(torch.cat([first, self.second(first).relu()], 1).flatten(1))


class Unknown(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 8), nn.Linear(8, 6), nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(torch.fft.fft(self.first(x)).abs()).relu())


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells, self.last = nn.LSTM(4, 6, batch_first=True), nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.cells(x)[0][:, -1])


def separable() -> nn.Module:
    first = (nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8))
    second = (nn.ReLU6(), nn.Conv2d(8, 10, 1), nn.Hardswish(), nn.MaxPool2d(2), nn.Conv2d(10, 20, 3, groups=10))
    return nn.Sequential(
        *first, *second, nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(20, CLASSES)
    ).eval()


def normalised() -> nn.Module:
    first = (nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.ReLU(), nn.Conv2d(8, 6, 3, padding=1))
    return nn.Sequential(*first, nn.GroupNorm(1, 6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, CLASSES))


def images() -> Tensor:
    return torch.randn(8, 3, 6, 6)


def words() -> Tensor:
    return torch.randint(WORDS, (8, LENGTH))


Sizes = list[tuple[int, ...]]
STAGES: Sizes = [(4,), (4,), (4,), (6,), (6,), (6,), (8,), (8,), (8,)]
NETWORKS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor], Sizes]] = {
    "mlp": (lambda: mlp(5, CLASSES, (7, 6)), lambda: torch.randn(8, 5), [(7,), (6,)]),
    "cnn": (lambda: simple_cnn(3, 8, CLASSES, (4, 5)), lambda: torch.randn(8, 3, 8, 8), [(4,), (5,)]),
    "resnet": (resnet, lambda: torch.randn(8, 3, 8, 8), STAGES),
    "transformer": (lambda: Transformer().eval(), words, [(8,), (2, 4), (10,), (2, 4), (10,)]),
    "norm first": (lambda: Transformer(norm_first=True).eval(), words, [(8,), (2, 4), (10,), (2, 4), (10,)]),
    "attention": (Attention, lambda: torch.randn(8, 6, 5), [(12,), (3, 4, 4)]),
    "fused attention": (lambda: Attention(fused=True), lambda: torch.randn(8, 6, 5), [(12,), (3, 4, 4)]),
    "packed attention": (lambda: Attention(packed=True), lambda: torch.randn(8, 6, 5), [(12,), (3, 4, 4)]),
    "separable": (separable, images, [(8,), (10, 2)]),
    "group norm": (normalised, images, [(2, 4), (6,)]),
    "tied": (Tied, lambda: torch.randn(8, 4), [(7,)]),
    "dense": (Dense, images, [(4,), (5,)]),
    "unknown": (Unknown, lambda: torch.randn(8, 4), [(6,)]),
    "recurrent": (Recurrent, lambda: torch.randn(8, 3, 4), [(6,)]),
}
every_network = pytest.mark.parametrize(("make", "draw", "sizes"), NETWORKS.values(), ids=NETWORKS)


def drawn(make: Callable[[], nn.Module], name: str = "weights") -> nn.Module:
    """A network with random weights and running statistics."""
    module, stream = make(), derive(0, name)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(generator=stream)
        for name, buffer in module.named_buffers():
            if buffer.is_floating_point():
                buffer.normal_(generator=stream)
            if name.endswith("var"):
                buffer.exp_()
    return module


def examples(draw: Callable[[], Tensor]) -> Tensor:
    torch.manual_seed(0)
    return draw()


def tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def with_tensors(module: nn.Module, given: dict[str, Tensor]) -> nn.Module:
    module = copy.deepcopy(module)
    with torch.no_grad():
        for name, tensor in tensors(module).items():
            tensor.copy_(given[name])
    return module


def shuffled(module: nn.Module, permutations: Permutations, name: str) -> nn.Module:
    given = {name: tensor.detach() for name, tensor in tensors(module).items()}
    return with_tensors(module, permutations.shuffled(given, derive(0, name)))


def distance(left: nn.Module, right: nn.Module) -> float:
    pairs = zip(left.parameters(), right.parameters(), strict=True)
    return sum((own - other).square().sum().item() for own, other in pairs) ** 0.5


def barrier(left: nn.Module, right: nn.Module, batch: Tensor) -> float:
    """How far the outputs along the straight line are at most from the ends', in mean squares."""
    with torch.no_grad():
        expected, highest = left(batch), 0.0
        for t in (0.25, 0.5, 0.75):
            between = {name: torch.lerp(one, tensors(right)[name], t) for name, one in floating(left).items()}
            found = with_tensors(left, tensors(left) | between)(batch)
            highest = max(highest, (found - expected).square().mean().item())
    return highest


def floating(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors(module).items() if tensor.is_floating_point()}


@every_network
def test_units_change_places_without_a_change_of_the_function(make, draw, sizes: Sizes) -> None:
    module, batch = drawn(make), examples(draw)
    permutations = find_permutations(Pass(module, batch))
    assert [(group.size, *(part.size for part in group.inner)) for group in permutations.groups] == sizes
    with torch.no_grad():
        expected = module(batch)
        for name in ("one", "another"):
            moved = shuffled(module, permutations, name)
            assert distance(module, moved) > 1
            assert (moved(batch) - expected).abs().max() < 1e-5 * expected.abs().max()


@every_network
def test_every_entry_belongs_to_one_group_or_is_frozen_for_a_reason(make, draw, sizes: Sizes) -> None:
    module = make()
    permutations = find_permutations(Pass(module, examples(draw)))
    shapes = {name: tensor.shape for name, tensor in tensors(module).items()}
    owners: dict[tuple[str, int, int], int] = {}
    for number, group in enumerate(permutations.groups):
        _check_sizes(group)
        for place in group.places:
            entries = place.entries.flatten().tolist()
            assert len(set(entries)) == len(entries)
            assert max(entries) < shapes[place.name][place.axis]
            for entry in entries:
                assert owners.setdefault((place.name, place.axis, entry), number) == number
    reasons = {named for names in permutations.frozen.values() for named in names}
    for name, parameter in module.named_parameters():
        for axis, size in enumerate(parameter.shape):
            owned = sum((name, axis, entry) in owners for entry in range(size))
            assert size == 1 or owned == size or f"{name}, axis {axis}" in reasons
            assert owned == 0 or f"{name}, axis {axis}" not in {
                *permutations.frozen.get(INPUT, ()),
                *permutations.frozen[OUTPUT],
            }


def _check_sizes(group: Group) -> None:
    for place in group.places:
        assert place.entries.shape[:2] == (1, group.size)
    for part in group.inner:
        for place in part.places:
            assert place.entries.shape[:2] == (group.size, part.size)


@every_network
@pytest.mark.parametrize("method", METHODS)
def test_a_permuted_copy_comes_back_exactly(make, draw, sizes: Sizes, method: str) -> None:
    module, batch = drawn(make), examples(draw)
    moved = shuffled(module, find_permutations(Pass(module, batch)), "moved")
    back = aligned_module(module, moved, batch, method=method, generator=derive(0))
    for name, tensor in tensors(back).items():
        assert torch.equal(tensor, tensors(module)[name]), name
    assert barrier(module, moved, batch) > 0
    assert barrier(module, back, batch) < 0.05 * barrier(module, moved, batch)


@every_network
def test_the_distance_never_grows_and_the_function_stays(make, draw, sizes: Sizes) -> None:
    batch = examples(draw)
    reference, other = drawn(make, "reference"), drawn(make, "other")
    before = {name: tensor.clone() for name, tensor in tensors(other).items()}
    found = aligned_module(reference, other, batch, starts=1, generator=derive(0))
    assert distance(reference, found) < distance(reference, other)
    with torch.no_grad():
        expected = other(batch)
        assert (found(batch) - expected).abs().max() < 1e-5 * expected.abs().max()
    for name, tensor in tensors(other).items():
        assert torch.equal(tensor, before[name])
        assert torch.equal(tensors(found)[name].flatten().sort().values, tensor.flatten().sort().values)
    nearest = aligned_module(reference, other, batch, starts=5, generator=derive(0))
    assert distance(reference, nearest) <= distance(reference, found)


def trained(module: nn.Module, x: Tensor, y: Tensor, steps: int) -> nn.Module:
    optimizer = torch.optim.Adam(module.train().parameters(), 0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(module(x), y).backward()
        optimizer.step()
    return module.eval()


@pytest.mark.parametrize("name", ["cnn", "resnet", "transformer"])
def test_the_barrier_to_a_permuted_copy_that_was_trained_on_goes(name: str) -> None:
    make, draw, _ = NETWORKS[name]
    torch.manual_seed(0)
    module, x = make(), torch.cat([draw() for _ in range(32)])
    y = x.mean((2, 3)).argmax(1) if x.ndim > 2 else (x == 3).any(1).long() + (x == 5).any(1)
    first = copy.deepcopy(trained(module, x, y, 60))
    second = trained(module, x, y, 5)
    landscape = NetworkLandscape(first, (x, y), batch_norm="recompute")
    moved = landscape.point(shuffled(second, find_permutations(Pass(second, x[:8])), "moved"))
    ends = landscape.loss(torch.stack([landscape.point(first), landscape.point(second), moved]))
    assert ends[0] < 0.5
    assert torch.allclose(ends[1], ends[2], atol=1e-5)

    def barrier_to(other: Tensor) -> float:
        line = torch.lerp(landscape.point(first), other, torch.linspace(0, 1, 11)[:, None])
        return tunnels.barrier(landscape.loss(line)[None]).item()

    back = align(landscape, landscape.point(first), moved, generator=derive(0))
    assert barrier_to(moved) > 0.1
    assert barrier_to(back) < 0.05 * barrier_to(moved)


def test_activations_are_matched_where_weights_are_not_alike() -> None:
    """Units that do the same by other weights: two inputs are one, and either is read."""
    reference = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, CLASSES))
    batch = torch.randn(200, 2, generator=derive(0, "batch")).repeat(1, 2)
    other = copy.deepcopy(reference)
    order = torch.tensor([2, 0, 1])
    with torch.no_grad():
        reference[0].weight[:, 2:] = 0
        other[0].weight.copy_(reference[0].weight.roll(2, 1)[order])
        other[0].bias.copy_(reference[0].bias[order])
        other[2].weight.normal_(generator=derive(0, "last"))
    found = aligned_module(reference, other, batch, method="activations", generator=derive(0))
    assert torch.equal(found[0].bias, reference[0].bias)  # pyright: ignore
    assert torch.equal(found[0].weight, reference[0].weight.roll(2, 1))  # pyright: ignore


def test_bad_modules_are_refused() -> None:
    module, batch, stream = mlp(4, CLASSES, (5,)), torch.randn(3, 4), derive(0)
    broken = copy.deepcopy(module)
    with torch.no_grad():
        broken[0].bias[1] = torch.nan
    for reference, other in ((module, broken), (broken, module)):
        with pytest.raises(ValueError, match=r"parameter '0\.bias' must be finite"):
            aligned_module(reference, other, batch, generator=stream)
    with pytest.raises(ValueError, match=r"'0\.weight' must have shape \(5, 4\); got \(6, 4\)"):
        aligned_module(module, mlp(4, CLASSES, (6,)), batch, generator=stream)
    with pytest.raises(ValueError, match="must have the names of the model's parameters"):
        aligned_module(module, mlp(4, CLASSES, (5, 5)), batch, generator=stream)
    with pytest.raises(ValueError, match="method must be one of 'weights', 'activations'; got 'chance'"):
        aligned_module(module, module, batch, method="chance", generator=stream)
    with pytest.raises(ValueError, match="starts must be at least 1"):
        aligned_module(module, module, batch, starts=0, generator=stream)
    with pytest.raises(ValueError, match="no units of Linear can change places: frozen, since they are outputs"):
        aligned_module(nn.Linear(4, 3), nn.Linear(4, 3), batch, generator=stream)
