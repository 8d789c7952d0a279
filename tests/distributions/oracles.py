"""Independent truths for the densities over rows: adaptive quadrature and Monte Carlo bounds, in SciPy and NumPy."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from scipy import integrate, optimize, special
from torch import Tensor

DIMS = (1, 2, 3, 37, 100, 2000)


def log_integral(log_f: Callable[[float], float], lower: float, upper: float) -> float:
    """log of the integral of exp(log_f) over [lower, upper] for a unimodal log_f, by adaptive quadrature at its peak."""
    grid = np.linspace(lower, upper, 1201)
    values = np.array([log_f(v) for v in grid])
    best = int(values.argmax())
    bracket = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    peak = optimize.minimize_scalar(lambda v: -log_f(v), bounds=bracket, method="bounded", options={"xatol": 1e-12}).x
    top = log_f(peak)
    alive = grid[values > top - 80]
    left = min(alive[0] if alive.size else peak, bracket[0])
    right = max(alive[-1] if alive.size else peak, bracket[1])
    edges = np.unique(np.concatenate([np.linspace(left, peak, 13), np.linspace(peak, right, 13)]))
    pieces = [
        integrate.quad(lambda v: math.exp(log_f(v) - top), a, b, epsabs=1e-15, epsrel=1e-13)[0] for a, b in pairwise(edges)
    ]
    return top + math.log(math.fsum(pieces))


def log_sphere_area(dim: int) -> float:
    """log of the surface area of the unit sphere in `dim` dimensions."""
    return math.log(2) + dim / 2 * math.log(math.pi) - special.gammaln(dim / 2)


def radial_log_integral(log_density: Callable[[float], float], dim: int) -> float:
    """log of the integral over R^dim of a density that depends on the norm only, given as a function of the norm."""
    return log_sphere_area(dim) + log_integral(lambda v: dim * v + log_density(math.exp(v)), -60, 60)


def assert_mean(draws: Tensor, expected: Tensor | float) -> None:
    """The mean of the draws along the first axis is the expected one, to four standard errors of each entry."""
    draws = draws.detach().double()
    error = draws.std(dim=0) / math.sqrt(len(draws))
    z = (draws.mean(dim=0) - torch.as_tensor(expected, dtype=torch.float64)).abs() / error
    assert float(z.max()) < 4, f"off by {float(z.max()):.1f} standard errors"


def float64(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)
