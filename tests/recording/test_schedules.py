import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

from nwedge.recording import cycle_ends, log_spaced


@pytest.mark.parametrize(("length", "factor"), [(1, 1), (5, 1), (3, 2), (40, 1)])
def test_cycles_end_where_torchs_schedule_restarts(length, factor):
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    schedule = CosineAnnealingWarmRestarts(optimizer, T_0=length, T_mult=factor)
    restarts = []
    for step in range(1, 41):
        optimizer.step()
        schedule.step()
        if schedule.T_cur == 0:
            restarts.append(step)
    assert cycle_ends(length, 40, factor=factor) == tuple(restarts)


def test_log_spaced_steps_begin_at_0_and_end_at_the_last_at_equal_ratios():
    assert log_spaced(1000, 4) == (0, 1, 10, 100, 1000)
    assert log_spaced(3, 50) == (0, 1, 2, 3)
    assert log_spaced(1, 2) == (0, 1)
    assert log_spaced(12345, 7)[-1] == 12345
    assert all(type(step) is int for step in log_spaced(12345, 7))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: cycle_ends(0, 10), "length must be at least 1; got 0"),
        (lambda: cycle_ends(11, 10), "steps must be at least 11; got 10"),
        (lambda: cycle_ends(2, 10, factor=0), "factor must be at least 1; got 0"),
        (lambda: log_spaced(0, 3), "last must be at least 1; got 0"),
        (lambda: log_spaced(10, 1), "count must be at least 2; got 1"),
    ],
)
def test_bad_input_gets_one_sentence(call, match):
    with pytest.raises(ValueError, match=match):
        call()
