"""From what is believed of the models back to the guidance that says so (P10, P11, P14, P16)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from scipy.optimize import root_scalar
from torch import Tensor

from bayes_guided.analysis.implied import Reading, reading_of
from bayes_guided.architecture import Architecture, UnitGroup
from bayes_guided.distributions.base import RowDistribution
from bayes_guided.exceptions import SurvivalError, WidthLawError
from bayes_guided.guidance.profiles import Coefficients, Guidance, linear

_LOG_SCALES = (-700.0, 700.0)
"""Logarithms of the smallest and largest factor on a profile that is searched."""


@runtime_checkable
class WeightFamily(Protocol):
    """What the inverse needs of a weight prior: rates in proportion to the guidance, and a density at those rates."""

    def rates(self, guidance: Float[Tensor, "units"], dim: int) -> Float[Tensor, "units"]:
        """The rate of every unit."""
        ...

    def distribution(self, rates: Float[Tensor, "units"], dim: int) -> RowDistribution:
        """The density over rows at those rates."""
        ...


def from_survival(
    survival: Mapping[str, Float[Tensor, "_"]],
    weights: WeightFamily,
    *,
    reading: str,
    tau: float | None = None,
    curvature: float | None = None,
) -> Guidance:
    """The guidance under which a prior with these `weights` on whole rows gives every unit the wanted survival.

    `survival` holds one probability per unit for every group. `GuidedPrior(..., weights, guidance).model_prior(reading)`
    of the same reading gives exactly these survivals back. The coefficients are not brought to mean 1: their size is part
    of the answer, at the weight prior's strength.

    Raises:
        ReadingError: if the family has no such reading, or its `tau` or `curvature` is missing.
        SurvivalError: when the guidance meets an architecture: if a group is missing, of the wrong length, or a survival is
            not strictly between 0 and 1 (a unit that must stay is protected instead).
    """
    return _FromSurvival(dict(survival), weights, reading_of(reading, tau=tau, curvature=curvature))


def from_width(
    mean_width: Mapping[str, int | float],
    weights: WeightFamily,
    *,
    reading: str,
    tau: float | None = None,
    curvature: float | None = None,
    profile: Guidance | None = None,
) -> Guidance:
    """The multiple of a `profile` (linear by default) under which the mean width of every group is the wanted one.

    Mean widths count units, protected units of the profile among them. Solved per group by bisection in the logarithm of
    the factor: the mean width falls as guidance rises.

    Raises:
        ReadingError: as `from_survival`.
        WidthLawError: when the guidance meets an architecture: if a group is missing, or its width cannot be attained.
    """
    meaning = reading_of(reading, tau=tau, curvature=curvature)
    return _FromWidth(dict(mean_width), weights, meaning, linear() if profile is None else profile)


class _PerUnit(Guidance):
    """Guidance whose group factors are the groups' mean coefficients."""

    def group_factors(self, architecture: Architecture) -> Float[Tensor, "groups"]:
        return torch.stack([values.mean() for values in self.coefficients(architecture).values()])


@dataclass(frozen=True)
class _FromSurvival(_PerUnit):
    survival: dict[str, Float[Tensor, "_"]]
    weights: WeightFamily
    reading: Reading

    def coefficients(self, architecture: Architecture) -> Coefficients:
        _require_all(architecture, self.survival, SurvivalError)
        return {group.name: self._of(group) for group in architecture.groups}

    def _of(self, group: UnitGroup) -> Float[Tensor, "units"]:
        wanted = torch.as_tensor(self.survival[group.name]).detach().cpu().double()
        if wanted.shape != (group.size,):
            raise SurvivalError(
                f"survivals of group '{group.name}' have shape {tuple(wanted.shape)}; give one per unit, ({group.size},)."
            )
        bad = ~((wanted > 0) & (wanted < 1))
        if bad.any():
            unit = int(bad.nonzero()[0])
            raise SurvivalError(
                f"the survival of group '{group.name}', unit {unit}, is {wanted[unit].item()}; give a number strictly between "
                "0 and 1. A unit that must stay is protected: guidance 0."
            )
        unit_guidance = torch.ones(group.size, dtype=torch.float64)
        density = self.weights.distribution(self.weights.rates(unit_guidance, group.row_dim), group.row_dim)
        return self.reading.rate_factor(density, torch.logit(wanted))


@dataclass(frozen=True)
class _FromWidth(_PerUnit):
    mean_width: dict[str, float]
    weights: WeightFamily
    reading: Reading
    profile: Guidance

    def coefficients(self, architecture: Architecture) -> Coefficients:
        _require_all(architecture, self.mean_width, WidthLawError)
        shapes = self.profile.coefficients(architecture)
        return {group.name: shapes[group.name] * self._scale(group, shapes[group.name]) for group in architecture.groups}

    def _scale(self, group: UnitGroup, shape: Float[Tensor, "units"]) -> float:
        guided = shape[shape > 0]
        protected, wanted = group.size - len(guided), self.mean_width[group.name]

        def excess(log_scale: float) -> float:
            rates = self.weights.rates(guided * math.exp(log_scale), group.row_dim)
            odds = self.reading.log_odds(self.weights.distribution(rates, group.row_dim))
            return protected + float(torch.sigmoid(odds).sum()) - wanted

        low, high = self._bracket(group, guided)
        if not (protected < wanted < group.size and excess(low) > 0 > excess(high)):
            raise WidthLawError(
                f"a mean width of {wanted} cannot be attained in group '{group.name}', which has {group.size} units of which "
                f"{protected} are protected; give a number between {protected} and {group.size}."
            )
        return math.exp(root_scalar(excess, bracket=(low, high), method="brentq", xtol=1e-14, rtol=1e-14).root)

    def _bracket(self, group: UnitGroup, guided: Float[Tensor, "units"]) -> tuple[float, float]:
        """Factors at which all units are surely in, and surely out: beyond those where single units are at odds e^+-50."""
        density = self.weights.distribution(self.weights.rates(guided, group.row_dim), group.row_dim)
        near = [self.reading.rate_factor(density, torch.full_like(guided, odds)).log() for odds in (50.0, -50.0)]
        return max(_LOG_SCALES[0], float(near[0].min())), min(_LOG_SCALES[1], float(near[1].max()))


def _require_all(
    architecture: Architecture, given: Mapping[str, object], error: type[SurvivalError] | type[WidthLawError]
) -> None:
    names = [group.name for group in architecture.groups]
    if set(given) != set(names):
        raise error(f"values were given for groups {sorted(given)}; give one entry for each of {names}.")
