"""Guidance: how strongly the prior wants each unit gone.

A `Guidance` gives every unit of every group a coefficient g_u >= 0. By default the coefficients of a group have mean 1, so
that `strength` keeps its meaning when the profile changes; g_u = 0 protects a unit (P6): it is present in every model.
Rising guidance along a layer makes narrow layers a priori more probable.

    linear()                                   # later units pressed harder
    linear().across(cost("macs"))              # and whole groups in proportion to what their units cost
    constant().across({"layer3.0.conv1": 2.0}) # one group twice as hard
"""

import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.architecture import Architecture, UnitGroup
from bayes_guided.exceptions import GuidanceError, ProtectedGroupError

Coefficients = dict[str, Float[Tensor, "units"]]


class Guidance(ABC):
    """Coefficients of the units of an architecture, and factors of its groups."""

    @abstractmethod
    def coefficients(self, architecture: Architecture) -> Coefficients:
        """The guidance coefficients g_u of every group, float64 of shape (units,).

        Raises:
            GuidanceError: if a coefficient is negative or not finite, a group is missing or of the wrong length, or a
                whole group has guidance 0.
            ProtectedGroupError: if a coefficient is given for a group that does not exist or is protected.
        """

    @abstractmethod
    def group_factors(self, architecture: Architecture) -> Float[Tensor, "groups"]:
        """One factor per group, in network order, as `across` uses this guidance."""

    def across(self, factors: "Guidance | Mapping[str, int | float]") -> "Guidance":
        """This guidance times a factor per group.

        `factors` is a profile read along the depth of the network (mean 1 over the groups), a `cost`, or a mapping from
        group names to plain factors (1 for the groups left out).

        Raises:
            GuidanceError: if `factors` is none of these.
        """
        if isinstance(factors, Guidance):
            return _Across(self, factors)
        if not isinstance(factors, Mapping):
            raise GuidanceError(f"across({factors!r}): give a profile, a cost, or a mapping {{group name: factor}}.")
        return _Across(self, _Factors(dict(factors)))


def constant() -> Guidance:
    """The same guidance, 1, for every unit: the unguided form of each regulariser."""
    return _Profile("constant()", lambda units: torch.ones(units, dtype=torch.float64))


def linear() -> Guidance:
    """Guidance rising in proportion to the unit's place: g_u = 2 (u + 1) / (U + 1)."""
    return polynomial(1.0)


def polynomial(power: int | float) -> Guidance:
    """Guidance proportional to (u + 1)^power; a negative power presses the first units hardest.

    Raises:
        GuidanceError: if the power is not finite, or (when the guidance is used) so large that coefficients vanish.
    """
    _require_finite("power", power)
    name = f"polynomial({power})"
    return _Profile(name, lambda units: _positive(name, _places(units) ** power))


def exponential(rate: int | float) -> Guidance:
    """Guidance proportional to exp(rate * u / U): the last unit is pressed about e^rate times as hard as the first.

    Raises:
        GuidanceError: if the rate is not finite, or (when the guidance is used) so large that coefficients vanish.
    """
    _require_finite("rate", rate)
    name = f"exponential({rate})"
    return _Profile(name, lambda units: _positive(name, torch.exp(rate * (_places(units) - 1))))


def step(free: int | float) -> Guidance:
    """Guidance 0 (protected) for the first `free` units of each group, equal for the others.

    `free` is a count if it is 1 or more, else a fraction of the group, rounded to whole units.

    Raises:
        GuidanceError: if `free` is negative, not finite, or a count that is not whole.
    """
    _require_finite("free", free)
    if free < 0 or (free > 1 and free != int(free)):
        raise GuidanceError(f"step(free={free}): give a whole number of units, or a fraction from 0 up to 1.")

    def shape(units: int) -> Float[Tensor, "units"]:
        count = int(free) if free >= 1 else round(free * units)
        return (torch.arange(units) >= count).double()

    return _Profile(f"step({free})", shape)


def cost(kind: Literal["parameters", "macs"]) -> Guidance:
    """Guidance in proportion to what one unit costs in the full network, mean 1 over all units.

    `kind` is "parameters" (count) or "macs" (multiply-accumulates). Units of one group cost the same, so this guidance
    differs across groups: combine it with a profile as `linear().across(cost("macs"))`.

    Raises:
        GuidanceError: if the kind is unknown.
    """
    if kind not in ("parameters", "macs"):
        raise GuidanceError(f'cost("{kind}") is unknown; give "parameters" or "macs".')
    return _Cost(kind)


def custom(
    values: Callable[[UnitGroup], Float[Tensor, "units"]] | Mapping[str, Float[Tensor, "units"]],
    *,
    normalise: bool = True,
) -> Guidance:
    """Guidance from a function of the group, or from a tensor per group name.

    With `normalise` each group's coefficients are divided by their mean. Groups that a mapping leaves out get 1. Given to
    `across`, its factors are the groups' means before that, with `normalise` divided by their own mean.

    Raises:
        GuidanceError: if `values` is neither.
    """
    if not (isinstance(values, Mapping) or callable(values)):
        raise GuidanceError(f"custom({values!r}): give a function of the group, or a mapping {{group name: coefficients}}.")
    return _Custom(values, normalise)


@dataclass(frozen=True, eq=False)
class _Profile(Guidance):
    """A shape along the units of any group; `name` is how it is written."""

    name: str
    shape: Callable[[int], Float[Tensor, "units"]]

    def coefficients(self, architecture: Architecture) -> Coefficients:
        return {group.name: _checked(group, _mean_one(self.shape(group.size))) for group in architecture.groups}

    def group_factors(self, architecture: Architecture) -> Float[Tensor, "groups"]:
        return _mean_one(self.shape(len(architecture.groups)))

    def __repr__(self) -> str:
        return self.name


class _PerGroup(Guidance):
    """The same coefficient, the group's factor, for all units of a group."""

    def coefficients(self, architecture: Architecture) -> Coefficients:
        factors = self.group_factors(architecture)
        return {
            group.name: _checked(group, factor.expand(group.size).clone())
            for group, factor in zip(architecture.groups, factors, strict=True)
        }


@dataclass(frozen=True, eq=False)
class _Cost(_PerGroup):
    kind: Literal["parameters", "macs"]

    def __repr__(self) -> str:
        return f"cost({self.kind!r})"

    def group_factors(self, architecture: Architecture) -> Float[Tensor, "groups"]:
        costs = architecture.costs
        unit_cost = costs.unit_parameters if self.kind == "parameters" else costs.unit_macs
        values = torch.tensor([float(unit_cost(group.name)) for group in architecture.groups], dtype=torch.float64)
        sizes = torch.tensor([float(group.size) for group in architecture.groups], dtype=torch.float64)
        return values * sizes.sum() / (values @ sizes)


@dataclass(frozen=True, eq=False)
class _Custom(Guidance):
    values: Callable[[UnitGroup], Float[Tensor, "units"]] | Mapping[str, Float[Tensor, "units"]]
    normalise: bool

    def coefficients(self, architecture: Architecture) -> Coefficients:
        if isinstance(self.values, Mapping):
            _require_groups(architecture, self.values)
        return {group.name: self._scaled(self._of(group)) for group in architecture.groups}

    def group_factors(self, architecture: Architecture) -> Float[Tensor, "groups"]:
        return self._scaled(torch.stack([self._of(group).mean() for group in architecture.groups]))

    def __repr__(self) -> str:
        source = self.values
        what = f"given for {', '.join(source)}" if isinstance(source, Mapping) else getattr(source, "__name__", "a function")
        return f"custom({what}, normalise={self.normalise})"

    def _scaled(self, values: Float[Tensor, "units"]) -> Float[Tensor, "units"]:
        return _mean_one(values) if self.normalise else values

    def _of(self, group: UnitGroup) -> Float[Tensor, "units"]:
        source = self.values
        given = source.get(group.name, torch.ones(group.size)) if isinstance(source, Mapping) else source(group)
        try:
            values = torch.as_tensor(given, dtype=torch.float64).detach().cpu()
        except (TypeError, ValueError, RuntimeError) as error:
            raise GuidanceError(f"guidance of group '{group.name}' is {given!r}; give one number per unit.") from error
        return _checked(group, values)


@dataclass(frozen=True, eq=False)
class _Factors(_PerGroup):
    """Plain factors of named groups."""

    factors: dict[str, float]

    def __repr__(self) -> str:
        return repr(self.factors)

    def group_factors(self, architecture: Architecture) -> Float[Tensor, "groups"]:
        _require_groups(architecture, self.factors)
        return torch.tensor([self.factors.get(group.name, 1.0) for group in architecture.groups], dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class _Across(Guidance):
    base: Guidance
    factors: Guidance

    def __repr__(self) -> str:
        return f"{self.base!r}.across({self.factors!r})"

    def coefficients(self, architecture: Architecture) -> Coefficients:
        base = self.base.coefficients(architecture)
        factors = self.factors.group_factors(architecture)
        return {
            group.name: _checked(group, base[group.name] * factor)
            for group, factor in zip(architecture.groups, factors, strict=True)
        }

    def group_factors(self, architecture: Architecture) -> Float[Tensor, "groups"]:
        return self.base.group_factors(architecture) * self.factors.group_factors(architecture)


def _places(units: int) -> Float[Tensor, "units"]:
    """The units' places in (0, 1]: 1/U, 2/U, ..., 1."""
    return torch.arange(1, units + 1, dtype=torch.float64) / units


def _positive(profile: str, values: Float[Tensor, "units"]) -> Float[Tensor, "units"]:
    """Values that were meant to be positive: one that rounds to 0 would protect its unit in silence."""
    if not bool(((values > 0) & torch.isfinite(values)).all()):
        raise GuidanceError(
            f"{profile} spreads {len(values)} units over more than floating point holds, so that some would count as "
            "protected; give a smaller number."
        )
    return values


def _mean_one(values: Float[Tensor, "units"]) -> Float[Tensor, "units"]:
    """Values over their mean; all zeros stay (and are refused by `_checked`)."""
    mean = values.mean()
    return values / mean if mean > 0 else values


def _checked(group: UnitGroup, values: Float[Tensor, "..."]) -> Float[Tensor, "units"]:
    if values.shape != (group.size,):
        raise GuidanceError(
            f"guidance of group '{group.name}' has shape {tuple(values.shape)}; give one coefficient per unit, "
            f"shape ({group.size},)."
        )
    bad = (~torch.isfinite(values)) | (values < 0)
    if bad.any():
        unit = int(bad.nonzero()[0])
        raise GuidanceError(
            f"guidance of group '{group.name}', unit {unit}, is {values[unit].item()}; "
            "every coefficient is finite and 0 (protected) or more."
        )
    if not (values > 0).any():
        raise GuidanceError(
            f"every unit of group '{group.name}' has guidance 0, so all of it is protected; name it in "
            "Architecture.from_module(..., protect=[...]) instead, or guide at least one unit."
        )
    return values


def _require_groups(architecture: Architecture, given: Mapping[str, object]) -> None:
    names = {group.name for group in architecture.groups}
    reasons = {layer.name: layer.reason for layer in architecture.protected}
    for name in given:
        if name in reasons:
            raise ProtectedGroupError(f"guidance was given for '{name}', which is protected ({reasons[name]}); leave it out.")
        if name not in names:
            raise ProtectedGroupError(f"guidance was given for '{name}', which is no group; the groups are {sorted(names)}.")


def _require_finite(name: str, value: int | float) -> None:
    if not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise GuidanceError(f"{name}={value!r} is not finite; give a finite number.")
