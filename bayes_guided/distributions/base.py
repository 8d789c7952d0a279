"""What every density over rows shares: shapes, validation, expansion, and the homogeneity lemma (P1)."""

import functools
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, cast

import torch
from jaxtyping import Float
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.distributions import Distribution as TorchBase
from torch.distributions import constraints

from bayes_guided.exceptions import RowShapeError, StrengthError


class RowDistribution(TorchDistribution):
    """Density over rows of `dim` weights, symmetric about zero, one positive rate (or more) per row.

    Batch shape: that of the rates, usually (units,). Event shape: (dim,). Samples, densities and moments follow the
    device and dtype of the rates; constants are computed in float64 and cast back. Rates are checked only when torch's
    validation is on (its default).
    """

    has_rsample = True
    # torch types these as properties and documents them as class attributes: hence the ignores.
    support = constraints.independent(constraints.real, 1)  # pyright: ignore

    def __init__(self, rates: dict[str, Tensor], dim: int, validate_args: bool | None) -> None:
        """Keeps each rate as an attribute of its name, broadcast to the common batch shape.

        Raises:
            StrengthError: if a rate is not a floating tensor, or not positive and finite (values only with validation).
            RowShapeError: if dim is not an integer of at least 1, or the rates do not broadcast.
        """
        if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
            raise RowShapeError(f"{type(self).__name__}: dim is the number of weights in a row, an int >= 1; got {dim!r}.")
        validates = TorchBase._validate_args if validate_args is None else validate_args
        for name, rate in rates.items():
            _check_floating(type(self).__name__, name, rate)
            if validates:
                _check_positive(type(self).__name__, name, rate)
        for name, rate in zip(rates, _broadcast(type(self).__name__, rates), strict=True):
            setattr(self, name, rate)
        super().__init__(self._reference.shape, torch.Size((dim,)), validate_args=validate_args)

    @property
    def dim(self) -> int:
        """Number of weights in a row, D."""
        return self.event_shape[0]

    def expand(self, batch_shape: Sequence[int], _instance: "RowDistribution | None" = None) -> "RowDistribution":
        """The same density over rows with its rates expanded to `batch_shape`.

        Raises: RuntimeError: if the rates do not expand to that shape.
        """
        new = cast(RowDistribution, self._get_checked_instance(type(self), _instance))
        shape = torch.Size(batch_shape)
        for name in self.arg_constraints:
            setattr(new, name, getattr(self, name).expand(shape))
        TorchDistribution.__init__(new, shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def _reference(self) -> Float[Tensor, "*units"]:
        """The first rate: every result has its dtype and device."""
        return getattr(self, next(iter(self.arg_constraints)))

    def _per_weight(self, per_row: Float[Tensor, "*units"]) -> Float[Tensor, "*units row"]:
        """A moment that all weights of a row share, laid out per weight."""
        return per_row.to(self._reference.dtype).unsqueeze(-1).expand(self.batch_shape + self.event_shape)


class HomogeneousRow(RowDistribution):
    """Density exp(-penalty(w)) / Z with a positively homogeneous penalty (P1).

    The penalty of a random row is Gamma(dim / degree, 1), whatever the rates: that gives the entropy.
    """

    degree: ClassVar[float]
    """Degree k of the penalty: penalty(c w) = c^k penalty(w) for c > 0."""

    @abstractmethod
    def penalty(self, value: Float[Tensor, "*shape row"]) -> Float[Tensor, "*shape"]:
        """Rate times size of each row, in nats: the guided regulariser. -log_prob = penalty + log_normalizer."""

    @abstractmethod
    def _log_normalizer(self) -> Float[Tensor, "*units"]:
        """log Z per row in float64."""

    @property
    def log_normalizer(self) -> Float[Tensor, "*units"]:
        """log Z per row, in nats, differentiable in the rates."""
        return self._log_normalizer().to(self._reference.dtype)

    @property
    def mean(self) -> Float[Tensor, "*units row"]:
        """Zero: the density is symmetric."""
        return self._per_weight(torch.zeros_like(self._reference))

    def log_prob(self, value: Float[Tensor, "*shape row"]) -> Float[Tensor, "*batch"]:
        """Log density of each row, in nats. Its gradient at an all-zero row is the subgradient 0.

        Raises: ValueError: if validation is on and a value is NaN or not `dim` long.
        """
        if self._validate_args:
            self._validate_sample(value)
        return -self.penalty(value) - self.log_normalizer

    def entropy(self) -> Float[Tensor, "*units"]:
        """Differential entropy per row in nats: log Z + dim / degree (P1)."""
        return (self._log_normalizer() + self.dim / self.degree).to(self._reference.dtype)


class SingleRateRow(HomogeneousRow):
    """Homogeneous density with one rate per row: density proportional to exp(-rate * size(w))."""

    arg_constraints: ClassVar = {"rate": constraints.positive}  # pyright: ignore
    rate: Tensor

    def __init__(self, rate: Float[Tensor, "*units"], dim: int, *, validate_args: bool | None = None) -> None:
        """Rows of `dim` weights, each with its own rate, a positive tensor of the batch shape.

        Raises:
            StrengthError: if a rate is not a floating tensor, or not positive and finite (values only with validation).
            RowShapeError: if dim is not an integer of at least 1.
        """
        super().__init__({"rate": rate}, dim, validate_args)


def scaling_kl(p: SingleRateRow, q: SingleRateRow) -> Float[Tensor, "*units"]:
    """KL(p || q) per row, in nats, for two densities of one family with rates r_p and r_q.

    (dim / degree) (r_q / r_p - 1 - log(r_q / r_p)): the normaliser is a power of the rate, and the penalty of p has the
    mean dim / degree under p (P1).

    Raises: RowShapeError: if the rows have different lengths.
    """
    check_same_dim(p, q)
    excess = (q.rate.double() - p.rate.double()) / p.rate.double()
    return (p.dim / p.degree * (excess - torch.log1p(excess))).to(torch.result_type(p.rate, q.rate))


def check_same_dim(p: RowDistribution, q: RowDistribution) -> None:
    """Raises RowShapeError if the two densities are over rows of different lengths."""
    if p.dim != q.dim:
        raise RowShapeError(f"KL needs rows of one length, got {p.dim} and {q.dim} weights.")


def _check_floating(owner: str, name: str, rate: Tensor) -> None:
    if not isinstance(rate, Tensor) or not rate.is_floating_point():
        raise StrengthError(f"{owner}: {name} must be a floating-point tensor of the batch shape, got {rate!r}.")


def _check_positive(owner: str, name: str, rate: Tensor) -> None:
    bad = ~(torch.isfinite(rate) & (rate > 0))
    if bad.any():
        raise StrengthError(
            f"{owner}: {name} must be positive and finite, but {int(bad.sum())} of {rate.numel()} entries are not "
            f"(first: {rate[bad][0].item()}). A unit without guidance is protected: leave it out of the prior."
        )


def _broadcast(owner: str, rates: dict[str, Tensor]) -> Sequence[Tensor]:
    dtype = functools.reduce(torch.promote_types, (rate.dtype for rate in rates.values()))
    try:
        return torch.broadcast_tensors(*(rate.to(dtype) for rate in rates.values()))
    except RuntimeError as error:
        shapes = ", ".join(f"{name} {tuple(rate.shape)}" for name, rate in rates.items())
        raise RowShapeError(f"{owner}: the rates do not broadcast to one batch shape: {shapes}.") from error
