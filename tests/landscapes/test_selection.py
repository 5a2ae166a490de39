"""The selection of the smallest numbers against a sort, in rows that are short and that are read in blocks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nwedge._random import derive, normal
from nwedge.landscapes import long_rows, selection
from nwedge.landscapes.selection import keep_smallest, smallest

DTYPES = [torch.float32, torch.float64]
KINDS = ["normal", "few values", "nearly all zero", "all equal", "sorted", "wide", "infinite", "tiny"]


def rows_of(kind: str, shape: tuple[int, int], seed: int, dtype: torch.dtype) -> torch.Tensor:
    values = normal(shape, derive(seed, kind), dtype=torch.float64, device=torch.device("cpu"))
    made = {
        "normal": values,
        "few values": (2 * values).round(),
        "nearly all zero": torch.where(values > 1.5, values, 0),
        "all equal": torch.full_like(values, -0.3),
        "sorted": values.sort(1).values,
        "wide": 10 ** (9 * values),
        "infinite": torch.where(values.abs() > 1, torch.inf * values, values),
        "tiny": 1e-42 * values,
    }
    return made[kind].to(dtype)


def slow_smallest(values: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The sum of squares and the largest of the smallest, and which they are: the first of equal ones."""
    order = values.abs().sort(dim=1, stable=True).indices[:, :count]
    mask = torch.zeros_like(values, dtype=torch.bool).scatter_(1, order, True)
    return values.gather(1, order).double().square().sum(1).to(values.dtype), mask


def check(values: torch.Tensor, count: int) -> None:
    squares, level = smallest(values, count)
    expected, mask = slow_smallest(values, count)
    torch.testing.assert_close(squares, expected)
    if count:
        assert torch.equal(level, values.abs().sort(1).values[:, count - 1])
    other = torch.arange(1.0, values.numel() + 1, dtype=values.dtype).view_as(values)
    assert torch.equal(keep_smallest(other, values, count, level), torch.where(mask, other, 0))
    assert torch.equal(keep_smallest(values, values, count, level), torch.where(mask, values, 0))


@pytest.fixture(params=["whole", "blocks"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows as a whole, or in blocks of 16 after a look at a few of their numbers."""
    if request.param == "blocks":
        monkeypatch.setattr(selection, "LONG", 20)
        for name, value in {"BLOCK": 16, "SAMPLE": 8, "EVERY": 5, "MARGIN": 0.5}.items():
            monkeypatch.setattr(long_rows, name, value)


@pytest.mark.usefixtures("reading")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_it_finds_what_a_sort_finds(kind: str, dtype: torch.dtype) -> None:
    for seed, (rows, axes) in enumerate([(1, 1), (4, 21), (3, 64), (2, 333), (0, 40)]):
        values = rows_of(kind, (rows, axes), seed, dtype)
        for count in sorted({0, 1, axes // 7, axes // 2, axes - 1, axes}):
            check(values, count)


@settings(deadline=None, max_examples=60)
@given(
    axes=st.integers(1, 3000),
    share=st.floats(0, 1),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 99),
    dtype=st.sampled_from(DTYPES),
    block=st.integers(100, 1000),
)
def test_rows_read_in_blocks_give_what_whole_rows_give(axes, share, kind, seed, dtype, block) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "LONG", 99)
        for name, value in {"BLOCK": block, "SAMPLE": 30, "EVERY": 7}.items():
            patch.setattr(long_rows, name, value)
        check(rows_of(kind, (2, axes), seed, dtype), round(share * axes))


@pytest.mark.usefixtures("reading")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 20, 64])
def test_nan_stays_nan_in_its_row(dtype: torch.dtype, count: int) -> None:
    values = rows_of("normal", (3, 64), 0, dtype)
    values[1, 50] = torch.nan
    squares, level = smallest(values, count)
    assert squares.isnan().tolist() == [False, True, False]
    assert keep_smallest(values, values, count, level)[1].isnan().any()
    torch.testing.assert_close(squares[::2], smallest(values[::2], count)[0])


@pytest.mark.usefixtures("reading")
def test_any_layout_will_do() -> None:
    values = rows_of("normal", (64, 6), 0, torch.float32).T
    check(values, 20)
    check(values[:, ::2], 7)
    check(values[:1].expand(3, -1), 7)


def test_a_long_row_is_read_once_where_the_sample_is_like_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, read = [], long_rows._read
    monkeypatch.setattr(long_rows, "_read", lambda *arguments: reads.append(1) or read(*arguments))
    values = rows_of("normal", (1, 2**19), 0, torch.float32)
    for count in (1, 100, 10_000, 2**18, 2**19 - 5):
        reads.clear()
        check(values, count)
        assert len(reads) == 1
