r"""One-dimensional integrals whose integrand spans hundreds of orders of magnitude.

The trapezoid rule on the whole line is exponentially convergent for an integrand that is analytic in a strip
and decays at both ends; Simpson's rule, which doubles the step for half of the points, is not better there.
So every integral over $(0,\infty)$ in this folder is written in $\log$ of its variable, cut where it has
fallen by $e^{-50}$, and summed in the log domain.
"""

from collections.abc import Callable

import numpy as np
from scipy.integrate import quad
from scipy.special import logsumexp

from theory.arrays import FloatArray

Scalar = Callable[[float], float]

DROP = 50.0  # nats below the peak at which the integrand is cut: a relative error of about 1e-21
POINTS = 4001


def window(log_integrand: Callable[[FloatArray], FloatArray], low: float, high: float) -> FloatArray:
    """Grid of 4001 points over the part of (low, high) that matters: within 50 nats of the (single) peak."""
    coarse = np.linspace(low, high, POINTS)
    values = log_integrand(coarse)
    kept = np.flatnonzero(values > values.max() - DROP)
    return np.linspace(coarse[max(kept[0] - 1, 0)], coarse[min(kept[-1] + 1, POINTS - 1)], POINTS)


def log_integral(log_integrand: Callable[[FloatArray], FloatArray], low: float, high: float) -> float:
    """log of the integral of exp(log_integrand) for a unimodal integrand that lives in (low, high)."""
    grid = window(log_integrand, low, high)
    step = (grid[-1] - grid[0]) / (POINTS - 1)
    return float(logsumexp(log_integrand(grid)) + np.log(step))


def integral(integrand: Scalar, low: float, high: float) -> float:
    """Adaptive quadrature of a smooth function to about 1e-11, absolute or relative."""
    return float(quad(integrand, low, high, epsabs=1e-12, epsrel=1e-12, limit=400)[0])
