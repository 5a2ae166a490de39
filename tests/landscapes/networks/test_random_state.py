import pytest
import torch

from nwedge.landscapes.networks.random_state import forked

CPU = torch.device("cpu")


def test_draws_follow_the_seed_and_the_global_state_comes_back() -> None:
    before = torch.get_rng_state()
    with forked(5, CPU):
        inside = torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)
    with forked(5, CPU):
        assert torch.equal(torch.rand(3), inside)
    with forked(6, CPU):
        assert not torch.equal(torch.rand(3), inside)


def test_the_global_state_comes_back_after_an_error() -> None:
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError), forked(5, CPU):
        torch.rand(3).view(7)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_state_of_the_device_comes_back_too() -> None:
    device = torch.device("cuda")
    before = torch.cuda.get_rng_state(device)
    with forked(5, device):
        inside = torch.rand(3, device=device)
    assert torch.equal(torch.cuda.get_rng_state(device), before)
    with forked(5, device):
        assert torch.equal(torch.rand(3, device=device), inside)
