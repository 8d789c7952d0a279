"""Logarithms of standard deviations: what independent weights are parameterised by."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def variance_and_log_sum(log_sd: Float[Tensor, "*shape"]) -> tuple[Float[Tensor, "*shape"], Float[Tensor, ""]]:
    """exp(2 log_sd), and the sum of log_sd: what the ELBO needs of the scales, in one backward pass over them."""
    return _VarianceAndLogSum.apply(log_sd)


class _VarianceAndLogSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, log_sd: Tensor) -> tuple[Tensor, Tensor]:
        variance = (2 * log_sd).exp_()
        ctx.save_for_backward(variance)
        return variance, log_sd.sum()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (variance,) = ctx.saved_tensors
        return torch.addcmul(gradients[1], gradients[0], variance, value=2)
