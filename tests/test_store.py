import os
import random
import resource
import shutil
import signal

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from nwedge._files import StoreError
from nwedge.specs.landscapes import ControlSpec
from nwedge.specs.tasks import GroupSpec, RunSpec, TrainSpec
from nwedge.store import CHECKSUM, CorruptResult, Result, Store, _seal


def task(seed: int = 0) -> GroupSpec:
    return GroupSpec(
        landscape=ControlSpec(name="control-bowl", kind="bowl", dim=3),
        train=TrainSpec(optimizer="sgd", steps=1, keep=(0, 1)),
        runs=(RunSpec(lr=0.1, seed=seed, member=0),),
    )


def result() -> Result:
    dataset = xr.Dataset(
        {
            "loss": (("run", "step"), [[1.0, np.nan, -0.0], [np.inf, 2.0, 3.0]], {"units": "seconds", "count": 3}),
            "single": (("step",), np.float32([1, 2, 3])),
            "count": (("run",), np.array([1, -2])),
            "small": (("run",), np.uint8([1, 255])),
            "flag": (("run",), np.array([True, False])),
            "word": (("run",), np.array(["", "Größe"])),
            "object": (("run",), np.array(["a", "bc"], dtype=object)),
            "scalar": 0.5,
            "name": "x",
            "big_endian": (("run",), np.array([1, 2], dtype=">i4")),
            "empty": (("none",), np.zeros(0)),
            "since": (("run",), [1, 2], {"units": "days since 2000-01-01", "scale_factor": 2.0}),
        },
        coords={"step": [0, 1, 10], "run": ["first", "second"], "lr": (("run",), [0.1, 0.2]), "rate": 3},
        attrs={"text": "a\nb", "number": 2, "real": 0.5, "numpy": np.float64(0.25), "undefined": np.nan, "empty": ""},
    )
    weights = {"points": np.arange(6.0).reshape(2, 3), "scalar": np.float32(3)[...], "backwards": np.arange(3)[::-1]}
    return Result(dataset, weights)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path)


def test_values_dtypes_roles_and_attributes_survive(store):
    stored = result()
    store.write(task(), stored, {"threads": 2, "commit": None})
    back = store.read(task())
    assert back.dataset.attrs.keys() == stored.dataset.attrs.keys()
    for key, value in back.dataset.attrs.items():
        assert type(value) in (str, int, float)
        assert value == stored.dataset.attrs[key] or key == "undefined"
    assert np.isnan(back.dataset.attrs["undefined"])
    assert set(back.dataset.coords) == set(stored.dataset.coords)
    for name, variable in stored.dataset.variables.items():
        found = back.dataset.variables[name]
        assert found.dims == variable.dims
        assert found.attrs == variable.attrs
        if variable.dtype.kind in "UO":
            assert found.dtype.kind == "U"
            assert found.values.tolist() == variable.values.tolist()
        else:
            assert found.dtype == variable.dtype.newbyteorder("=")
            np.testing.assert_array_equal(found.values, variable.values)
    assert np.signbit(back.dataset["loss"].values[0, 2])
    assert store.provenance(task()) == {"threads": 2, "commit": None}


def test_weights_survive_and_can_be_written_to(store):
    stored = result()
    store.write(task(), stored, {})
    back = store.read(task()).weights
    assert back.keys() == stored.weights.keys()
    for name, array in stored.weights.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        assert back[name].flags.writeable
        np.testing.assert_array_equal(back[name], array)


@settings(deadline=None, max_examples=25)
@given(
    arrays(st.sampled_from([np.float64, np.float32, np.int64, np.int8, np.uint16, np.bool_]), array_shapes(min_side=0)),
    st.dictionaries(st.text(st.characters(codec="ascii", categories=("L",)), min_size=1), st.floats() | st.integers(0)),
)
def test_any_array_survives(tmp_path_factory, values, attributes):
    store = Store(tmp_path_factory.mktemp("store"))
    dims = [f"dim_{axis}" for axis in range(values.ndim)]
    attributes = {f"own_{key}": value if value < 2**62 else 0 for key, value in attributes.items()}
    store.write(task(), Result(xr.Dataset({"values": (dims, values, attributes)})), {})
    back = store.read(task()).dataset["values"]
    assert back.dtype == values.dtype
    assert back.values.tobytes() == values.tobytes()
    assert repr(sorted(back.attrs.items())) == repr(sorted(attributes.items()))


def test_files_are_where_the_plan_says_and_nothing_else_is_left(store):
    store.write(task(), result(), {})
    files = sorted(str(path.relative_to(store.directory)) for path in store.directory.rglob("*") if path.is_file())
    assert files == [f"results/runs/{task().id}.nc", f"weights/{task().id}.safetensors"]
    assert store.has(task())
    assert not store.has(task(1))
    store.remove(task())
    assert not store.has(task())
    store.remove(task())


def test_other_programs_read_the_file(store):
    store.write(task(), result(), {"threads": 2})
    with xr.open_dataset(store.path(task()), engine="netcdf4", decode_times=False, decode_timedelta=False) as dataset:
        assert dataset.attrs["nwedge_spec"] == task().to_json()
        assert dataset["count"].values.tolist() == [1, -2]


def test_equal_results_have_equal_checksums_whatever_the_provenance(store):
    def checksum() -> str:
        with xr.open_dataset(store.path(task()), engine="netcdf4", decode_times=False) as dataset:
            return dataset.attrs[CHECKSUM]

    store.write(task(), result(), {"wall_time": 1.0})
    first = checksum()
    store.write(task(), result(), {"wall_time": 2.0})
    assert checksum() == first
    changed = result()
    changed.dataset["loss"][0, 0] = np.nextafter(1.0, 2.0)
    store.write(task(), changed, {"wall_time": 1.0})
    assert checksum() != first


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (xr.Dataset({"x": (("a",), [1j])}), "'x' has dtype complex128"),
        (xr.Dataset({"x": (("a",), np.array([None, "a"], dtype=object))}), "'x' has dtype object"),
        (xr.Dataset({"x": (("a",), np.array(["2000-01-01"], dtype="datetime64[ns]"))}), "'x' has dtype datetime64"),
        (xr.Dataset(attrs={"list": [1, 2]}), "attribute 'list' of the dataset must be text or a number"),
        (xr.Dataset({"x": ((), 1.0, {"flag": True})}), "attribute 'flag' of x must be text or a number"),
        (xr.Dataset({"x": (("a",), ["a\0b"])}), "NetCDF does not give back what was written"),
        (xr.Dataset({"x": ((), 1, {"dtype": "bool"})}), "NetCDF does not give back what was written"),
    ],
)
def test_what_would_not_survive_is_refused(store, dataset, words):
    with pytest.raises(ValueError, match=words):
        store.write(task(), Result(dataset), {})
    assert not store.has(task())
    assert not any(path.is_file() for path in store.directory.rglob("*"))


def corrupt(store: Store, words: str) -> None:
    """The store names the file and says what is wrong, in one sentence, by both of its ways."""
    with pytest.raises(CorruptResult, match=words) as caught:
        store.read(task())
    assert store.problem(task()) == str(caught.value)
    assert str(store.directory) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_at_any_place(store):
    store.write(task(), result(), {})
    path = store.path(task())
    content = path.read_bytes()
    for length in (0, 1, 100, len(content) // 2, len(content) - 70, len(content) - 1):
        path.write_bytes(content[:length])
        corrupt(store, r"\.nc is damaged")


def test_any_flipped_bit_is_noticed(store):
    store.write(task(), result(), {})
    path = store.path(task())
    content = path.read_bytes()
    assert store.problem(task()) is None
    draws = random.Random(0)
    for place in [*draws.sample(range(len(content)), 200), 0, len(content) - 1]:
        flipped = bytearray(content)
        flipped[place] ^= 1 << draws.randrange(8)
        path.write_bytes(flipped)
        assert store.problem(task()) is not None, place


def test_content_that_does_not_match_its_checksum_is_noticed_under_a_right_seal(store):
    store.write(task(), Result(result().dataset[["count"]]), {})
    path = store.path(task())
    with xr.open_dataset(path, engine="netcdf4", decode_times=False, decode_timedelta=False) as dataset:
        dataset = dataset.load()
    dataset["count"][0] = 7
    dataset.to_netcdf(path, engine="netcdf4")
    _seal(path)
    corrupt(store, "content does not match its checksum")


def test_the_result_of_another_task_is_noticed(store):
    store.write(task(1), result(), {})
    shutil.move(store.path(task(1)), store.path(task()))
    shutil.move(store.weights_path(task(1)), store.weights_path(task()))
    corrupt(store, "the result of another task")


def test_missing_or_altered_weights_are_noticed(store):
    store.write(task(), result(), {})
    path = store.weights_path(task())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    corrupt(store, r"weights .*\.safetensors are damaged")
    path.unlink()
    corrupt(store, r"weights .*\.safetensors are missing")


def test_weights_are_there_before_the_result(store, monkeypatch):
    """A process killed between the two leaves a task that is not done."""

    def killed(*args, **kwargs):
        assert store.weights_path(task()).exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(xr.Dataset, "to_netcdf", killed)
    with pytest.raises(KeyboardInterrupt):
        store.write(task(), result(), {})
    assert not store.has(task())
    monkeypatch.undo()
    store.write(task(), result(), {})
    assert store.problem(task()) is None


def test_an_interrupt_while_a_result_is_written_waits_for_it(store, monkeypatch):
    original = store._write_weights

    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return original(*arguments)

    monkeypatch.setattr(Store, "_write_weights", lambda self, *arguments: interrupted(*arguments))
    with pytest.raises(KeyboardInterrupt):
        store.write(task(), result(), {})
    assert store.problem(task()) is None


def test_a_missing_result_is_no_corrupt_one(store):
    with pytest.raises(StoreError, match=rf"cannot read .*{task().id}\.nc") as caught:
        store.read(task())
    assert not isinstance(caught.value, CorruptResult)


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for directory in (tmp_path / "file", type(tmp_path)("/proc/nwedge")):
        with pytest.raises(StoreError, match=f"cannot write {directory}"):
            Store(directory).write(task(), result(), {})


def test_nothing_is_made_before_something_is_written(tmp_path):
    store = Store(tmp_path / "later")
    assert not store.has(task())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "large",
    [
        Result(xr.Dataset({"value": ("x", np.zeros(100_000))})),
        Result(xr.Dataset({"value": ((), 1.0)}), {"points": np.zeros(100_000)}),
    ],
    ids=["result", "weights"],
)
def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(store, large):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))  # a file cannot grow beyond it, as on a full disk
    try:
        with pytest.raises(StoreError, match=r"^cannot write .*(nc|safetensors): "):
            store.write(task(), large, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path for path in store.directory.rglob("*") if path.is_file()] == []
    store.write(task(), large, {})
    assert store.problem(task()) is None
