"""Minima and roots of functions of one variable by search: the second computation of every argmin in this folder."""

from collections.abc import Callable

import numpy as np
from scipy import optimize

GRID = 2001


def minimum(function: Callable[[float], float], low: float, high: float) -> tuple[float, float]:
    """(argmin, min) over [low, high], several local minima allowed: a grid, then a bounded search around its best."""
    grid = np.linspace(low, high, GRID)
    values = [function(float(x)) for x in grid]
    best = int(np.argmin(values))
    bounds = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, GRID - 1)])
    found = optimize.fminbound(function, *bounds, xtol=1e-12, full_output=True)
    if values[best] <= found[1]:
        return float(grid[best]), float(values[best])
    return float(found[0]), float(found[1])


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Root of a continuous function that changes sign between low and high, to rounding error."""
    return float(optimize.root_scalar(function, bracket=(low, high), method="brentq", xtol=1e-300, rtol=1e-14).root)
