"""The three integrals of the group horseshoe at rate 1 (P4), by quadrature in the log domain, float64."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from .quadrature import NATS, even_nodes, left_reach, log_gamma_nodes, log_integral, right_reach
from .spherical import log_sphere_area


def log_density(norm: Float[Tensor, "*shape"], dim: int) -> Float[Tensor, "*shape"]:
    """Log density at a row of this norm, in nats, differentiable in the norm; +inf with derivative 0 at norm 0.

    Error below 1e-10 nats, but for dim 1 at norms under 1e-10 (1e-8 at 1e-30). Memory: 256 float64 numbers per row.

    Gamma(a) U(a, a, x) is the integral of t^(a-1) exp(-x t) / (1 + t) over t > 0, with a = (d+1)/2 and x = norm^2 / 2.
    """
    x = norm.square() / 2
    zero = x == 0
    log_constant = -dim / 2 * math.log(2 * math.pi) - math.log(math.pi)
    return (log_constant + _log_tricomi(x.masked_fill(zero, 1.0), (dim + 1) / 2)).masked_fill(zero, math.inf)


def norm_survival(level: Float[Tensor, "*shape"], dim: int) -> Float[Tensor, "*shape"]:
    """P(norm > level), a fraction: the mean of (2/pi) arctan(X / level) over X ~ chi with `dim` degrees of freedom."""
    log_half_square, weights = log_gamma_nodes(dim / 2, level)
    chi = (2 * log_half_square.exp()).sqrt()
    return 2 / math.pi * (torch.atan2(chi, level.unsqueeze(-1)) * weights).sum(dim=-1)


def unit_entropy(dim: int, reference: Tensor) -> Float[Tensor, ""]:
    """Differential entropy in nats of a row of `dim` weights, on the device of `reference`.

    The density of log ||w|| falls as exp(-|v|) on both sides of log sqrt(d), so a plain trapezoid rule is exact.
    """
    centre = torch.tensor(math.log(dim) / 2, dtype=torch.float64, device=reference.device)
    log_norm = even_nodes(centre - NATS - 4, centre + NATS + 4)
    log_row = log_density(log_norm.exp(), dim)
    log_radial = log_sphere_area(dim) + dim * log_norm + log_row
    weights = torch.softmax(log_radial, dim=-1)
    return -(weights * log_row).sum()


def _log_tricomi(x: Float[Tensor, "*shape"], a: float) -> Float[Tensor, "*shape"]:
    """log[Gamma(a) U(a, a, x)] for x > 0, a >= 1: the integral over v = log t of exp(a v - x exp(v)) / (1 + exp(v))."""
    with torch.no_grad():
        nodes = _tricomi_nodes(x, a)
    # torch's default threshold of 20 would drop log(1 + exp(-v)) while it is still far above rounding.
    log_one_plus_t = torch.nn.functional.softplus(nodes, threshold=40)
    values = a * nodes - x.unsqueeze(-1) * nodes.exp() - log_one_plus_t
    return log_integral(values, nodes)


def _tricomi_nodes(x: Float[Tensor, "*shape"], a: float) -> Float[Tensor, "*shape nodes"]:
    """Nodes that hold all of the integrand above exp(-NATS) of its peak.

    The peak t solves a = x t + t / (1 + t). To its left f falls by at least x t (D - 1 + exp(-D)), and also by at least
    a D - x t - log(1 + t). To the right of log(a / x) it falls by at least a (exp(D) - 1 - D).
    """
    slope = x + 1 - a
    root = (slope * slope + 4 * a * x).sqrt()
    peak = torch.where(slope > 0, 2 * a / (slope + root), (root - slope) / (2 * x))
    mass = x * peak
    reach = torch.minimum(left_reach(mass), (NATS + mass + peak.log1p()) / a)
    upper = math.log(a) - x.log() + right_reach(torch.full_like(x, a))
    return even_nodes(peak.log() - reach, upper)
