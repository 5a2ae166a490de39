"""Random streams: every draw in the package comes from a generator derived from a seed and names."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Generator

SEED_BITS = 63
BATCHES = 10
"""The fewest batches of an epoch: as many points of a ball a Hessian is averaged over."""


def derive(seed: int, *names: str | int) -> Generator:
    """A CPU generator that depends on `seed` and `names` alone: seed' = SHA-256(seed, names) mod 2^63.

    Equal arguments give equal streams on every machine and in every process; different names give independent streams.
    """
    text = "\x1f".join(map(str, (seed, *names)))
    digest = hashlib.sha256(text.encode()).digest()
    return Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def spawn(generator: Generator, count: int) -> list[Generator]:
    """`count` CPU generators whose seeds are drawn from `generator`, one per row of a batch."""
    return [Generator().manual_seed(seed) for seed in draw_seeds(generator, count)]


def draw_seeds(generator: Generator, count: int) -> list[int]:
    """`count` integer seeds in [0, 2^63) drawn from `generator`."""
    return torch.randint(2**SEED_BITS - 1, (count,), generator=generator, device=generator.device).tolist()


def one_per_row(generator: Generator | Sequence[Generator], count: int) -> list[Generator]:
    """One generator per row: the given sequence, checked for its length, or `count` streams derived from one generator.

    Raises:
        ValueError: a sequence of another length than `count`.
    """
    if isinstance(generator, Generator):
        return spawn(generator, count)
    if len(generator) != count:
        raise ValueError(f"expected one generator per row, {count} in all; got {len(generator)}")
    return list(generator)


def normal(shape: Sequence[int], generator: Generator, *, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Standard normal draws of the given shape, drawn on the generator's device and moved to `device`."""
    return torch.randn(*shape, generator=generator, dtype=dtype, device=generator.device).to(device)


def uniform(shape: Sequence[int], generator: Generator, *, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Uniform draws from [0, 1) of the given shape, drawn on the generator's device and moved to `device`."""
    return moved(torch.rand(*shape, generator=generator, dtype=dtype, device=generator.device), device)


def signs(shape: Sequence[int], generator: Generator, *, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """1 or -1 with equal chances, of the given shape, drawn on the generator's device and moved to `device`."""
    drawn = torch.randint(2, tuple(shape), generator=generator, dtype=torch.int8, device=generator.device)
    return drawn.to(device, dtype).mul_(-2).add_(1)


def permutation(count: int, generator: Generator) -> torch.Tensor:
    """The integers below `count` in random order, shape (count,), on the generator's device."""
    return torch.randperm(count, generator=generator, device=generator.device)


def choose(count: int, size: int, generator: Generator | Sequence[Generator]) -> torch.Tensor:
    """`size` of the integers below `count`, without replacement: shape (size,), or (row, size), one generator a row.

    Drawn where the generators are: those of the CPU give the same numbers whatever the device of a landscape.
    """
    if isinstance(generator, Generator):
        return permutation(count, generator)[:size]
    return torch.stack([permutation(count, one)[:size] for one in generator])


def moved(draws: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Draws of one step of many, moved to `device`: from the CPU to CUDA through pinned memory, without a wait."""
    if draws.device.type == "cpu" and device.type == "cuda":
        return draws.pin_memory().to(device, non_blocking=True)
    return draws.to(device)


def partition(count: int, most: int, generator: Generator) -> torch.Tensor:
    """A random partition of the integers below `count` into batches of equal size, shape (batch, size).

    The size is the largest divisor of `count` that is at most `most` and a tenth of `count`, so that there are at least
    10 batches where there are as many integers.
    """
    largest = min(most, max(1, count // BATCHES))
    size = next(size for size in range(largest, 0, -1) if count % size == 0)
    return permutation(count, generator).view(-1, size)
