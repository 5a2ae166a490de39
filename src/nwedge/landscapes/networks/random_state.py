"""Torch's global random state, lent to code that can draw from nothing else and put back as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def forked(seed: int, device: torch.device) -> Iterator[None]:
    """Run the body with the global generators of the CPU and of `device` seeded, and restore them afterwards."""
    on_cuda = device.type == "cuda"
    with torch.random.fork_rng([device] if on_cuda else []):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reseed every other device, too
        if on_cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
