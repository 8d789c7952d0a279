"""Independent Laplace weights with one rate per row: the density whose MAP penalty is the lasso."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import register_kl

from .base import SingleRateRow, scaling_kl
from .survival import gamma_survival


class RowLaplace(SingleRateRow):
    """Rows with density exp(-rate ||w||_1) / Z: independent Laplace weights (P2).

    penalty = rate ||w||_1, log Z = -d log(rate / 2). Zeros single weights at the MAP, and a row only weight by weight.

    Args: rate, positive, shape (units,); dim, the row length d.
    """

    degree = 1.0

    def penalty(self, value: Float[Tensor, "*shape row"]) -> Float[Tensor, "*batch"]:
        """rate ||w||_1 per row, in nats."""
        return self.rate * value.abs().sum(dim=-1)

    def _log_normalizer(self) -> Float[Tensor, "*units"]:
        return self.dim * (math.log(2.0) - self.rate.double().log())

    def rsample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "*shape row"]:
        """Rows of shape sample_shape + batch_shape + (dim,), reparameterised in the rate."""
        shape = self._extended_shape(torch.Size(sample_shape))
        pair = torch.empty((2, *shape), dtype=self.rate.dtype, device=self.rate.device).exponential_()
        # The difference of two exponentials is a Laplace draw without the truncated tail of an inverse CDF.
        return (pair[0] - pair[1]) / self.rate.unsqueeze(-1)

    @property
    def variance(self) -> Float[Tensor, "*units row"]:
        """Variance of each weight, 2 / rate^2."""
        return self._per_weight(2.0 / self.rate.double() ** 2)

    def norm_survival(self, threshold: float | Tensor) -> Float[Tensor, "*batch"]:
        """P(||w||_1 > threshold) per row, a fraction: Q(d, rate * threshold) (P10).

        The size is the L1 norm, the one this density is built on: the Euclidean norm has no closed form here.

        Raises: StrengthError: if a threshold is negative or NaN.
        """
        return gamma_survival(float(self.dim), self.rate, threshold, power=1.0)


register_kl(RowLaplace, RowLaplace)(scaling_kl)
