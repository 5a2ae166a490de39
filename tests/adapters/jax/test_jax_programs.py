"""Blocks of points, chunks of examples, and what is compiled for them."""

import pytest
import torch

jax = pytest.importorskip("jax")
jnp = jax.numpy

from nwedge.adapters.jax.programs import Programs, Seen, _blocks, rule  # noqa: E402


def of_example(point, batch):
    """A row for each example, whose mean is a loss."""
    return jnp.sin(batch["x"] @ point)[:, None] * jnp.arange(1.0, 3.0)


def loss(point, batch):
    return of_example(point, batch).mean()


DATA = {"x": jax.random.normal(jax.random.key(0), (23, 5))}
POINTS = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
X = torch.from_dlpack(DATA["x"])


@pytest.mark.parametrize("strategy", ["vmap", "loop"])
@pytest.mark.parametrize("chunk", [5, 23, 100])
def test_means_and_values_are_exact_with_an_uneven_last_chunk(strategy, chunk):
    programs = Programs(strategy, chunk, torch.float32)
    expected = torch.sin(X @ POINTS.T).T[..., None] * torch.arange(1.0, 3.0)
    seen = Seen(DATA, 23)
    torch.testing.assert_close(programs.each(programs.compiled(of_example), (POINTS,), seen), expected)
    compiled = programs.compiled(loss)
    torch.testing.assert_close(programs.mean(compiled, (POINTS,), seen), expected.mean((1, 2)))
    shared = torch.tensor([3, 1, 4, 22, 5, 9, 2], dtype=torch.int32)
    found = programs.mean(compiled, (POINTS,), Seen(DATA, 7, shared))
    torch.testing.assert_close(found, expected[:, shared.long()].mean((1, 2)))
    own = torch.stack([torch.randperm(23)[:7] for _ in POINTS])
    found = programs.mean(compiled, (POINTS,), Seen(DATA, 7, own.int()))
    torch.testing.assert_close(found, torch.stack([row[i].mean() for row, i in zip(expected, own, strict=True)]))


def test_no_more_examples_than_a_chunk_are_seen_at_once():
    seen = []

    def watched(point, batch):
        seen.append(len(batch["x"]))
        return loss(point, batch)

    programs = Programs("vmap", 5, torch.float32)
    programs.mean(programs.compiled(watched), (POINTS,), Seen(DATA, 23))
    assert set(seen) == {5, 3}


def test_at_most_six_sizes_are_compiled():
    assert all(sum(block.stop - block.start for block in _blocks(n, 32)) == n for n in range(100))
    traces = []
    programs = Programs("vmap", 100, torch.float32)
    compiled = programs.compiled(lambda point, batch: traces.append(1) or loss(point, batch))
    for count in range(1, 70):
        programs.mean(compiled, (POINTS[:1].repeat(count, 1),), Seen(DATA, 23))
    assert len(traces) == 6


def test_results_have_their_own_memory():
    """JAX hands an argument through where a function returns it as it is."""
    programs = Programs("vmap", 100, torch.float32)
    points, vectors = torch.randn(4, 5), torch.randn(4, 5)
    handed = programs.mean(programs.compiled(lambda point, vector, batch: vector), (points, vectors), Seen(DATA, 23))
    before = vectors.clone()
    assert torch.equal(handed, vectors)
    handed.zero_()
    assert torch.equal(vectors, before)


def test_the_rule_finds_convolutions_inside_other_programs():
    def convolves(kernel, x):
        return jax.checkpoint(lambda k: jax.jit(lambda w: jnp.convolve(x, w))(k).sum())(kernel)

    shapes = jax.ShapeDtypeStruct((3,), jnp.float32), jax.ShapeDtypeStruct((9,), jnp.float32)
    assert rule(convolves, *shapes) == "loop"
    assert rule(lambda kernel, x: jax.nn.relu(kernel).sum() * x.sum(), *shapes) == "vmap"
