"""Numbers per unit as priors take them: one tensor per group, checked and in float64."""

from collections.abc import Mapping

import torch
from torch import Tensor

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import StrengthError, SurvivalError
from bayes_guided.guidance import Guidance


def per_unit(architecture: Architecture, values: Mapping[str, Tensor], what: str) -> dict[str, Tensor]:
    """Float64 copies on the CPU of values (units,) for every group, in network order; `what` names them in errors.

    Raises:
        SurvivalError: if a group is missing or unknown, or a tensor has the wrong shape or is not finite.
    """
    names = [group.name for group in architecture.groups]
    if set(values) != set(names):
        raise SurvivalError(f"{what} were given for groups {sorted(values)}; the prior needs {sorted(names)}.")
    result = {}
    for group in architecture.groups:
        value = values[group.name].detach().cpu().double()
        if value.shape != (group.size,):
            raise SurvivalError(
                f"{what} of group '{group.name}' have shape {tuple(value.shape)}; give one per unit, ({group.size},)."
            )
        bad = ~torch.isfinite(value)
        if bad.any():
            unit = int(bad.nonzero()[0])
            raise SurvivalError(f"{what} of group '{group.name}', unit {unit}, is {value[unit].item()}; it must be finite.")
        result[group.name] = value
    return result


def probabilities_per_unit(
    architecture: Architecture, values: Mapping[str, Tensor], what: str, mend: str
) -> dict[str, Tensor]:
    """As `per_unit`, of probabilities that are neither 0 nor 1; `mend` says what to do about one that is.

    Raises:
        SurvivalError: if one does not lie strictly between 0 and 1, or as `per_unit`.
    """
    result = per_unit(architecture, values, what)
    for name, value in result.items():
        bad = (value <= 0) | (value >= 1)
        if bad.any():
            unit = int(bad.nonzero()[0])
            raise SurvivalError(
                f"{what} of group '{name}', unit {unit}, is {value[unit].item()}; it must lie strictly between 0 and 1. {mend}"
            )
    return result


def increments_of_survival(architecture: Architecture, survival: Mapping[str, Tensor], *, strict: bool) -> dict[str, Tensor]:
    """Increments log S(u - 1) / S(u) of the cumulative hazard, in nats, from survivals S that fall along each group (P12).

    Raises:
        SurvivalError: if a survival rises from one unit to the next (or stays, if `strict`), or as
            `probabilities_per_unit`.
    """
    mend = "Protect units that must stay (guidance 0); remove those that must go."
    result = {}
    for name, value in probabilities_per_unit(architecture, survival, "survivals", mend).items():
        log_survival = value.log()
        increments = torch.cat([-log_survival[:1], -log_survival.diff()])
        bad = (increments <= 0) if strict else (increments < 0)
        if bad.any():
            unit = int(bad.nonzero()[0])
            raise SurvivalError(
                f"survivals of group '{name}' must fall from unit to unit{'' if strict else ' or stay'}: unit {unit} has "
                f"{value[unit].item()} after {value[unit - 1].item()}. IndependentInclusion.from_survival takes any order."
            )
        result[name] = increments
    return result


def scaled_guidance(
    architecture: Architecture, guidance: Guidance, strength: float
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """`strength * g_u` of every unit, and which units are protected (g_u = 0, P6).

    Raises:
        StrengthError: if the strength is not positive and finite.
        GuidanceError: as `guidance.coefficients`.
    """
    require_strength(strength)
    coefficients = guidance.coefficients(architecture)
    values = {name: strength * value.detach().cpu().double() for name, value in coefficients.items()}
    return values, {name: value == 0 for name, value in values.items()}


def require_strength(strength: float) -> None:
    """Refuses a strength that is not positive and finite.

    Raises:
        StrengthError: if so.
    """
    if not 0 < strength < float("inf"):
        raise StrengthError(f"strength={strength}: it must be positive and finite.")
