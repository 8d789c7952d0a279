"""Independent normal weights with one rate per row: the density whose MAP penalty is the ridge."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import register_kl

from .base import SingleRateRow, scaling_kl
from .survival import gamma_survival


class RowNormal(SingleRateRow):
    """Rows with density exp(-rate ||w||_2^2) / Z: independent normal weights of variance 1 / (2 rate) (P2).

    penalty = rate ||w||_2^2, log Z = (d / 2) log(pi / rate). No exact zeros at the MAP.

    Args: rate, positive, shape (units,); dim, the row length d.
    """

    degree = 2.0

    def penalty(self, value: Float[Tensor, "*shape row"]) -> Float[Tensor, "*batch"]:
        """rate ||w||_2^2 per row, in nats."""
        return self.rate * value.square().sum(dim=-1)

    def _log_normalizer(self) -> Float[Tensor, "*units"]:
        return self.dim / 2 * (math.log(math.pi) - self.rate.double().log())

    def rsample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "*shape row"]:
        """Rows of shape sample_shape + batch_shape + (dim,), reparameterised in the rate."""
        shape = self._extended_shape(torch.Size(sample_shape))
        normal = torch.randn(shape, dtype=self.rate.dtype, device=self.rate.device)
        return normal * (2.0 * self.rate).rsqrt().unsqueeze(-1)

    @property
    def variance(self) -> Float[Tensor, "*units row"]:
        """Variance of each weight, 1 / (2 rate)."""
        return self._per_weight(0.5 / self.rate)

    def norm_survival(self, threshold: float | Tensor) -> Float[Tensor, "*batch"]:
        """P(||w||_2 > threshold) per row, a fraction: Q(d/2, rate * threshold^2) (P10).

        Raises: StrengthError: if a threshold is negative or NaN.
        """
        return gamma_survival(self.dim / 2, self.rate, threshold, power=2.0)


register_kl(RowNormal, RowNormal)(scaling_kl)
