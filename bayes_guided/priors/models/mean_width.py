"""Costs of independent units with a wanted mean number of units (P14)."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float
from scipy.optimize import root_scalar
from torch import Tensor

from bayes_guided.exceptions import WidthLawError


def costs_of_mean_width(
    group: str,
    guided: Float[Tensor, "units"],
    protected: Bool[Tensor, "units"],
    mean_width: Mapping[str, float],
    *,
    offset: bool,
) -> Float[Tensor, "units"]:
    """Costs a + guided_u (`offset`) or s * guided_u such that the mean number of present units is as wanted.

    The mean is monotone in the unknown, so a bracketing root finder meets it to rounding.

    Raises:
        WidthLawError: if the group has no wanted mean, or it cannot be attained.
    """
    if group not in mean_width:
        raise WidthLawError(f"there is no mean width for group '{group}'; give one for every group.")
    values = guided[~protected]
    fixed = int(protected.sum())
    wanted = float(mean_width[group])
    most = fixed + len(values) * (1.0 if offset else 0.5)
    if not fixed < wanted < most:
        mend = "" if offset else "; a strength of 0 or less would be needed: give `strength=` to solve for an offset instead"
        raise WidthLawError(
            f"a mean width of {wanted} in group '{group}' is out of range: it must lie between {fixed} (its protected "
            f"units) and {most}{mend}."
        )
    costs: Callable[[float], Tensor] = (lambda x: guided + x) if offset else (lambda x: guided * x)

    def excess(x: float) -> float:
        return float(torch.sigmoid(-costs(x)[~protected]).sum()) + fixed - wanted

    low, high = (-1.0, 1.0) if offset else (0.0, 1.0)
    while excess(high) > 0:
        high *= 2
    while offset and excess(low) < 0:
        low *= 2
    return costs(root_scalar(excess, bracket=(low, high), method="brentq", xtol=1e-300, rtol=1e-15, maxiter=500).root)
