"""How groups are described, moved, verified and given up, on networks that are small enough to be checked by hand."""

import itertools
import pickle
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nwedge import NetworkLandscape
from nwedge._random import derive
from nwedge.landscapes.networks import axis_rules
from nwedge.landscapes.networks.permutations import GIVEN_UP, Group, Order, Permutations, Place, find_permutations
from nwedge.landscapes.networks.tracing import INPUT, OUTPUT, Pass


def found(model: nn.Module, *shape: int, **how: bool) -> Permutations:
    return find_permutations(Pass(model, torch.randn(shape, generator=derive(0, "batch"))), **how)


def tensors(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def dense() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))


def test_the_structure_of_a_small_network() -> None:
    (group,) = found(dense(), 2, 4).groups
    assert (group.size, group.inner) == (5, ())
    places = [(place.name, place.axis, place.entries.flatten().tolist()) for place in group.places]
    assert places == [(name, axis, list(range(5))) for name, axis in (("0.weight", 0), ("0.bias", 0), ("2.weight", 1))]


def test_channels_behind_a_flatten_own_consecutive_entries() -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    (group,) = found(model, 2, 1, 3, 3).groups
    assert group.places[-1].entries.tolist() == [[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]]


def test_what_is_frozen_is_said_in_words() -> None:
    permutations = found(dense(), 2, 4)
    assert permutations.frozen == {INPUT: ("0.weight, axis 1",), OUTPUT: ("2.weight, axis 0", "2.bias, axis 0")}
    assert str(permutations).split("\n") == [
        "5 units can change places: 0.weight, axis 0; 0.bias, axis 0; 2.weight, axis 1",
        "frozen, since they belong to the inputs of the network: 0.weight, axis 1",
        "frozen, since they are outputs of the network: 2.weight, axis 0; 2.bias, axis 0",
    ]


def test_long_lists_are_counted_and_parts_are_named() -> None:
    model = nn.Sequential(nn.Conv2d(1, 6, 1), nn.GroupNorm(2, 6), nn.Flatten(), nn.Linear(6, 2))
    first, *_ = str(found(model, 2, 1, 1, 1)).split("\n")
    assert first == (
        "2 units can change places, and the 3 parts of each: 0.weight, axis 0; 0.bias, axis 0; 1.weight, axis 0 "
        "and 2 more"
    )


def slowly(tensor: Tensor, place: Place, order: list[list[int]]) -> Tensor:
    """Entry by entry."""
    moved = tensor.clone()
    for block, units in enumerate(order):
        for unit, source in enumerate(units):
            for to, whence in zip(
                place.entries[block, unit].tolist(), place.entries[block, source].tolist(), strict=True
            ):
                moved.select(place.axis, to).copy_(tensor.select(place.axis, whence))
    return moved


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shape", [(1, 4, 3), (2, 3, 2), (3, 4, 1), (1, 12, 1)])
def test_a_place_is_reordered_entry_by_entry(axis: int, shape: tuple[int, int, int]) -> None:
    stream = derive(0, "place", axis)
    tensor = torch.randn(12, 12, 12, generator=stream)
    place = Place(
        "weight", axis, torch.randperm(12, generator=stream).view(-1)[: torch.tensor(shape).prod()].view(shape)
    )
    order = torch.stack([torch.randperm(shape[1], generator=stream) for _ in range(shape[0])])
    assert torch.equal(place.reordered(tensor, order), slowly(tensor, place, order.tolist()))


@pytest.mark.parametrize("shape", [(1, 4, 3), (2, 3, 2), (1, 12, 1), (4, 3, 1)])
def test_units_are_what_moves(shape: tuple[int, int, int]) -> None:
    tensor, stream = torch.randn(5, 12, 2, generator=derive(0, "units")), derive(0, "order")
    place = Place("weight", 1, torch.arange(12).view(shape))
    order = torch.stack([torch.randperm(shape[1], generator=stream) for _ in range(shape[0])])
    rows = place.units(tensor).unflatten(0, shape[:2])
    moved = place.units(place.reordered(tensor, order)).unflatten(0, shape[:2])
    for block, units in enumerate(order):
        assert torch.equal(moved[block], rows[block][units])


def test_units_move_first_and_then_their_parts() -> None:
    entries = torch.arange(6)
    outer = Place("weight", 0, entries.view(1, 2, 3))
    group = Group(2, (outer,), (Group(3, (Place("weight", 0, entries.view(2, 3, 1)),)),))
    order = Order(torch.tensor([1, 0]), (torch.tensor([[2, 0, 1], [0, 1, 2]]),))
    moved = group.reordered({"weight": entries * 10, "other": entries}, order)
    assert {name: tensor.tolist() for name, tensor in moved.items()} == {"weight": [50, 30, 40, 0, 10, 20]}


def test_what_is_undivided_belongs_to_no_part() -> None:
    outer = Place("weight", 0, torch.tensor([[[0, 1, 4], [2, 3, 5]]]))
    part = Place("weight", 0, torch.tensor([[[0], [1]], [[2], [3]]]))
    (left,) = Group(2, (outer,), (Group(2, (part,)),)).undivided
    assert left.entries.tolist() == [[[4], [5]]]
    (whole,) = Group(2, (outer,)).undivided
    assert torch.equal(whole.entries, outer.entries)


class Half(nn.Module):
    """The second half of its units passes an operation that is not known."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 6), nn.Linear(6, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x)
        turned = torch.fft.fft(hidden[:, 3:]).abs()
        return self.last(self.second(torch.cat([hidden[:, :3], turned], 1)).relu())


def test_what_an_unknown_operation_touches_is_frozen_and_the_rest_is_not() -> None:
    permutations = found(Half(), 2, 4)
    assert [group.size for group in permutations.groups] == [3, 5]
    assert permutations.groups[0].places[0].entries.flatten().tolist() == [0, 1, 2]
    (why,) = (why for why in permutations.frozen if "is not known to treat them alike" in why)
    assert permutations.frozen[why] == ("first.weight, axis 0", "first.bias, axis 0", "second.weight, axis 1")
    assert GIVEN_UP not in permutations.frozen


class Cumulated(nn.Module):
    def __init__(self, units: int) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, units), nn.Linear(units, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(self.first(x).cumsum(1)).relu())


@pytest.mark.parametrize("units", [2, 6])
def test_a_wrong_rule_is_found_out(units: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [group.size for group in found(Cumulated(units), 2, 4).groups] == [5]
    monkeypatch.setitem(axis_rules.RULES, "cumsum", axis_rules.RULES["_softmax"])
    permutations = found(Cumulated(units), 2, 4)
    assert [group.size for group in permutations.groups] == [5]
    assert permutations.frozen[GIVEN_UP] == ("first.weight, axis 0", "first.bias, axis 0", "second.weight, axis 1")


class Meeting(nn.Module):
    """Heads that are compared with their mean, so that their features have one order."""

    def __init__(self, heads: int, features: int) -> None:
        super().__init__()
        self.sizes = heads, features
        self.first, self.last = nn.Linear(4, heads * features), nn.Linear(heads * features, 3)

    def forward(self, x: Tensor) -> Tensor:
        heads = self.first(x).unflatten(1, self.sizes)
        return self.last((heads * heads.mean(1, keepdim=True)).flatten(1))


def test_parts_that_have_one_order_in_all_units_keep_that_freedom() -> None:
    permutations = found(Meeting(3, 4), 2, 4)
    assert [(group.size, len(group.inner)) for group in permutations.groups] == [(3, 0), (4, 0)]
    assert permutations.groups[1].places[0].entries.tolist() == [[[0, 4, 8], [1, 5, 9], [2, 6, 10], [3, 7, 11]]]
    assert GIVEN_UP not in permutations.frozen
    few = found(Meeting(2, 2), 2, 4)
    assert [(group.size, len(group.inner)) for group in few.groups] == [(2, 0), (2, 0)]


def test_weights_that_hide_what_they_do_are_seen_through() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 3)).eval()
    model[0].weight.data.zero_()
    (group,) = found(model, 2, 4).groups
    assert {place.name for place in group.places} == {
        *("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "2.weight")
    }


def test_running_statistics_that_must_stay_freeze_their_channels() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 6), nn.Linear(6, 3)).eval()
    assert [group.size for group in found(model, 2, 4).groups] == [5, 6]
    permutations = found(model, 2, 4, statistics=False)
    assert [group.size for group in permutations.groups] == [6]
    (why,) = (why for why in permutations.frozen if "batch_norm='recompute'" in why)
    assert permutations.frozen[why][0] == "0.weight, axis 0"


def test_what_meets_another_buffer_is_frozen() -> None:
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(4, 5), nn.Linear(5, 3)
            self.register_buffer("shift", torch.arange(5.0))

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.first(x) + self.shift)

    permutations = found(Shifted(), 2, 4)
    assert permutations.groups == ()
    assert permutations.frozen["the buffer 'shift' does not change with the weights"][0] == "first.weight, axis 0"


def test_parameters_that_take_no_part_are_named() -> None:
    model = dense()
    model.spare = nn.Parameter(torch.randn(5))
    assert found(model, 2, 4).frozen["they take no part in the pass"] == ("spare",)


def test_a_tied_weight_has_its_units_on_all_of_its_axes() -> None:
    shared = nn.Linear(5, 5)
    (group,) = found(nn.Sequential(nn.Linear(4, 5), nn.Tanh(), shared, nn.Tanh(), shared, nn.Linear(5, 3)), 2, 4).groups
    assert [(place.name, place.axis) for place in group.places if place.name == "2.weight"] == [
        ("2.weight", 0),
        ("2.weight", 1),
    ]
    frozen = found(nn.Sequential(shared, nn.Tanh(), shared, nn.Tanh(), nn.Linear(5, 3)), 2, 5)
    assert frozen.groups == ()


def test_a_network_that_is_random_has_no_groups() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.5), nn.Linear(5, 3)).train()
    permutations = found(model, 8, 4)
    assert permutations.groups == ()


class Failing(nn.Module):
    """Does in its pass what it is told."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.layer, self.what = nn.Linear(4, 3), what

    def forward(self, x: Tensor) -> object:
        if self.what == "raises":
            raise RuntimeError("no such luck\nand more of it")
        if self.what == "float32":
            return F.linear(x.float(), self.layer.weight)
        return object() if self.what == "object" else self.layer(x) / 0


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("raises", "of Failing cannot be found, since a pass through a copy .* failed: RuntimeError: no such luck$"),
        ("float32", "of Failing cannot be found, since a pass through a copy on the CPU in float64 failed: Runtime"),
        ("object", "TypeError: a pass must return tensors in tuples, lists or dicts; got object"),
        ("infinite", "of Failing cannot be found, since its outputs are not finite"),
    ],
)
def test_a_network_that_cannot_be_followed_is_refused(what: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        found(Failing(what), 2, 4)


@pytest.mark.parametrize("batch", [(torch.ones(2, 4),), {"input": torch.ones(2, 4)}, [torch.ones(2, 4)]])
def test_a_batch_may_be_arguments(batch: tuple | dict | list) -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    assert [group.size for group in find_permutations(Pass(model, batch)).groups] == [5]


def test_the_model_is_left_as_it_is() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(inplace=True), nn.Linear(5, 3)).eval()
    before = {name: tensor.clone() for name, tensor in tensors(model).items()}
    fused = torch.backends.mha.get_fastpath_enabled()
    found(model, 2, 4)
    assert all(torch.equal(tensor, before[name]) for name, tensor in tensors(model).items())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert torch.backends.mha.get_fastpath_enabled() == fused


def test_a_random_order_is_one_of_all_with_equal_chances() -> None:
    (group,) = found(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2)), 2, 2).groups
    stream, counts = derive(0, "orders"), dict.fromkeys(itertools.permutations(range(3)), 0)
    for _ in range(600):
        counts[tuple(group.random(stream).units.tolist())] += 1
    assert min(counts.values()) > 60


def landscape_of(model: nn.Module, data: Mapping[str, Tensor], **how: str) -> NetworkLandscape:
    def loss(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        return (model(batch["x"]).squeeze(1) - batch["y"]).square().mean()

    return NetworkLandscape(model, dict(data), loss=loss, **how)


def test_a_landscape_finds_them_through_its_own_loss_once() -> None:
    data = {"x": torch.randn(20, 4, generator=derive(0, "x")), "y": torch.randn(20, generator=derive(0, "y"))}
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1))
    landscape = landscape_of(model, data)
    assert [group.size for group in landscape.permutations.groups] == [5]
    assert landscape.permutations is landscape.permutations
    assert landscape.take(torch.arange(3)).permutations is landscape.permutations
    copied = pickle.loads(pickle.dumps(landscape.permutations))
    assert str(copied) == str(landscape.permutations)


def test_the_outputs_of_the_model_are_frozen_though_the_loss_sees_their_sum_alone() -> None:
    def loss(model: nn.Module, batch: Tensor) -> Tensor:
        return model(batch).square().mean()

    landscape = NetworkLandscape(dense(), torch.randn(20, 4, generator=derive(0, "x")), loss=loss)
    assert [group.size for group in landscape.permutations.groups] == [5]
    assert landscape.permutations.frozen[OUTPUT] == ("2.weight, axis 0", "2.bias, axis 0")
