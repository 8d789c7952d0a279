"""Group square-root Laplace: the density whose MAP penalty is the group L1/2 quasi-norm."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import register_kl

from .base import SingleRateRow, scaling_kl
from .spherical import log_sphere_area, row_norm, standard_gamma, uniform_directions
from .survival import gamma_survival


class GroupSqrtLaplace(SingleRateRow):
    """Rows with density exp(-rate sqrt(||w||_2)) / Z (P2).

    penalty = rate sqrt(||w||_2), Z = 2 S Gamma(2d) rate^(-2d) with S the area of the unit sphere. The root of the norm
    is Gamma(2d, rate) and the direction uniform. Heavier tails and less shrinkage of large rows than the group Laplace.

    Args: rate, positive, shape (units,); dim, the row length d.
    """

    degree = 0.5

    def penalty(self, value: Float[Tensor, "*shape row"]) -> Float[Tensor, "*batch"]:
        """rate sqrt(||w||_2) per row, in nats."""
        norm = row_norm(value)
        zero = norm == 0
        # The root has no finite derivative at 0: a zero row takes the subgradient 0 instead.
        return self.rate * norm.masked_fill(zero, 1.0).sqrt().masked_fill(zero, 0.0)

    def _log_normalizer(self) -> Float[Tensor, "*units"]:
        constant = math.log(2.0) + log_sphere_area(self.dim) + math.lgamma(2 * self.dim)
        return constant - 2 * self.dim * self.rate.double().log()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "*shape row"]:
        """Rows of shape sample_shape + batch_shape + (dim,), reparameterised in the rate."""
        shape = self._extended_shape(torch.Size(sample_shape))
        radius = (standard_gamma(2.0 * self.dim, shape[:-1], self.rate) / self.rate) ** 2
        return radius.unsqueeze(-1) * uniform_directions(shape, self.rate)

    @property
    def variance(self) -> Float[Tensor, "*units row"]:
        """Variance of each weight, E||w||^2 / d = 2 (2d+1) (2d+2) (2d+3) / rate^4 (moments of a Gamma)."""
        twice = 2 * self.dim
        return self._per_weight(2.0 * (twice + 1) * (twice + 2) * (twice + 3) / self.rate.double() ** 4)

    def norm_survival(self, threshold: float | Tensor) -> Float[Tensor, "*batch"]:
        """P(||w||_2 > threshold) per row, a fraction: Q(2d, rate sqrt(threshold)) (P10).

        Raises: StrengthError: if a threshold is negative or NaN.
        """
        return gamma_survival(2.0 * self.dim, self.rate, threshold, power=0.5)


register_kl(GroupSqrtLaplace, GroupSqrtLaplace)(scaling_kl)
