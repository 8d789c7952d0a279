"""Group horseshoe: a half-Cauchy scale shared by the weights of a row."""

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import constraints

from . import horseshoe_integrals as integrals
from .base import RowDistribution
from .spherical import row_norm
from .survival import thresholds


class GroupHorseshoe(RowDistribution):
    """Rows w = k z with z ~ N(0, I) and k half-Cauchy with scale 1 / rate, k integrated out (P4).

    The density is (rate^d / pi) (2 pi)^(-d/2) Gamma(a) U(a, a, x) with a = (d+1)/2 and x = (rate ||w||)^2 / 2. It is
    unbounded at zero, where `log_prob` is +inf, so there is no MAP and no penalty (P31). Its tail, ||w||^-(d+1), has
    no mean.

    Args: rate, the global shrinkage: positive, shape (units,); dim, the row length d.
    """

    arg_constraints: ClassVar = {"rate": constraints.positive}  # pyright: ignore
    rate: Tensor

    def __init__(self, rate: Float[Tensor, "*units"], dim: int, *, validate_args: bool | None = None) -> None:
        """Rows of `dim` weights, each with its own rate, a positive tensor of the batch shape.

        Raises:
            StrengthError: if a rate is not a floating tensor, or not positive and finite (values only with validation).
            RowShapeError: if dim is not an integer of at least 1.
        """
        super().__init__({"rate": rate}, dim, validate_args)

    def log_prob(self, value: Float[Tensor, "*shape row"]) -> Float[Tensor, "*batch"]:
        """Log density of each row in nats; +inf, with the subgradient 0, at an all-zero row.

        Raises: ValueError: if validation is on and a value is NaN or not `dim` long.
        """
        if self._validate_args:
            self._validate_sample(value)
        rate = self.rate.double()
        scaled = rate * row_norm(value.double())
        log_density = self.dim * rate.log() + integrals.log_density(scaled, self.dim)
        return log_density.to(torch.result_type(value, self.rate))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "*shape row"]:
        """Rows of shape sample_shape + batch_shape + (dim,), reparameterised in the rate."""
        shape = self._extended_shape(torch.Size(sample_shape))
        scale = torch.empty(shape[:-1], dtype=self.rate.dtype, device=self.rate.device).cauchy_().abs() / self.rate
        return scale.unsqueeze(-1) * torch.randn(shape, dtype=self.rate.dtype, device=self.rate.device)

    @property
    def mean(self) -> Float[Tensor, "*units row"]:
        """NaN: the mean does not exist (as in `torch.distributions.Cauchy`); report quantiles (P31)."""
        return self._per_weight(torch.full_like(self.rate, math.nan))

    @property
    def variance(self) -> Float[Tensor, "*units row"]:
        """Infinite (as in `torch.distributions.Cauchy`)."""
        return self._per_weight(torch.full_like(self.rate, math.inf))

    def entropy(self) -> Float[Tensor, "*units"]:
        """Differential entropy per row in nats: a constant of d, by radial quadrature, minus d log rate."""
        unit = integrals.unit_entropy(self.dim, self.rate)
        return (unit - self.dim * self.rate.double().log()).to(self.rate.dtype)

    def norm_survival(self, threshold: float | Tensor) -> Float[Tensor, "*batch"]:
        """P(||w||_2 > threshold) per row, a fraction: E[(2/pi) arctan(||z|| / (threshold rate))] (P4).

        Raises: StrengthError: if a threshold is negative or NaN.
        """
        level = self.rate.double() * thresholds(threshold, self.rate)
        return integrals.norm_survival(level, self.dim).to(self.rate.dtype)
