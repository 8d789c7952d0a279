"""The caller's random state, kept."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def forked_rng(net: nn.Module, seed: int = 0) -> Iterator[None]:
    """Seeded random numbers inside, on the CPU and on the network's devices; the caller's state is restored after."""
    devices = sorted({p.device for p in net.parameters() if p.device.type == "cuda"}, key=str)
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
