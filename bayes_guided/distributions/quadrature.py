"""Trapezoid rule for log-concave integrands exp(f(v)) on the real line, in the log domain.

On an analytic integrand that falls to nothing at both ends the rule converges geometrically. The ends come from
closed-form bounds on how far f stays within `NATS` of its peak, so that no peak is missed, however narrow or wide.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

NATS = 38.0
"""exp(-38) is a tenth of float64's rounding."""

NODES = 256


def left_reach(mass: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """A D with mass (D - 1 + exp(-D)) >= NATS, within a few percent: where exp(v) is what lowers the slope of f."""
    need = NATS / mass
    # x - 1 + exp(-x) >= x^2 / (2 + x) for x >= 0
    return (need + (need * need + 8 * need).sqrt()) / 2


def right_reach(mass: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """A D with mass (exp(D) - 1 - D) >= NATS: beyond it f has fallen by NATS if -mass exp(D) is what ends it."""
    # exp(x) - 1 - x >= cosh(x) - 1 = 2 sinh^2(x / 2)
    return 2 * torch.asinh((NATS / (2 * mass)).sqrt())


def even_nodes(lower: Float[Tensor, "*shape"], upper: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape nodes"]:
    """NODES evenly spaced points from `lower` to `upper`, along a new last axis."""
    fraction = torch.linspace(0, 1, NODES, dtype=lower.dtype, device=lower.device)
    return lower.unsqueeze(-1) + (upper - lower).unsqueeze(-1) * fraction


def log_integral(log_values: Float[Tensor, "*shape nodes"], nodes: Float[Tensor, "*shape nodes"]) -> Float[Tensor, "*shape"]:
    """log of the integral of exp(f), from f at evenly spaced nodes; differentiable in the values."""
    return torch.logsumexp(log_values, dim=-1) + (nodes[..., 1] - nodes[..., 0]).log()


def log_gamma_nodes(concentration: float, reference: Tensor) -> tuple[Float[Tensor, "nodes"], Float[Tensor, "nodes"]]:
    """Nodes v = log t and probability weights of t ~ Gamma(concentration, 1), float64 on the device of `reference`."""
    a = torch.tensor(concentration, dtype=torch.float64, device=reference.device)
    nodes = even_nodes(a.log() - left_reach(a), a.log() + right_reach(a))
    log_density = a * nodes - nodes.exp() - math.lgamma(concentration)
    return nodes, log_density.exp() * (nodes[1] - nodes[0])
