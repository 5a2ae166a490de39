"""Streams depend on the seed and the names alone, are the same everywhere, and have nothing to do with one another."""

import hashlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nwedge._random import choose, derive, draw_seeds, normal, one_per_row, partition, permutation, spawn, uniform

CPU = torch.device("cpu")
NAMES = st.lists(
    st.text(st.characters(codec="ascii", exclude_characters="\x1f"), max_size=4) | st.integers(), max_size=3
)


def draws(generator, count=1000):
    return torch.randn(count, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("seed", "names"), [(0, ()), (0, ("a",)), (5, ("a", 3)), (-1, ("a b", "c"))])
def test_the_seed_is_the_first_63_bits_of_the_hash(seed, names):
    text = "\x1f".join([str(seed), *map(str, names)])
    bits = bin(int(hashlib.sha256(text.encode()).hexdigest(), 16))[2:].zfill(256)
    assert derive(seed, *names).initial_seed() == int(bits[:63], 2)


@settings(deadline=None, max_examples=50)
@given(st.integers(), NAMES, st.integers(), NAMES)
def test_streams_are_equal_where_seed_and_names_are(seed, names, other_seed, other_names):
    same = [str(part) for part in (seed, *names)] == [str(part) for part in (other_seed, *other_names)]
    assert (derive(seed, *names).initial_seed() == derive(other_seed, *other_names).initial_seed()) == same


def test_names_are_not_run_together():
    seeds = {
        derive(0, *names).initial_seed() for names in (("ab",), ("a", "b"), ("", "ab"), ("ab", ""), (), ("b", "a"))
    }
    assert len(seeds) == 6


def test_streams_of_different_names_are_independent():
    streams = torch.stack([draws(derive(0, "run", index), 4000) for index in range(12)])
    correlations = torch.corrcoef(streams) - torch.eye(12, dtype=torch.float64)
    assert correlations.abs().max() < 5 / 4000**0.5


def test_each_call_begins_the_stream_anew():
    assert torch.equal(draws(derive(1, "a")), draws(derive(1, "a")))
    generator = derive(1, "a")
    assert not torch.equal(draws(generator), draws(generator))


def test_the_global_state_is_neither_read_nor_changed():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = draws(spawn(derive(2, "a"), 2)[1]), normal((3,), derive(0), dtype=torch.float64, device=CPU)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    again = draws(spawn(derive(2, "a"), 2)[1]), normal((3,), derive(0), dtype=torch.float64, device=CPU)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_spawned_streams_differ_and_come_from_their_parent():
    seeds = [one.initial_seed() for one in spawn(derive(3), 50)]
    assert len(set(seeds)) == 50
    assert seeds == [one.initial_seed() for one in spawn(derive(3), 50)]
    assert set(seeds).isdisjoint(one.initial_seed() for one in spawn(derive(4), 50))
    assert seeds == draw_seeds(derive(3), 50)
    parent = derive(3)
    assert set(draw_seeds(parent, 50)).isdisjoint(draw_seeds(parent, 50))


def test_seeds_fill_their_range():
    seeds = draw_seeds(derive(0), 2000)
    assert all(isinstance(seed, int) for seed in seeds)
    assert 0 <= min(seeds) < 2**63 / 200
    assert 2**63 * (1 - 1 / 200) < max(seeds) < 2**63
    assert draw_seeds(derive(0), 0) == []


def test_one_generator_a_row():
    rows = one_per_row(derive(5), 3)
    assert [row.initial_seed() for row in rows] == draw_seeds(derive(5), 3)
    given_rows = [derive(1), derive(2)]
    kept = one_per_row(given_rows, 2)
    assert all(a is b for a, b in zip(kept, given_rows, strict=True))
    assert one_per_row(tuple(given_rows), 2) == given_rows
    with pytest.raises(ValueError, match="expected one generator per row, 3 in all; got 2"):
        one_per_row(given_rows, 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normal_and_uniform_draws(dtype):
    values = normal((200, 100), derive(7), dtype=dtype, device=CPU)
    assert (values.shape, values.dtype, values.device) == ((200, 100), dtype, CPU)
    assert abs(values.mean()) < 5 / 20_000**0.5
    assert abs(values.var() - 1) < 5 * (2 / 20_000) ** 0.5
    assert torch.equal(values, normal((200, 100), derive(7), dtype=dtype, device=CPU))
    values = uniform((200, 100), derive(7), dtype=dtype, device=CPU)
    assert (values.shape, values.dtype, values.device) == ((200, 100), dtype, CPU)
    assert ((values >= 0) & (values < 1)).all()
    assert abs(values.mean() - 0.5) < 5 * (1 / 12 / 20_000) ** 0.5
    assert abs(values.var() - 1 / 12) < 5 * (1 / 180 / 20_000) ** 0.5


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_draws_for_a_gpu_are_those_of_the_cpu():
    on_gpu = normal((5,), derive(0), dtype=torch.float64, device=torch.device("cuda"))
    assert on_gpu.device.type == "cuda"
    assert torch.equal(on_gpu.cpu(), normal((5,), derive(0), dtype=torch.float64, device=CPU))


@pytest.mark.parametrize(("count", "most", "size"), [(1400, 128, 100), (60, 128, 6), (7, 3, 1), (97, 50, 1)])
def test_a_partition_has_equal_batches_at_least_ten_where_there_are_as_many(count, most, size):
    batches = partition(count, most, derive(0))
    assert batches.shape == (count // size, size)
    assert sorted(batches.flatten().tolist()) == list(range(count))
    assert batches.flatten().tolist() == permutation(count, derive(0)).tolist()


def test_choices_are_the_first_of_a_permutation_one_for_each_generator():
    assert choose(9, 4, derive(0)).tolist() == permutation(9, derive(0))[:4].tolist()
    rows = choose(9, 4, [derive(0), derive(1)])
    assert rows.tolist() == [permutation(9, derive(seed))[:4].tolist() for seed in (0, 1)]
    assert choose(3, 8, derive(0)).sort().values.tolist() == [0, 1, 2]
