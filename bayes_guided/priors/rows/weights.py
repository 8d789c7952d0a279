"""Weight priors: one family of densities over rows each, with its rate, its penalty and its proximal operator.

`strength` is lambda of the objective `N * mean NLL + lambda * sum_u g_u Omega(row_u)`: it multiplies against the *summed*
negative log likelihood. The rate is `r_u = lambda g_u` for families that treat weights one by one, and carries a power of
the row's length D for families of the row's norm, so that the prior on the root mean square weight does not depend on D.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from bayes_guided import distributions
from bayes_guided.distributions.base import HomogeneousRow, RowDistribution
from bayes_guided.exceptions import NoMAPError, StrengthError
from bayes_guided.priors.rows.proximal import GROUP, GROUP_SQRT, RIDGE, ProxPlan

_UNBOUNDED = (
    "the group horseshoe's density grows without bound as a row goes to zero, so its MAP is the empty network whatever the "
    "data (P4); use GroupLaplace or GroupSqrtLaplace for MAP, or integrate by SVI or MCMC."
)


@dataclass(frozen=True)
class WeightPrior(ABC):
    """A family of densities over rows, of one strength.

    Raises:
        StrengthError: if the strength is not positive and finite.
    """

    strength: float

    def __post_init__(self) -> None:
        if not (isinstance(self.strength, int | float) and math.isfinite(self.strength) and self.strength > 0):
            raise StrengthError(
                f"{type(self).__name__}(strength={self.strength!r}): give a positive finite number; a unit that should "
                "not be pressed at all gets guidance 0 instead."
            )

    @abstractmethod
    def rates(self, guidance: Float[Tensor, "*units"], dim: int) -> Float[Tensor, "*units"]:
        """The rate r_u of every unit, which multiplies Omega(row)."""

    @abstractmethod
    def distribution(self, rates: Float[Tensor, "*units"], dim: int) -> RowDistribution:
        """The density over rows of length `dim`, batch shape that of `rates`, in the dtype and on the device of `rates`.

        Raises:
            NoDensityError: if only the penalty is known (TreeGroupLaplace).
        """

    @abstractmethod
    def prox_plan(self, rates: Float[Tensor, "units"], dim: int) -> ProxPlan:
        """The proximal operator of `r_u Omega(row_u)`.

        Raises:
            NoMAPError: if the density is unbounded (GroupHorseshoe), so that a MAP estimate does not exist.
        """

    @abstractmethod
    def penalty(self, rows: Float[Tensor, "units row"], rates: Float[Tensor, "units"]) -> Float[Tensor, "units"]:
        """`r_u Omega(row_u)` in nats: minus the log density without its constant.

        Raises:
            NoMAPError: as `prox_plan`.
        """


class SeparableWeightPrior(WeightPrior):
    """Rows are independent, and the penalty of a row is that of its density."""

    def penalty(self, rows: Float[Tensor, "units row"], rates: Float[Tensor, "units"]) -> Float[Tensor, "units"]:
        """`r_u Omega(row_u)` in nats: minus the log density without its constant.

        Raises:
            NoMAPError: as `prox_plan`.
        """
        density = self.distribution(rates, rows.shape[1])
        if not isinstance(density, HomogeneousRow):
            raise NoMAPError(_UNBOUNDED)
        return density.penalty(rows)


@dataclass(frozen=True)
class Normal(SeparableWeightPrior):
    """`exp(-r ||row||_2^2)`, r = lambda g: the ridge, variance 1 / (2 r) per weight. Its MAP is never exactly zero."""

    def rates(self, guidance: Float[Tensor, "*units"], dim: int) -> Float[Tensor, "*units"]:
        """`lambda g_u`."""
        return self.strength * guidance

    def distribution(self, rates: Float[Tensor, "*units"], dim: int) -> distributions.RowNormal:
        """Independent normal weights."""
        return distributions.RowNormal(rates, dim)

    def prox_plan(self, rates: Float[Tensor, "units"], dim: int) -> ProxPlan:
        """Shrinkage by a factor that never reaches 0."""
        return ProxPlan(soft=None, radial=(RIDGE, rates))


@dataclass(frozen=True)
class Laplace(SeparableWeightPrior):
    """`exp(-r ||row||_1)`, r = lambda g: the lasso; a unit leaves when all its weights have."""

    def rates(self, guidance: Float[Tensor, "*units"], dim: int) -> Float[Tensor, "*units"]:
        """`lambda g_u`."""
        return self.strength * guidance

    def distribution(self, rates: Float[Tensor, "*units"], dim: int) -> distributions.RowLaplace:
        """Independent Laplace weights."""
        return distributions.RowLaplace(rates, dim)

    def prox_plan(self, rates: Float[Tensor, "units"], dim: int) -> ProxPlan:
        """Soft threshold."""
        return ProxPlan(soft=rates, radial=None)


@dataclass(frozen=True)
class GroupLaplace(SeparableWeightPrior):
    """`exp(-r ||row||_2)`, r = lambda g sqrt(D): the guided group lasso (P2)."""

    def rates(self, guidance: Float[Tensor, "*units"], dim: int) -> Float[Tensor, "*units"]:
        """`lambda g_u sqrt(D)`."""
        return self.strength * guidance * dim**0.5

    def distribution(self, rates: Float[Tensor, "*units"], dim: int) -> distributions.GroupLaplace:
        """The density of the row's norm, direction uniform."""
        return distributions.GroupLaplace(rates, dim)

    def prox_plan(self, rates: Float[Tensor, "units"], dim: int) -> ProxPlan:
        """Block soft threshold."""
        return ProxPlan(soft=None, radial=(GROUP, rates))


@dataclass(frozen=True)
class SparseGroupLaplace(SeparableWeightPrior):
    """`exp(-r (a ||row||_1 + (1 - a) sqrt(D) ||row||_2))`, r = lambda g, a = `mix`: sparse group lasso (P3).

    Raises:
        StrengthError: if `mix` is not strictly between 0 and 1 (the ends are Laplace and GroupLaplace).
    """

    mix: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (isinstance(self.mix, int | float) and 0 < self.mix < 1):
            raise StrengthError(
                f"SparseGroupLaplace(mix={self.mix!r}): give a number between 0 and 1; at the ends use GroupLaplace "
                "(mix 0) or Laplace (mix 1)."
            )

    def rates(self, guidance: Float[Tensor, "*units"], dim: int) -> Float[Tensor, "*units"]:
        """`lambda g_u`; the two norms' own rates are `mix` and `(1 - mix) sqrt(D)` times this."""
        return self.strength * guidance

    def distribution(self, rates: Float[Tensor, "*units"], dim: int) -> distributions.SparseGroupLaplace:
        """The density with both norms, its normaliser by quadrature."""
        return distributions.SparseGroupLaplace(self.mix * rates, (1 - self.mix) * dim**0.5 * rates, dim)

    def prox_plan(self, rates: Float[Tensor, "units"], dim: int) -> ProxPlan:
        """Soft threshold, then block soft threshold: exact in this order (P22)."""
        return ProxPlan(soft=self.mix * rates, radial=(GROUP, (1 - self.mix) * dim**0.5 * rates))


@dataclass(frozen=True)
class GroupSqrtLaplace(SeparableWeightPrior):
    """`exp(-r sqrt(||row||_2))`, r = lambda g D^(3/4): the group L1/2 penalty, heavier tails than the group lasso.

    sqrt(||row||) is about 2 D / r, so D^(3/4) is the power that frees the root mean square weight of D.
    """

    def rates(self, guidance: Float[Tensor, "*units"], dim: int) -> Float[Tensor, "*units"]:
        """`lambda g_u D^(3/4)`."""
        return self.strength * guidance * dim**0.75

    def distribution(self, rates: Float[Tensor, "*units"], dim: int) -> distributions.GroupSqrtLaplace:
        """The density of the row's norm, direction uniform."""
        return distributions.GroupSqrtLaplace(rates, dim)

    def prox_plan(self, rates: Float[Tensor, "units"], dim: int) -> ProxPlan:
        """Half thresholding of the norm: not convex, jumps to zero (P22)."""
        return ProxPlan(soft=None, radial=(GROUP_SQRT, rates))


@dataclass(frozen=True)
class GroupHorseshoe(SeparableWeightPrior):
    """A row's scale is half-Cauchy with median 1 / r, r = lambda g (P4). Unbounded at zero: for SVI and MCMC, not MAP."""

    def rates(self, guidance: Float[Tensor, "*units"], dim: int) -> Float[Tensor, "*units"]:
        """`lambda g_u`, the inverse of the half-Cauchy's scale."""
        return self.strength * guidance

    def distribution(self, rates: Float[Tensor, "*units"], dim: int) -> distributions.GroupHorseshoe:
        """The scale mixture with its scale integrated out."""
        return distributions.GroupHorseshoe(rates, dim)

    def prox_plan(self, rates: Float[Tensor, "units"], dim: int) -> ProxPlan:
        """Raises NoMAPError."""
        raise NoMAPError(_UNBOUNDED)
