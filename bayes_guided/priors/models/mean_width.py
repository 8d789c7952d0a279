"""One unknown per group, solved for so that the mean number of present units is the wanted one (P12, P14)."""

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float
from scipy.optimize import root_scalar
from torch import Tensor

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import WidthLawError
from bayes_guided.guidance import Guidance
from bayes_guided.priors.unit_values import scaled_guidance

_LOG_STRENGTHS = (-700.0, 700.0)
"""Logarithms of the smallest and largest strength of a hazard that is searched."""


def costs_of_mean_width(
    group: str,
    guided: Float[Tensor, "units"],
    protected: Bool[Tensor, "units"],
    mean_width: Mapping[str, float],
    *,
    offset: bool,
) -> Float[Tensor, "units"]:
    """Costs a + guided_u (`offset`) or s * guided_u of independent units with the wanted mean number of present units.

    The mean is monotone in the unknown, so a bracketing root finder meets it to rounding.

    Raises:
        WidthLawError: if the group has no wanted mean, or it cannot be attained.
    """
    values = guided[~protected]
    fixed = int(protected.sum())
    most = fixed + len(values) * (1.0 if offset else 0.5)
    mend = "" if offset else "; a strength of 0 or less would be needed: give `strength=` to solve for an offset instead"
    wanted = wanted_mean(group, mean_width, fixed, most, mend)
    costs: Callable[[float], Tensor] = (lambda x: guided + x) if offset else (lambda x: guided * x)

    def excess(x: float) -> float:
        return float(torch.sigmoid(-costs(x)[~protected]).sum()) + fixed - wanted

    low, high = (-1.0, 1.0) if offset else (0.0, 1.0)
    while excess(high) > 0:
        high *= 2
    while offset and excess(low) < 0:
        low *= 2
    return costs(root_scalar(excess, bracket=(low, high), method="brentq", xtol=1e-300, rtol=1e-15, maxiter=500).root)


def increments_of_mean_width(
    architecture: Architecture, guidance: Guidance, mean_width: Mapping[str, float]
) -> tuple[dict[str, Float[Tensor, "_"]], dict[str, Bool[Tensor, "_"]]]:
    """Increments s * g_u of the cumulative hazard, one s per group, with the wanted mean widths; and the protected units.

    Unit u survives with probability exp(-s (g_1 + ... + g_u)), so that the mean falls from all units to the protected
    ones as s rises: there is exactly one s.

    Raises:
        WidthLawError: if a group has no wanted mean, or it does not lie between its protected units and all units.
        GuidanceError: as `guidance.coefficients`.
    """
    shapes, protected = scaled_guidance(architecture, guidance, 1.0)
    increments = {}
    for name, shape in shapes.items():
        fixed = int(protected[name].sum())
        wanted = wanted_mean(name, mean_width, fixed, len(shape))
        increments[name] = shape * _strength_of_hazard(shape[~protected[name]].cumsum(0), wanted - fixed)
    return increments, protected


def _strength_of_hazard(hazard: Float[Tensor, "units"], wanted: float) -> float:
    def excess(log_strength: float) -> float:
        return float(torch.exp(-math.exp(log_strength) * hazard).sum()) - wanted

    return math.exp(root_scalar(excess, bracket=_LOG_STRENGTHS, method="brentq", xtol=1e-14, rtol=1e-14).root)


def wanted_mean(group: str, mean_width: Mapping[str, float], low: float, high: float, mend: str = "") -> float:
    """The mean width wanted of a group; `mend` is added where it is refused.

    Raises:
        WidthLawError: if there is none, or it does not lie strictly between `low`, its protected units, and `high`.
    """
    if group not in mean_width:
        raise WidthLawError(f"there is no mean width for group '{group}'; give one for every group.")
    wanted = float(mean_width[group])
    if not low < wanted < high:
        raise WidthLawError(
            f"a mean width of {wanted:g} in group '{group}' is out of range under this prior: it must lie strictly between "
            f"{low:g} and {high:g}, protected units counted{mend}."
        )
    return wanted
