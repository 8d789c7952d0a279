"""Sparse group Laplace: the density whose MAP penalty is the sparse group lasso."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import constraints, register_kl

from . import mills
from .base import HomogeneousRow, check_same_dim
from .inverse_cdf import inverse_cdf
from .sparse_group_mixing import MixingLaw, zeta
from .spherical import row_norm

_PIECE = 2**16
"""Weights drawn at a time, so that the buffers stay in the processor's cache and many draws need no more of them."""


class SparseGroupLaplace(HomogeneousRow):
    """Rows with density exp(-rate ||w||_1 - group_rate ||w||_2) / Z (P3).

    penalty = rate ||w||_1 + group_rate ||w||_2, log Z = -d log group_rate + zeta_d(rate / group_rate) with zeta a
    one-dimensional integral for any d. Exact zeros of whole rows, and of single weights in the rows that stay, at the MAP.

    Args: rate (elementwise) and group_rate, positive, shape (units,); dim, the row length d.
    """

    arg_constraints: ClassVar = {"rate": constraints.positive, "group_rate": constraints.positive}  # pyright: ignore
    degree = 1.0
    rate: Tensor
    group_rate: Tensor

    def __init__(
        self,
        rate: Float[Tensor, "*#units"],
        group_rate: Float[Tensor, "*#units"],
        dim: int,
        *,
        validate_args: bool | None = None,
    ) -> None:
        """Rows of `dim` weights; the two positive rates broadcast to the batch shape and share the wider dtype.

        Raises:
            StrengthError: if a rate is not a floating tensor, or not positive and finite (values only with validation).
            RowShapeError: if dim is not an integer of at least 1, or the rates do not broadcast.
        """
        super().__init__({"rate": rate, "group_rate": group_rate}, dim, validate_args)

    def penalty(self, value: Float[Tensor, "*shape row"]) -> Float[Tensor, "*batch"]:
        """rate ||w||_1 + group_rate ||w||_2 per row, in nats."""
        return self.rate * value.abs().sum(dim=-1) + self.group_rate * row_norm(value)

    @property
    def _ratio(self) -> Float[Tensor, "*units"]:
        return self.rate.double() / self.group_rate.double()

    def _log_normalizer(self) -> Float[Tensor, "*units"]:
        return zeta(self._ratio, self.dim) - self.dim * self.group_rate.double().log()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Float[Tensor, "*shape row"]:
        """Rows of shape sample_shape + batch_shape + (dim,), reparameterised in both rates.

        The mixing variable is drawn by inverting its distribution function on the quadrature nodes, the weights
        given it by inverting the normal tail (P3); both carry implicit derivatives [Figurnov2018].
        """
        shape = self._extended_shape(torch.Size(sample_shape))
        draws = shape[: len(shape) - 1 - len(self.batch_shape)]
        law = MixingLaw.at(self._ratio, self.dim)
        uniform = torch.rand((*self.batch_shape, draws.numel()), dtype=torch.float64, device=self.rate.device)
        log_t = inverse_cdf(law.nodes, law.log_values, law.slopes, uniform)
        scale = (2 * log_t.exp()).sqrt().movedim(-1, 0).reshape(shape[:-1])
        tilt, factor = self._ratio * scale, scale / self.group_rate.double()
        size = max(1, _PIECE // self.dim)
        pieces = zip(tilt.reshape(-1, 1).split(size), factor.reshape(-1, 1).split(size), strict=True)
        rows = [self._weights(*piece).to(self.rate.dtype) for piece in pieces]
        return torch.cat(rows or [factor.new_empty(0, dtype=self.rate.dtype)]).reshape(shape)

    def _weights(self, tilt: Float[Tensor, "some 1"], factor: Float[Tensor, "some 1"]) -> Float[Tensor, "some row"]:
        """Rows given their mixing variables."""
        # One uniform number on (-1, 1) is the sign and, by its size, the tail probability.
        signed = torch.rand((len(tilt), self.dim), dtype=torch.float64, device=tilt.device).mul_(2).sub_(1)
        energy = signed.abs().clamp_(min=2.0**-54).log_().neg_()
        return mills.draw(tilt, energy).copysign(signed) * factor

    @property
    def mean_l1(self) -> Float[Tensor, "*units"]:
        """E||w||_1 per row: minus the derivative of log Z in `rate`."""
        return self._mean_l1().to(self.rate.dtype)

    @property
    def mean_l2(self) -> Float[Tensor, "*units"]:
        """E||w||_2 per row: minus the derivative of log Z in `group_rate`."""
        return self._mean_l2().to(self.rate.dtype)

    def _mean_l1(self) -> Float[Tensor, "*units"]:
        law = MixingLaw.at(self._ratio, self.dim)
        return self.dim * law.expectation(law.scale * mills.mean(law.tilt)) / self.group_rate.double()

    def _mean_l2(self) -> Float[Tensor, "*units"]:
        # d = rate E||w||_1 + group_rate E||w||_2 (P1), where E[Y^2] stands for the cancelling 1 - tilt E[Y].
        law = MixingLaw.at(self._ratio, self.dim)
        return self.dim * law.expectation(mills.second_moment(law.tilt)) / self.group_rate.double()

    @property
    def variance(self) -> Float[Tensor, "*units row"]:
        """Variance of each weight, E[z^2 Y^2] / group_rate^2 under the mixing law (P3); weights are uncorrelated."""
        law = MixingLaw.at(self._ratio, self.dim)
        unit = law.expectation(law.scale.square() * mills.second_moment(law.tilt))
        return self._per_weight(unit / self.group_rate.double().square())


@register_kl(SparseGroupLaplace, SparseGroupLaplace)
def _kl(p: SparseGroupLaplace, q: SparseGroupLaplace) -> Float[Tensor, "*units"]:
    """KL(p || q) per row, in nats: the difference of log Z and of the penalties' means, closed by the two mean norms.

    Raises: RowShapeError: if the rows have different lengths.
    """
    check_same_dim(p, q)
    log_z = q._log_normalizer() - p._log_normalizer()
    elementwise = (q.rate.double() - p.rate.double()) * p._mean_l1()
    group = (q.group_rate.double() - p.group_rate.double()) * p._mean_l2()
    return (log_z + elementwise + group).to(torch.result_type(p.rate, q.rate))
