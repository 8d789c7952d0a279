"""Whether two networks compute the same."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .inputs import ExampleInputs, call, tensors_in
from .randomness import forked_rng

TOLERANCE = 1e-5
"""Largest difference of two outputs, relative to the largest output."""


def outputs(net: nn.Module, arguments: ExampleInputs) -> list[Tensor]:
    """All tensors that the network returns; random numbers are the same at every call."""
    with forked_rng(net), _plain_attention():
        return list(tensors_in(call(net, arguments)))


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Attention without its fused evaluation, which bypasses the modules inside and drops padded positions."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


def gap(expected: Sequence[Tensor], actual: Sequence[Tensor]) -> float:
    """Largest difference relative to the largest output; infinite for other shapes, NaN for outputs with NaN."""
    if [tensor.shape for tensor in expected] != [tensor.shape for tensor in actual]:
        return float("inf")
    worst = 0.0
    for before, after in zip(expected, actual, strict=True):
        if before.numel():
            difference = (before.double() - after.double()).abs().max()
            scale = before.double().abs().max().clamp_min(torch.finfo(torch.float32).tiny)
            ratio = float(difference / scale)
            worst = worst if ratio <= worst else ratio  # keeps NaN, which max() may drop
            if math.isnan(worst):
                break
    return worst
