"""What a continuous guided prior says about models: three readings of one density, and their inverses.

A density over rows has no models in it; a *reading* turns it into inclusion odds of every unit. The readings differ by
orders of magnitude (P10, P11, P16), so each has a name that goes with every number:

`threshold`  P(||row|| > tau). At the thresholds used for pruning this is 1 to double precision for rows of a hundred
             weights: the continuous prior puts no mass on small models, however strong the guidance.
`shrinkage`  P(kappa < 1/2), kappa = 1 / (1 + h s) for a density that mixes normals N(0, s I): no threshold, but it needs
             the curvature h of the summed negative log likelihood per weight.
`evidence`   the odds e^{-c} under which the guided regulariser is the joint MAP of a spike and slab, calibrated so that
             differences of the objective are posterior log odds; needs the same curvature.

All functions work on the density of one group at a time and return log odds in nats, float64, on its device.
"""

import math
import numbers
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.analysis.gamma_tail import gamma_log_odds, gamma_quantile
from bayes_guided.analysis.horseshoe_odds import norm_level, norm_log_odds
from bayes_guided.distributions import (
    GroupHorseshoe,
    GroupLaplace,
    GroupSqrtLaplace,
    RowLaplace,
    RowNormal,
    SparseGroupLaplace,
)
from bayes_guided.distributions.base import HomogeneousRow, RowDistribution
from bayes_guided.exceptions import ReadingError


class Reading(ABC):
    """A way to read inclusion odds off a density over rows."""

    @abstractmethod
    def log_odds(self, density: RowDistribution) -> Float[Tensor, "units"]:
        """log P(present) - log P(absent) of every unit, nats, float64.

        Raises:
            ReadingError: if the reading does not exist for this family, with the reason.
        """

    def rate_factor(self, density: RowDistribution, log_odds: Float[Tensor, "units"]) -> Float[Tensor, "units"]:
        """By what to multiply the density's rates so that it has these log odds: the exact inverse of `log_odds`.

        Raises:
            ReadingError: as `log_odds`; or if the log odds are not finite, or no rate that float64 holds has them.
        """
        if not bool(torch.isfinite(log_odds).all()):
            raise ReadingError("log odds must be finite; a unit that is certain to stay is protected: guidance 0.")
        factor = self._rate_factor(density, log_odds.detach().double())
        bad = ~(torch.isfinite(factor) & (factor > 0))
        if bool(bad.any()):
            raise ReadingError(
                f"log odds of {log_odds[bad][0].item():g} nats need a rate that float64 cannot hold; ask for odds nearer to 1."
            )
        return factor

    @abstractmethod
    def _rate_factor(self, density: RowDistribution, log_odds: Float[Tensor, "units"]) -> Float[Tensor, "units"]:
        """The inverse at finite log odds, float64; 0 or infinite where no rate can be held."""


@dataclass(frozen=True)
class Threshold(Reading):
    """P(size > tau), the size being the norm that the family penalises: ||row||_1 for RowLaplace, else ||row||_2 (P10).

    Raises:
        ReadingError: if tau is not positive and finite.
    """

    tau: float

    def __post_init__(self) -> None:
        _require_positive("tau", self.tau)

    def log_odds(self, density: RowDistribution) -> Float[Tensor, "units"]:
        """From the Gamma law of the penalty (P1, P10); the horseshoe's by quadrature (P4)."""
        rate = _rate(density)
        if isinstance(density, GroupHorseshoe):
            return norm_log_odds(rate.log() + math.log(self.tau), density.dim)
        shape, power = _gamma_law(density)
        return gamma_log_odds(torch.full_like(rate, shape), rate * self.tau**power)

    def _rate_factor(self, density: RowDistribution, log_odds: Float[Tensor, "units"]) -> Float[Tensor, "units"]:
        """The inverse incomplete gamma function (P10); for the horseshoe, of its quadrature."""
        rate = _rate(density)
        if isinstance(density, GroupHorseshoe):
            return torch.exp(norm_level(log_odds, density.dim) - math.log(self.tau)) / rate
        shape, power = _gamma_law(density)
        return gamma_quantile(torch.full_like(rate, shape), log_odds) / self.tau**power / rate


@dataclass(frozen=True)
class _AtCurvature(Reading):
    """A reading at a curvature h of the summed negative log likelihood per weight.

    Raises:
        ReadingError: if the curvature is not positive and finite.
    """

    curvature: float

    def __post_init__(self) -> None:
        _require_positive("curvature", self.curvature)


@dataclass(frozen=True)
class Shrinkage(_AtCurvature):
    """P(kappa < 1/2), kappa = 1 / (1 + h s), at a curvature h of the summed negative log likelihood per weight (P16).

    Raises:
        ReadingError: if the curvature is not positive and finite.
    """

    def log_odds(self, density: RowDistribution) -> Float[Tensor, "units"]:
        """The tail of the mixing law at s = 1 / h."""
        if isinstance(density, GroupLaplace):
            shape = torch.full_like(_rate(density), (density.dim + 1) / 2)
            return gamma_log_odds(shape, _rate(density).square() / (2 * self.curvature))
        if isinstance(density, GroupHorseshoe):
            root = torch.full_like(_rate(density), math.sqrt(self.curvature))
            return torch.log(torch.atan2(root, _rate(density)) / torch.atan2(_rate(density), root))
        raise _no_mixing_law(density)

    def _rate_factor(self, density: RowDistribution, log_odds: Float[Tensor, "units"]) -> Float[Tensor, "units"]:
        """The inverse of the mixing law's tail."""
        if isinstance(density, GroupLaplace):
            shape = torch.full_like(_rate(density), (density.dim + 1) / 2)
            return (2 * self.curvature * gamma_quantile(shape, log_odds)).sqrt() / _rate(density)
        if isinstance(density, GroupHorseshoe):
            # The smaller of the two angles: the tangent of the other loses its distance to a right angle.
            tangent = torch.tan(math.pi / 2 * torch.sigmoid(-log_odds.abs()))
            ratio = torch.where(log_odds > 0, tangent, 1 / tangent)
            return math.sqrt(self.curvature) * ratio / _rate(density)
        raise _no_mixing_law(density)


@dataclass(frozen=True)
class Evidence(_AtCurvature):
    """Prior odds alpha Z(r), alpha = (h / 2 pi)^(D / 2), at a curvature h of the summed NLL per weight (P11).

    Under these odds, differences of the MAP objective between a unit's presence and absence are posterior log odds in
    Laplace's approximation.

    Raises:
        ReadingError: if the curvature is not positive and finite.
    """

    def log_odds(self, density: RowDistribution) -> Float[Tensor, "units"]:
        """log Z(r) + (D / 2) log(h / 2 pi)."""
        normalizer = _homogeneous(density)._log_normalizer().detach()
        return normalizer + density.dim / 2 * math.log(self.curvature / (2 * math.pi))

    def _rate_factor(self, density: RowDistribution, log_odds: Float[Tensor, "units"]) -> Float[Tensor, "units"]:
        """From Z(c r) = c^(-D / k) Z(r) for a penalty of degree k (P1)."""
        degree = _homogeneous(density).degree
        return torch.exp((self.log_odds(density) - log_odds) * degree / density.dim)


_MEANINGS = {
    "tau": "the size of a row from which its unit counts as present",
    "curvature": "that of the summed negative log likelihood per weight; infer.mean_curvature(fit, data) measures it",
}


def reading_of(name: str, *, tau: float | None = None, curvature: float | None = None) -> Reading:
    """The reading of that name with what it needs.

    Raises:
        ReadingError: if the name is unknown, or its `tau` or `curvature` is missing.
    """
    if name == "inclusion":
        raise ReadingError(
            'a continuous guided prior has no models in it, so the reading "inclusion" does not exist; use "threshold", '
            '"shrinkage" or "evidence", or a SpikeAndSlabPrior.'
        )
    needs = {"threshold": ("tau", tau, Threshold), "shrinkage": ("curvature", curvature, Shrinkage)}
    needs["evidence"] = ("curvature", curvature, Evidence)
    if name not in needs:
        raise ReadingError(f'there is no reading "{name}"; there are {", ".join(needs)} and, for spike and slab, inclusion.')
    argument, value, reading = needs[name]
    if value is None:
        raise ReadingError(f'the reading "{name}" needs {argument}=..., {_MEANINGS[argument]}.')
    return reading(value)


def _gamma_law(density: RowDistribution) -> tuple[float, float]:
    """Shape of the penalty's Gamma law, and the power of the size in the penalty (P1, P10)."""
    if isinstance(density, GroupLaplace | RowLaplace):
        return float(density.dim), 1.0
    if isinstance(density, GroupSqrtLaplace):
        return 2.0 * density.dim, 0.5
    if isinstance(density, RowNormal):
        return density.dim / 2, 2.0
    if isinstance(density, SparseGroupLaplace):
        raise ReadingError(
            "the sparse group family has no threshold reading: P(||row||_2 > tau) has no closed form, and measured by its own "
            "penalty the survival does not depend on the guidance (P10). Read it as evidence, or use GroupLaplace."
        )
    raise ReadingError(f"{type(density).__name__} has no threshold reading: the law of its rows' size is not known here.")


def _homogeneous(density: RowDistribution) -> HomogeneousRow:
    if isinstance(density, HomogeneousRow):
        return density
    raise ReadingError(
        f"{type(density).__name__} has no evidence reading: its density is unbounded at zero, so that there is no guided "
        "regulariser that it could be the MAP of (P4)."
    )


def _no_mixing_law(density: RowDistribution) -> ReadingError:
    return ReadingError(
        f"{type(density).__name__} has no shrinkage reading: it is no mixture of normals N(0, s I) over rows with a law of s "
        "that is known in closed form and not a point (P16). GroupLaplace and GroupHorseshoe have one."
    )


def _rate(density: RowDistribution) -> Float[Tensor, "units"]:
    return density._reference.detach().double()


def _require_positive(name: str, value: float) -> None:
    if not (isinstance(value, numbers.Real) and math.isfinite(value) and value > 0):
        raise ReadingError(f"{name}={value!r}: give a positive finite number.")
