from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn

from nwedge import NetworkLandscape
from nwedge.landscapes.networks.checkpoints import read_checkpoint, write_checkpoint
from nwedge.landscapes.networks.matching import Matched, weights_for

State = dict[str, Tensor]


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))


def state(of: Callable[[], nn.Module] = model) -> State:
    """Weights of their own, and running statistics that are no longer the first ones."""
    given = {name: value.clone() for name, value in of().state_dict().items()}
    return {name: value + 3 if "running" in name or "num" in name else value for name, value in given.items()}


def prefixed(given: Mapping[str, Tensor], prefix: str) -> State:
    return {prefix + name: value for name, value in given.items()}


def check(matched: Matched, own: nn.Module, given: Mapping[str, Tensor]) -> None:
    """The slow, obvious reference: a strict `load_state_dict` of the right names."""
    own.load_state_dict(dict(given))
    assert list(matched.parameters) == [name for name, _ in own.named_parameters()]
    assert matched.buffers.keys() == {name for name, _ in own.named_buffers()}
    for name, value in (matched.parameters | matched.buffers).items():
        assert torch.equal(value, own.state_dict()[name])
        assert value.dtype == own.state_dict()[name].dtype


def test_the_models_own_names_need_no_note():
    given = state()
    matched = weights_for(model(), given)
    check(matched, model(), given)
    assert matched.notes == ()


@pytest.mark.parametrize("prefix", ["module.", "model.", "net.", "learner.network.", "module.model.", "0."])
def test_a_prefix_of_the_checkpoint_is_taken_away(prefix):
    given = state()
    matched = weights_for(model(), prefixed(given, prefix))
    check(matched, model(), given)
    assert matched.notes == (f"names were taken without their prefix '{prefix}'",)


@pytest.mark.parametrize("prefix", ["module.", "model."])
def test_a_prefix_of_the_model_is_added(prefix):
    class Wrapper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add_module(prefix[:-1], model())

    given = state()
    matched = weights_for(Wrapper(), given)
    check(matched, Wrapper(), prefixed(given, prefix))
    assert matched.notes == (f"names were given the prefix '{prefix}'",)
    other = weights_for(Wrapper(), prefixed(given, "net."))
    check(other, Wrapper(), prefixed(given, prefix))
    assert len(other.notes) == 2


def test_names_of_wrappers_are_no_obstacle_on_either_side():
    given = state()
    inner = {name.replace("0.", "0._orig_mod.", 1): value for name, value in given.items()}
    for names in (prefixed(given, "_orig_mod."), inner, prefixed(given, "module._orig_mod.")):
        check(weights_for(model(), names), model(), given)
    compiled = torch.compile(model())
    assert isinstance(compiled, nn.Module)
    check(weights_for(compiled, given), compiled, prefixed(given, "_orig_mod."))
    wrapped = nn.DataParallel(model())
    check(weights_for(wrapped, given), wrapped, prefixed(given, "module."))


def test_what_lies_outside_of_the_prefix_is_left_out_and_listed():
    given = state()
    more = {"criterion.weight": torch.ones(2), "ema.0.weight": torch.ones(2, 3)}
    matched = weights_for(model(), prefixed(given, "model.") | more)
    check(matched, model(), given)
    assert matched.notes[1] == (
        "left out, as no parameters or kept buffers of the model: 'criterion.weight', 'ema.0.weight'"
    )


@pytest.mark.parametrize("name", ["loss_fn.weight", "optimizer.state.0.exp_avg", "0.num_batches_tracked"])
@pytest.mark.parametrize("prefix", ["", "model."])
def test_what_stands_beside_a_model_is_left_out_and_listed(name, prefix):
    given = state()
    matched = weights_for(model(), prefixed(given | {name: torch.ones(1)}, prefix))
    check(matched, model(), given)
    assert matched.notes[-1] == f"left out, as no parameters or kept buffers of the model: '{prefix}{name}'"


def test_a_model_that_is_there_twice_is_refused_unless_shapes_tell():
    student, teacher = state(), state()
    both = prefixed(student, "student.") | prefixed(teacher, "teacher.")
    with pytest.raises(ValueError, match=r"several times, under 'student\.', 'teacher\.': keep the entries of one"):
        weights_for(model(), both)
    wide = state(lambda: nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 2)))
    check(weights_for(model(), prefixed(wide, "teacher.") | prefixed(student, "student.")), model(), student)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_dtypes_are_converted_and_told(dtype):
    given = {name: value.to(dtype) if value.is_floating_point() else value for name, value in state().items()}
    matched = weights_for(model(), given)
    check(matched, model(), given)
    assert matched.notes == (f"6 tensors were converted from {str(dtype)[6:]} to float32",)
    half = model().to(dtype)
    assert weights_for(half, given).notes == ()
    full = state()
    check(weights_for(half, full), half, full)


def test_integer_weights_are_refused():
    given = state() | {"0.weight": torch.ones(2, 3, dtype=torch.int8)}
    with pytest.raises(
        TypeError, match=r"'0.weight' must have one of the dtypes float64, .*; got int8: convert it first"
    ):
        weights_for(model(), given)


def test_weights_that_are_infinite_only_in_the_models_dtype_are_refused():
    with pytest.raises(ValueError, match=r"'0\.weight' must be finite"):
        weights_for(model().half(), state() | {"0.weight": torch.full((2, 3), 1e6)})


def test_buffers_that_are_missing_are_told():
    given = {name: value for name, value in state().items() if "num" not in name and "running" not in name}
    matched = weights_for(model(), given)
    assert matched.buffers == {}
    assert matched.notes == ("the buffers '1.running_mean', '1.running_var' are not there: those of the model stay",)


class Parts(nn.Module):
    """Tied weights, a mask of infinities that is kept, and positions that are not."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
        self.decode.weight = self.encode.weight
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
        self.register_buffer("positions", torch.arange(4), persistent=False)


@pytest.mark.parametrize("names", [("encode.weight",), ("decode.weight",), ("encode.weight", "decode.weight")])
@pytest.mark.parametrize("prefix", ["", "model."])
def test_tied_weights_may_go_by_any_of_their_names(names, prefix):
    given = {name: torch.eye(2) for name in names} | {"mask": torch.tensor([1.0, -torch.inf])}
    matched = weights_for(Parts(), prefixed(given, prefix))
    assert list(matched.parameters) == ["encode.weight"]
    assert torch.equal(matched.parameters["encode.weight"], torch.eye(2))
    assert torch.equal(matched.buffers["mask"], given["mask"])


def test_buffers_that_a_state_dict_does_not_keep_are_left_out_whatever_their_shape():
    matched = weights_for(Parts(), {**Parts().state_dict(), "positions": torch.arange(9)})
    assert list(matched.buffers) == ["mask"]
    assert matched.notes == ("left out, as no parameters or kept buffers of the model: 'positions'",)


def changed(**changes: Tensor | None) -> State:
    return {name: value for name, value in (state() | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (changed(**{"0.bias": None}), "file.pt: the weights must have the names .*; got '0.bias' missing$"),
        (prefixed(changed(**{"2.bias": None}), "model."), "got '2.bias' missing$"),
        (changed(**{"3.weight": torch.zeros(1)}), "got '3.weight' unexpected$"),
        (prefixed(changed(**{"3.weight": torch.zeros(1)}), "net."), "got '3.weight' unexpected$"),
        (nn.Linear(3, 2).state_dict(), "got '0.weight', .* and 3 more missing and 'weight', 'bias' unexpected$"),
        (changed(**{"0.weight": torch.zeros(2, 4)}), r"file.pt: '0.weight' must have shape \(2, 3\); got \(2, 4\)$"),
        (
            changed(**{"1.bias": torch.tensor([1.0, torch.nan])}),
            "file.pt: '1.bias' must be finite; got NaN or infinity",
        ),
        (changed(**{"1.running_var": torch.ones(3)}), r"'1.running_var' must have shape \(2,\); got \(3,\)$"),
        (changed(**{"1.running_var": torch.tensor([1.0, torch.inf])}), "'1.running_var' must be finite; got NaN or"),
        (changed(**{"0._orig_mod.bias": torch.ones(2)}), "'0.bias' is there twice, as '0._orig_mod.bias', too"),
        ({}, "and 3 more missing$"),
    ],
)
def test_what_does_not_fit_gets_one_sentence_that_names_the_source(given, match):
    with pytest.raises(ValueError, match=match) as refused:
        weights_for(model(), given, source="file.pt")
    assert str(refused.value).startswith("file.pt: ")


def test_tied_weights_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"'encode.weight' and 'decode.weight' are tied"):
        weights_for(Parts(), {"encode.weight": torch.eye(2), "decode.weight": torch.zeros(2, 2)})


def test_a_checkpoint_becomes_a_point_and_a_point_a_checkpoint(tmp_path):
    trained, path = model(), tmp_path / "a.safetensors"
    landscape = NetworkLandscape(model(), (torch.randn(9, 3), torch.randint(2, (9,))), batch_norm="recompute")
    write_checkpoint(path, {f"model.{name}": value for name, value in trained.half().state_dict().items()})
    matched = weights_for(model(), read_checkpoint(path), source=path)
    point = landscape.point(matched.parameters)
    assert torch.equal(point, landscape.point(trained.float()))
    write_checkpoint(path, landscape.module(point))
    assert torch.equal(landscape.point(weights_for(model(), read_checkpoint(path)).parameters), point)
