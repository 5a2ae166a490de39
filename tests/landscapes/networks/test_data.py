import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from nwedge.landscapes.networks import data
from nwedge.landscapes.networks.data import CIFAR_MEANS, CIFAR_STDS, DEBIAN, load


def test_digits_are_permuted_split_and_standardised_with_the_training_statistics() -> None:
    (x, y), (held_x, held_y) = load("digits")
    assert (x.shape, held_x.shape) == ((1400, 64), (397, 64))
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    bunch = load_digits()
    order = np.random.default_rng(0).permutation(1797)
    assert y.tolist() + held_y.tolist() == bunch.target[order].tolist()
    pixels = bunch.data[order]
    for row, column in ((0, 20), (17, 33), (1396, 5)):
        mean, std = pixels[:1400, column].mean(), pixels[:1400, column].std()
        assert held_x[row % 397, column] == pytest.approx((pixels[1400 + row % 397, column] - mean) / std, rel=1e-6)
        assert x[row, column] == pytest.approx((pixels[row, column] - mean) / std, rel=1e-6)
    assert x.mean(0).abs().max() < 1e-6
    constant = pixels[:1400].std(0) == 0
    assert constant.any()
    assert (x[:, torch.from_numpy(constant)] == 0).all()
    torch.testing.assert_close(x.std(0, correction=0)[torch.from_numpy(~constant)], torch.ones(int((~constant).sum())))


def test_examples_takes_the_first_ones_and_leaves_the_held_out_data() -> None:
    (x, y), held_out = load("digits")
    (few_x, few_y), same = load("digits", examples=100)
    assert torch.equal(few_x, x[:100])
    assert torch.equal(few_y, y[:100])
    assert torch.equal(same[0], held_out[0])


def test_the_first_examples_are_views_of_the_data() -> None:
    pair = (torch.arange(12.0).view(6, 2), torch.arange(6))
    few = data.first(pair, 4)
    assert [len(part) for part in few] == [4, 4]
    assert few[0].data_ptr() == pair[0].data_ptr()
    assert data.first(pair, None) is pair
    with pytest.raises(ValueError, match="examples must be between 1 and 6; got 7"):
        data.first(pair, 7)


@pytest.mark.parametrize(
    ("name", "examples", "match"),
    [
        ("mnist", None, "the data set must be one of 'digits', 'fashion-mnist', 'cifar10'; got 'mnist'"),
        ("digits", 0, "examples must be between 1 and 1400; got 0"),
        ("digits", 1401, "examples must be between 1 and 1400; got 1401"),
    ],
)
def test_unknown_names_and_numbers_are_refused(name: str, examples: int | None, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        load(name, examples=examples)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_fashion_mnist_is_found_where_debian_puts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NWEDGE_DATA", raising=False)
    (x, y), (held_x, held_y) = load("fashion-mnist", examples=60_000)
    assert (x.shape, held_x.shape) == ((60_000, 1, 28, 28), (10_000, 1, 28, 28))
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    assert y.bincount().tolist() == [6000] * 10
    assert held_y.bincount().tolist() == [1000] * 10
    assert y[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert abs(float(x.mean())) < 1e-3
    assert abs(float(x.std()) - 1) < 1e-3
    assert float(x.min()) == pytest.approx(-0.2860 / 0.3530)


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">{1 + values.ndim}I", 0x0800 + values.ndim, *values.shape) + values.tobytes()


def fashion_files(count: int = 6) -> dict[str, bytes]:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    labels = np.arange(count, dtype=np.uint8)
    return {name: idx(images if "images" in name else labels) for name in data.FASHION}


@pytest.mark.parametrize("folder", ["fashion-mnist", "."])
@pytest.mark.parametrize("packed", [True, False])
def test_fashion_mnist_is_read_from_the_folder_of_the_environment_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, packed: bool
) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    for name, content in fashion_files().items():
        path = tmp_path / folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content) if packed else content)
    monkeypatch.setenv("NWEDGE_DATA", str(tmp_path))
    (x, y), _ = load("fashion-mnist", examples=5)
    assert x.shape == (5, 1, 28, 28)
    assert y.tolist() == [0, 1, 2, 3, 4]
    pixels = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)
    expected = (torch.from_numpy(pixels[:5, None]).double() / 255 - 0.2860) / 0.3530
    torch.testing.assert_close(x.double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("train-images-idx3-ubyte.gz", b"no gzip", "train-images-idx3-ubyte.gz is no gzip file"),
        ("train-images-idx3-ubyte.gz", gzip.compress(fashion_files()["train-images-idx3-ubyte"])[:-9], "no gzip file"),
        ("t10k-labels-idx1-ubyte", b"", "t10k-labels-idx1-ubyte is no idx file of bytes with 1 axes"),
        ("t10k-labels-idx1-ubyte", fashion_files()["t10k-labels-idx1-ubyte"][:-1], "is no idx file"),
        ("t10k-labels-idx1-ubyte", fashion_files()["t10k-images-idx3-ubyte"], "is no idx file"),
        ("t10k-labels-idx1-ubyte", fashion_files(5)["t10k-labels-idx1-ubyte"], "6 examples and .* has 5"),
    ],
)
def test_a_malformed_idx_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, match: str
) -> None:
    for other, good in fashion_files().items():
        (tmp_path / other).write_bytes(good)
    (tmp_path / name).write_bytes(content)
    monkeypatch.setenv("NWEDGE_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=match):
        load("fashion-mnist")


def cifar_records(count: int, first: int) -> tuple[np.ndarray, bytes]:
    random = np.random.default_rng(first)
    images = random.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    labels = (np.arange(count) + first) % 10
    return images, b"".join(bytes([label]) + image.tobytes() for label, image in zip(labels, images, strict=True))


def write_cifar(folder: Path) -> list[np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    images = []
    for number, name in enumerate((*data.CIFAR_TRAIN, data.CIFAR_TEST)):
        image, content = cifar_records(3, number)
        (folder / name).write_bytes(content)
        images.append(image)
    return images


@pytest.mark.parametrize("folder", ["cifar-10-batches-bin", "."])
def test_cifar10_is_read_from_its_binary_files_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    images = write_cifar(tmp_path / folder)
    monkeypatch.setenv("NWEDGE_DATA", str(tmp_path))
    (x, y), (held_x, held_y) = load("cifar10", examples=14)
    assert (x.shape, held_x.shape) == ((14, 3, 32, 32), (3, 3, 32, 32))
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    assert y.tolist() == [0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5, 4, 5]
    assert held_y.tolist() == [5, 6, 7]
    for channel, (mean, std) in enumerate(zip(CIFAR_MEANS, CIFAR_STDS, strict=True)):
        expected = (images[2][1, channel, 4, 5] / 255 - mean) / std
        assert x[7, channel, 4, 5] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "data_batch_3.bin is no binary CIFAR-10 file, 3073 bytes a record, but 0 bytes"),
        (b"\0" * 3074, "data_batch_3.bin is no binary CIFAR-10 file"),
        (b"\x0a" * 3073, "data_batch_3.bin has the label 10"),
    ],
)
def test_a_malformed_cifar10_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, match: str
) -> None:
    write_cifar(tmp_path)
    (tmp_path / "data_batch_3.bin").write_bytes(content)
    monkeypatch.setenv("NWEDGE_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=match):
        load("cifar10")


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("fashion-mnist", r"no route.*put train-images-idx3-ubyte.gz into \$NWEDGE_DATA/fashion-mnist, or install"),
        ("cifar10", r"no route.*put data_batch_1.bin, .*, test_batch.bin into \$NWEDGE_DATA/cifar-10-batches-bin"),
    ],
)
def test_files_that_are_nowhere_get_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, match: str
) -> None:
    def fail(url: str, **options: object) -> None:
        raise OSError("no route\nto the host")

    monkeypatch.setenv("NWEDGE_DATA", str(tmp_path))
    monkeypatch.setattr(data, "DEBIAN", tmp_path / "none")
    monkeypatch.setattr(data.pooch, "retrieve", fail)
    with pytest.raises(ValueError, match=match) as caught:
        load(name)
    assert "\n" not in str(caught.value)


def test_missing_files_are_fetched_by_their_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = {}

    def retrieve(url: str, *, known_hash: str, path: Path, fname: str, **options: object) -> str | list[str]:
        fetched[url] = known_hash
        if url == data.CIFAR_URL:
            write_cifar(tmp_path / "unpacked")
            return [str(file) for file in (tmp_path / "unpacked").iterdir()]
        (tmp_path / fname).write_bytes(gzip.compress(fashion_files()[fname.removesuffix(".gz")]))
        return str(tmp_path / fname)

    monkeypatch.delenv("NWEDGE_DATA", raising=False)
    monkeypatch.setattr(data, "DEBIAN", tmp_path / "none")
    monkeypatch.setattr(data.pooch, "retrieve", retrieve)
    assert len(load("fashion-mnist")[0][1]) == 6
    assert len(load("cifar10")[0][1]) == 15
    assert fetched == {
        **{f"{data.FASHION_URL}{name}.gz": f"md5:{md5}" for name, md5 in data.FASHION.items()},
        data.CIFAR_URL: f"md5:{data.CIFAR_MD5}",
    }
