"""Log odds that a group horseshoe's row is larger than a threshold, in both tails, and their inverse (P4).

The norm over the half-Cauchy's median is X |C| with X ~ chi and C Cauchy, so it exceeds a level l with probability
E[(2/pi) arctan(X / l)] and stays below with E[(2/pi) arctan(l / X)]: two integrals of their own, so that neither is
lost as the other nears 1. Both are taken over v = log(X^2 / 2), where X^2 / 2 is Gamma, by the trapezoid rule.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.distributions.quadrature import NATS, NODES, left_reach, right_reach

PerRow = Float[Tensor, "*units"]
PerNode = Float[Tensor, "*units nodes"]

# The integrands are analytic within pi / 2 of the real line: the trapezoid rule's error is exp(-pi^2 / spacing).
_SPACING = 0.25
_CONVERGED = 1e-9  # of log(level); Newton's method squares it


def norm_log_odds(log_level: PerRow, dim: int) -> PerRow:
    """log P(X |C| > level) - log P(X |C| <= level) for rows of `dim` weights, nats, float64."""
    return _odds_and_slope(log_level.detach().double(), dim)[0]


def norm_level(log_odds: PerRow, dim: int) -> PerRow:
    """The log of the level that X |C| exceeds with these log odds: the inverse of `norm_log_odds`, float64.

    By Newton's method in the log of the level, in which the odds are almost a line (slopes between -4 / pi and -0.83
    were measured for rows of 1 to 2000 weights), so that it converges from anywhere.
    """
    wanted = log_odds.detach().double()
    log_level = math.log(dim) / 2 - wanted
    while True:
        found, slope = _odds_and_slope(log_level, dim)
        step = (wanted - found) / slope
        log_level = log_level + step
        if bool((step.abs() <= _CONVERGED * (1 + log_level.abs())).all()):
            return log_level


def _odds_and_slope(log_level: PerRow, dim: int) -> tuple[PerRow, PerRow]:
    """Log odds, and their derivative in the log of the level."""
    log_x, log_weights = _nodes(log_level, dim)
    excess = log_level.unsqueeze(-1) - log_x
    above = torch.logsumexp(log_weights + _log_arctan_exp(-excess), dim=-1)
    below = torch.logsumexp(log_weights + _log_arctan_exp(excess), dim=-1)
    # arctan(exp(z)) has the derivative 1 / (2 cosh z).
    change = torch.logsumexp(log_weights - excess.abs() - torch.log1p(torch.exp(-2 * excess.abs())), dim=-1)
    return above - below, -torch.exp(change - above) - torch.exp(change - below)


def _nodes(
    log_level: Float[Tensor, "*units"], dim: int
) -> tuple[Float[Tensor, "*units nodes"], Float[Tensor, "*units nodes"]]:
    """log X at nodes that hold both integrals to float64's rounding, and the log of X's density there, up to a factor.

    To the left the density falls like exp(a v), a = dim / 2, but arctan(l / X) rises like exp(-v / 2) until X is below l.
    """
    a = torch.tensor(dim / 2, dtype=torch.float64, device=log_level.device)
    meeting = torch.minimum(2 * log_level - math.log(2), a.log())
    lower = meeting - left_reach(a)
    if dim > 1:
        lower = torch.maximum(lower, a.log() - left_reach(a - 0.5))
    upper = (a.log() + right_reach(a)).expand_as(lower)
    count = max(NODES, math.ceil(float((upper - lower).max()) / _SPACING))
    fraction = torch.linspace(0, 1, count, dtype=torch.float64, device=log_level.device)
    nodes = lower.unsqueeze(-1) + (upper - lower).unsqueeze(-1) * fraction
    return (nodes + math.log(2)) / 2, a * nodes - nodes.exp()


def _log_arctan_exp(z: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """log arctan(exp(z)), also where exp(z) underflows."""
    return torch.where(z < -NATS / 2, z, torch.atan(z.exp()).log())
