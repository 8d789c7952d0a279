"""Logarithms of standard deviations: what independent weights are parameterised by."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def variances_and_log_sum(
    log_sds: Sequence[Float[Tensor, "..."]], weights: Sequence[Float[Tensor, "..."]]
) -> tuple[list[Float[Tensor, "..."]], Float[Tensor, ""]]:
    """exp(2 log_sd) of each part, and the sum of log_sd over all weights, over which the scales of a part broadcast.

    This is what the ELBO needs of the scales, in one backward pass over them.
    """
    pairs = zip(log_sds, weights, strict=True)
    shared = tuple(1 if log_sd.shape == weight.shape else weight.numel() // log_sd.numel() for log_sd, weight in pairs)
    *variances, total = _VariancesAndLogSum.apply(shared, *log_sds)
    return variances, total


class _VariancesAndLogSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, shared: tuple[int, ...], *log_sds: Tensor) -> tuple[Tensor, ...]:
        """`shared` is how many weights each scale of a part serves."""
        variances = [(2 * log_sd).exp_() for log_sd in log_sds]
        ctx.shared = shared
        ctx.save_for_backward(*variances)
        return *variances, torch.stack([count * log_sd.sum() for count, log_sd in zip(shared, log_sds, strict=True)]).sum()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        *by_variance, by_sum = gradients
        parts = zip(ctx.shared, by_variance, ctx.saved_tensors, strict=True)
        return None, *(torch.addcmul(count * by_sum, gradient, variance, value=2) for count, gradient, variance in parts)
