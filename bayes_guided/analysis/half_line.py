"""Masses of log-concave densities exp(f) above and below a border, by Gauss-Legendre quadrature, in the log domain.

Where the border cuts through the bulk the trapezoid rule of `distributions.quadrature` would lose its accuracy; Gauss's rule
converges geometrically up to the border.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.distributions.quadrature import NATS

Values = Float[Tensor, "*shape"]
PerNode = Float[Tensor, "*shape nodes"]
LogDensity = Callable[[PerNode], PerNode]

_NODES = 64
_NODES_PER_UNIT = 4  # singularities no nearer to the real line than pi: the error is about exp(-4 pi * 4)
_RIGHT, _LEFT = 5.0, 42.0
_SECTIONS = 60


def log_mass_above(log_density: LogDensity, border: Values, scale: Values) -> Values:
    """log of the integral of exp(f) from `border` up, nats.

    `scale`, at least the border, is where f starts to fall like -exp(v): by more than float64 holds within 5 of it.
    """
    return _log_mass(log_density, border, scale + _RIGHT)


def log_mass_below(log_density: LogDensity, border: Values, scale: Values) -> Values:
    """log of the integral of exp(f) up to `border`, nats.

    `scale`, at most the border, is where f starts to fall with a slope of 1 or more.
    """
    return _log_mass(log_density, scale - _LEFT, border)


def gauss_legendre(nodes: int, device: torch.device) -> tuple[Float[Tensor, "nodes"], Float[Tensor, "nodes"]]:
    """Nodes in (-1, 1) and weights of Gauss's rule, float64."""
    places, weights = _rule(nodes)
    return torch.tensor(places, dtype=torch.float64, device=device), torch.tensor(weights, dtype=torch.float64, device=device)


def _log_mass(log_density: LogDensity, low: Values, high: Values) -> Values:
    def at(v: Values) -> Values:
        return log_density(v.unsqueeze(-1)).squeeze(-1)

    mode = _mode(at, low, high)
    floor = at(mode) - NATS
    left, right = _edge(at, floor, mode, low), _edge(at, floor, mode, high)
    count = max(_NODES, 2 ** math.ceil(math.log2(max(1.0, _NODES_PER_UNIT * float((right - left).max())))))
    nodes, weights = gauss_legendre(count, low.device)
    half = (right - left) / 2
    values = log_density(left.unsqueeze(-1) + half.unsqueeze(-1) * (1 + nodes))
    return torch.logsumexp(values + weights.log(), dim=-1) + half.log()


def _mode(at: Callable[[Values], Values], low: Values, high: Values) -> Values:
    """Where f is largest between the ends, by thirds: near enough to tell where exp(f) has fallen to nothing."""
    for _ in range(_SECTIONS):
        first, second = low + (high - low) / 3, high - (high - low) / 3
        rises = at(first) < at(second)
        low, high = torch.where(rises, first, low), torch.where(rises, high, second)
    return (low + high) / 2


def _edge(at: Callable[[Values], Values], floor: Values, inner: Values, outer: Values) -> Values:
    """The point between the mode and an end where f crosses the floor; the end itself if f does not."""
    outside = outer
    for _ in range(_SECTIONS // 2):
        middle = (inner + outside) / 2
        holds = at(middle) > floor
        inner, outside = torch.where(holds, middle, inner), torch.where(holds, outside, middle)
    return outside


@lru_cache(maxsize=16)
def _rule(nodes: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    places, weights = np.polynomial.legendre.leggauss(nodes)
    return tuple(places.tolist()), tuple(weights.tolist())
