"""Data sets by name: digits, Fashion-MNIST and CIFAR-10, as (x float32, y int64) for training and held out."""

import gzip
import math
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import torch
from torch import Tensor

from nwedge._checks import check_choice, check_integer

FOLDER = "NWEDGE_DATA"
"""The environment variable that names the folder of the data sets."""
CACHE = "nwedge"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")

DIGITS_TRAIN = 1400

FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
FASHION = {
    "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
}
"""MD5 of the published .gz files."""
FASHION_MEAN, FASHION_STD = 0.2860, 0.3530

CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
CIFAR_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
CIFAR_TEST = "test_batch.bin"
CIFAR_SHAPE = (3, 32, 32)
CIFAR_MEANS, CIFAR_STDS = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)

IDX_BYTES = 0x0800
"""The magic number of an idx file of unsigned bytes, less its number of axes."""

Pair = tuple[Tensor, Tensor]


def load(name: str, *, examples: int | None = None) -> tuple[Pair, Pair]:
    """The training and held-out data of a data set, each (x float32, y int64).

    * "digits" (1,400 and 397 examples of 64 pixels, from scikit-learn), in the order of
      `numpy.random.default_rng(0).permutation`, standardised pixel by pixel with the training mean and deviation.
    * "fashion-mnist" (60,000 and 10,000 images of 1 x 28 x 28): (x / 255 - 0.2860) / 0.3530.
    * "cifar10" (50,000 and 10,000 images of 3 x 32 x 32, the binary version), standardised channel by channel.

    Files are looked for in $NWEDGE_DATA (in its folders fashion-mnist and cifar-10-batches-bin, then in itself) and
    where Debian's dataset-fashion-mnist puts them; missing ones are fetched, checked by their hash and kept in the
    user's cache folder.

    Args:
        name: one of the names above.
        examples: how many training examples to take, the first ones; None takes all. The scaling is that of all.

    Raises:
        ValueError: an unknown name, more examples than there are, a malformed file (it is named), or files that are
            neither there nor to be had.
    """
    check_choice("the data set", name, LOADERS)
    train, held_out = LOADERS[name]()
    return first(train, examples), held_out


def first(pair: Pair, examples: int | None) -> Pair:
    """The first examples of a data set, as views; None takes all (ValueError if there are fewer)."""
    if examples is None:
        return pair
    check_integer("examples", examples, 1, len(pair[1]))
    return pair[0][:examples], pair[1][:examples]


def digits() -> tuple[Pair, Pair]:
    """scikit-learn's handwritten digits, standardised."""
    from sklearn.datasets import load_digits

    x, y = map(np.asarray, load_digits(return_X_y=True))
    order = np.random.default_rng(0).permutation(len(y))
    x, y = x[order], y[order]
    mean, std = x[:DIGITS_TRAIN].mean(0), x[:DIGITS_TRAIN].std(0)
    x = torch.from_numpy((x - mean) / np.where(std > 0, std, 1)).float()
    y = torch.from_numpy(y).long()
    return (x[:DIGITS_TRAIN], y[:DIGITS_TRAIN]), (x[DIGITS_TRAIN:], y[DIGITS_TRAIN:])


def fashion_mnist() -> tuple[Pair, Pair]:
    """Fashion-MNIST (Xiao et al. 2017, arXiv 1708.07747) from its four idx files, packed or not."""

    def pair(images: str, labels: str) -> Pair:
        x, y = _read_idx(_fashion_file(images), 3), _read_idx(_fashion_file(labels), 1)
        if len(x) != len(y):
            raise ValueError(f"{images} has {len(x)} examples and {labels} has {len(y)}: put both from one source")
        return (x[:, None].float() / 255 - FASHION_MEAN) / FASHION_STD, y.long()

    train_images, train_labels, test_images, test_labels = FASHION
    return pair(train_images, train_labels), pair(test_images, test_labels)


def cifar10() -> tuple[Pair, Pair]:
    """CIFAR-10 (Krizhevsky 2009) from the six files of its binary version."""
    folder = _cifar_folder()
    parts = [_read_cifar(folder / name) for name in CIFAR_TRAIN]
    train = (torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts]))
    return train, _read_cifar(folder / CIFAR_TEST)


LOADERS: dict[str, Callable[[], tuple[Pair, Pair]]] = {
    "digits": digits,
    "fashion-mnist": fashion_mnist,
    "cifar10": cifar10,
}


def locate(name: str) -> None:
    """Make sure that the files of a data set are on this machine; missing ones are fetched.

    Raises:
        ValueError: an unknown name, or files that are neither there nor to be had.
    """
    check_choice("the data set", name, LOADERS)
    if name == "fashion-mnist":
        for file in FASHION:
            _fashion_file(file)
    elif name == "cifar10":
        _cifar_folder()


def _folders(name: str, *others: Path) -> list[Path]:
    """The folders in which the files of a data set may lie."""
    own = Path(os.environ[FOLDER]) if os.environ.get(FOLDER) else None
    return [*([own / name, own] if own else []), *others]


def _fashion_file(name: str) -> Path:
    packed = f"{name}.gz"
    for folder in _folders("fashion-mnist", DEBIAN):
        for path in (folder / packed, folder / name):
            if path.is_file():
                return path
    where = f"put {packed} into $NWEDGE_DATA/fashion-mnist, or install Debian's dataset-fashion-mnist"
    return Path(_fetch(FASHION_URL + packed, FASHION[name], where, pooch.os_cache(CACHE) / "fashion-mnist"))


def _cifar_folder() -> Path:
    names = (*CIFAR_TRAIN, CIFAR_TEST)
    for folder in _folders("cifar-10-batches-bin"):
        if all((folder / name).is_file() for name in names):
            return folder
    where = f"put {', '.join(names)} into $NWEDGE_DATA/cifar-10-batches-bin"
    paths = _fetch(CIFAR_URL, CIFAR_MD5, where, pooch.os_cache(CACHE), pooch.Untar())
    return next(Path(path).parent for path in paths if Path(path).name == CIFAR_TEST)


def _fetch(url: str, md5: str, where: str, folder: Path, processor: Any = None) -> Any:
    """What `pooch.retrieve` returns for a file that is fetched once and checked."""
    try:
        return pooch.retrieve(
            url,
            known_hash=f"md5:{md5}",
            fname=url.rpartition("/")[2],
            path=folder,
            processor=processor,
            progressbar=True,
        )
    except Exception as error:  # no connection, no server, no space, a wrong hash
        told_at_length = type(error).__module__.startswith("requests")
        reason = type(error).__name__ if told_at_length else str(error).partition("\n")[0]
        raise ValueError(f"{url} is neither on this machine nor to be had ({reason}): {where}") from error


def _read_idx(path: Path, ndim: int) -> Tensor:
    """The unsigned bytes of an idx file: magic number, sizes as big-endian integers, values."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is no gzip file ({error}): replace it") from error
    header = 4 * (1 + ndim)
    magic, *shape = struct.unpack(f">{1 + ndim}I", content[:header]) if len(content) >= header else (0, 0)
    if magic != IDX_BYTES + ndim or len(content) != header + math.prod(shape):
        raise ValueError(f"{path} is no idx file of bytes with {ndim} axes: replace it")
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=header).view(shape)


def _read_cifar(path: Path) -> Pair:
    """The images and labels of a file of records: one byte for the label, 3,072 for the image."""
    content = path.read_bytes()
    record = 1 + math.prod(CIFAR_SHAPE)
    if not content or len(content) % record:
        raise ValueError(
            f"{path} is no binary CIFAR-10 file, {record} bytes a record, but {len(content)} bytes: replace it"
        )
    records = torch.frombuffer(bytearray(content), dtype=torch.uint8).view(-1, record)
    x, y = records[:, 1:].view(-1, *CIFAR_SHAPE), records[:, 0]
    if int(y.max()) > 9:
        raise ValueError(f"{path} has the label {int(y.max())}, but CIFAR-10 has the labels 0 to 9: replace it")
    means, stds = (torch.tensor(values).view(-1, 1, 1) for values in (CIFAR_MEANS, CIFAR_STDS))
    return (x.float() / 255 - means) / stds, y.long()
