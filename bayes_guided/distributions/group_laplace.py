"""Group Laplace: the density whose MAP penalty is the group lasso."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import register_kl

from .base import SingleRateRow, scaling_kl
from .spherical import log_sphere_area, row_norm, standard_gamma, uniform_directions
from .survival import gamma_survival


class GroupLaplace(SingleRateRow):
    """Rows with density exp(-rate ||w||_2) / Z (P2).

    penalty = rate ||w||_2, log Z = log[2 pi^(d/2) Gamma(d) / Gamma(d/2)] - d log rate. The norm is Gamma(d, rate) and
    the direction uniform. Exact zeros of whole rows at the MAP.

    Args: rate, positive, shape (units,); dim, the row length d.
    """

    degree = 1.0

    def penalty(self, value: Float[Tensor, "*shape row"]) -> Float[Tensor, "*batch"]:
        """rate ||w||_2 per row, in nats."""
        return self.rate * row_norm(value)

    def _log_normalizer(self) -> Float[Tensor, "*units"]:
        constant = log_sphere_area(self.dim) + math.lgamma(self.dim)
        return constant - self.dim * self.rate.double().log()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "*shape row"]:
        """Rows of shape sample_shape + batch_shape + (dim,), reparameterised in the rate."""
        shape = self._extended_shape(torch.Size(sample_shape))
        radius = standard_gamma(float(self.dim), shape[:-1], self.rate) / self.rate
        return radius.unsqueeze(-1) * uniform_directions(shape, self.rate)

    @property
    def variance(self) -> Float[Tensor, "*units row"]:
        """Variance of each weight, (d + 1) / rate^2; the weights of a row are uncorrelated (P2)."""
        return self._per_weight((self.dim + 1) / self.rate.double() ** 2)

    def norm_survival(self, threshold: float | Tensor) -> Float[Tensor, "*batch"]:
        """P(||w||_2 > threshold) per row, a fraction: Q(d, rate * threshold) (P10).

        Raises: StrengthError: if a threshold is negative or NaN.
        """
        return gamma_survival(float(self.dim), self.rate, threshold, power=1.0)


register_kl(GroupLaplace, GroupLaplace)(scaling_kl)
