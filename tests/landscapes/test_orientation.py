"""The wedges of a family: uniform, orthonormal, and a matter of (dim, short, wedges, seed) alone."""

import pytest
import torch

from nwedge.landscapes import orientation
from nwedge.landscapes.orientation import draw_axes, draw_bases, draw_rotation, short_counts


def test_axes_are_distinct_sorted_and_padded():
    sets = draw_axes(20, (3, 20, 0, 7), 4, seed=1)
    assert sets.shape == (4, 20)
    for row, count in zip(sets, (3, 20, 0, 7), strict=True):
        axes = row[:count].tolist()
        assert axes == sorted(set(axes))
        assert all(0 <= axis < 20 for axis in axes)
        assert (row[count:] == -1).all()


def test_axes_are_uniform():
    sets = draw_axes(10, 3, 5000, seed=2)
    frequency = torch.bincount(sets.flatten(), minlength=10) / 5000
    assert (frequency - 0.3).abs().max() < 5 * (0.3 * 0.7 / 5000) ** 0.5


def test_draws_are_fixed_by_the_seed():
    assert draw_axes(12, 4, 2, seed=0).tolist() == [[4, 5, 6, 9], [1, 4, 7, 9]]
    for draw in (
        lambda seed: draw_axes(12, 4, 5, seed),
        lambda seed: draw_bases(12, 4, 5, seed),
        lambda seed: draw_rotation(12, seed),
    ):
        global_state = torch.random.get_rng_state()
        assert torch.equal(draw(3), draw(3))
        assert not torch.equal(draw(3), draw(4))
        assert torch.equal(torch.random.get_rng_state(), global_state)


def test_bases_are_orthonormal_within_a_wedge():
    bases = draw_bases(30, (4, 0, 30), 3, seed=5)
    assert bases.shape == (34, 30)
    assert bases.dtype == torch.float64
    first, last = bases[:4], bases[4:]
    torch.testing.assert_close(first @ first.T, torch.eye(4, dtype=torch.float64))
    torch.testing.assert_close(last @ last.T, torch.eye(30, dtype=torch.float64))
    assert (first @ last.T).abs().max() > 0.1


def test_rotation_is_orthogonal_and_uniform():
    rotations = torch.stack([draw_rotation(3, seed) for seed in range(4000)])
    torch.testing.assert_close(rotations @ rotations.mT, torch.eye(3, dtype=torch.float64).expand(4000, 3, 3))
    assert rotations.mean(0).abs().max() < 5 * (1 / 3 / 4000) ** 0.5  # without the signs the diagonal is biased
    assert (rotations.square().mean(0) - 1 / 3).abs().max() < 0.03


def test_counts_are_checked():
    assert short_counts(5, 3, 2) == (3, 3)
    assert short_counts(5, [0, 5], 2) == (0, 5)
    for short, wedges, message in (
        (6, 1, "short must be between 0 and 5; got 6"),
        (-1, 1, "short must be between 0 and 5; got -1"),
        ([1, 2], 3, "one number per wedge, 3 in all; got 2"),
        ([1, 9], 2, r"short\[1\] must be between 0 and 5; got 9"),
        (2, 0, "wedges must be at least 1; got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            short_counts(5, short, wedges)
    with pytest.raises(ValueError, match="dim must be at least 1"):
        short_counts(0, 0, 1)
    with pytest.raises(TypeError, match="short must be an integer"):
        short_counts(5, True, 1)


def test_families_above_the_memory_limit_are_refused(monkeypatch):
    monkeypatch.setattr(orientation, "MAX_ELEMENTS", 99)
    assert draw_bases(11, 3, 3, seed=0).shape == (9, 11)
    for draw in (
        lambda: draw_bases(10, 5, 2, seed=0),
        lambda: draw_rotation(10, seed=0),
        lambda: draw_axes(50, 10, 10, seed=0),
    ):
        with pytest.raises(ValueError, match=r"would hold 100 numbers, 1\.01 GiB, and the limit is 1 GiB"):
            draw()
