"""The strength of a cost under which models have the wanted cost on average (P13, P14)."""

import math
from collections.abc import Callable

from scipy.optimize import root_scalar

from bayes_guided.exceptions import ComplexityError

_LOG_SPAN = 46.0
"""Logarithm of how far below one nat per wanted cost the strength is searched: 20 powers of ten."""

_LEAST_EXCESS = 1e-9
"""Fraction by which a mean must lie above the cheapest model's cost for rounding not to hide it."""


def strength_of_mean_cost(mean_cost: Callable[[float], float], wanted: float, cheapest: float) -> float:
    """The beta > 0 at which `mean_cost(beta)` is `wanted`, where the cheapest model costs `cheapest`.

    The mean falls as beta rises, since its derivative is minus the variance of the cost: there is one beta, or none.

    Raises:
        ComplexityError: if there is none: the mean wanted is not above the cheapest model's cost, or not below the mean of
            models without a preference.
    """
    if not wanted > cheapest * (1 + _LEAST_EXCESS):
        raise ComplexityError(f"a mean cost of {wanted:g} is not above that of the cheapest model, {cheapest:g}; give more.")
    low = high = -math.log(wanted)
    low -= _LOG_SPAN

    def excess(log_beta: float) -> float:
        return mean_cost(math.exp(log_beta)) - wanted

    if not excess(low) > 0:
        raise ComplexityError(
            f"a mean cost of {wanted:g} would need beta at or below 0: without a preference for cheap models the mean is "
            f"{mean_cost(math.exp(low)):g} already; give less."
        )
    while excess(high) > 0:
        high += 2.0
    return math.exp(root_scalar(excess, bracket=(low, high), method="brentq", xtol=1e-14, rtol=1e-14).root)
