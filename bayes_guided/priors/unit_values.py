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
