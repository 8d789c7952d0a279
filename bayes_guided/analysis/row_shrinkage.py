"""The shrinkage reading after the data: P(s > 1 / h | row) for a density that mixes normals, row | s ~ N(0, s I) (P16).

Given the row, its mixing scale s is independent of the data, so that the posterior survival P(kappa < 1/2 | D),
kappa = 1 / (1 + h s), is the mean over draws of the row of what is computed here.

Group Laplace, rate r, n = ||row||: s | row is generalised inverse Gaussian with index 1/2, so that 1/s is inverse Gaussian
with mean r / n and shape r^2. With a = sqrt(h) n and b = r / sqrt(h)

    P(s > 1/h | row) = Phi(a - b) + exp(2 a b) Phi(-a - b).

Group horseshoe, rate g, rows of d weights: t = 1/s has density proportional to t^((d-1)/2) exp(-t n^2 / 2) / (t + g^2),
log-concave in log t; the masses on both sides of h are two quadratures, so that neither is lost as the other nears 1.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.analysis.half_line import gauss_legendre, log_mass_above, log_mass_below
from bayes_guided.analysis.implied import Shrinkage
from bayes_guided.distributions import GroupHorseshoe, GroupLaplace, mills
from bayes_guided.distributions.base import RowDistribution
from bayes_guided.exceptions import RowShapeError

Values = Float[Tensor, "*shape"]

_NARROW = 0.5
_NODES = 12
_CHUNK = 2**15  # rows at a time: 64 nodes or more each


def row_shrinkage_log_odds(
    density: RowDistribution, rows: Float[Tensor, "*draws units row"], curvature: float
) -> Float[Tensor, "*draws units"]:
    """log P(s > 1/h | row) - log P(s < 1/h | row) of every row, nats, float64, at a curvature h of the summed NLL per weight.

    `rows` hold the weights that the density is over; rows of exactly zero have finite odds under the group Laplace, and
    minus infinity under the horseshoe, which is unbounded there.

    Raises:
        ReadingError: if the family is no mixture with a law of s that is known, as `implied.Shrinkage`; or the curvature is
            not positive and finite.
        RowShapeError: if the rows are not as long as the density's.
    """
    Shrinkage(curvature).log_odds(density)  # the same families and curvatures have the reading before and after the data
    if rows.shape[-1] != density.dim:
        raise RowShapeError(f"rows of {rows.shape[-1]} weights do not fit a density over rows of {density.dim}.")
    norm = torch.linalg.vector_norm(rows.detach().double(), dim=-1)
    rate = density._reference.detach().double().expand_as(norm)
    if isinstance(density, GroupLaplace):
        return _group_laplace(math.sqrt(curvature) * norm, rate / math.sqrt(curvature))
    assert isinstance(density, GroupHorseshoe)  # Shrinkage has refused all others
    parts = zip(norm.flatten().split(_CHUNK), rate.flatten().split(_CHUNK), strict=True)
    odds = [_horseshoe(*part, density.dim, math.log(curvature)) for part in parts]
    return torch.cat(odds).reshape(norm.shape)


# Group Laplace ------------------------------


def _group_laplace(a: Values, b: Values) -> Values:
    """The log odds from a = sqrt(h) n and b = r / sqrt(h).

    exp(2 a b) Phi(-a - b) = exp(-(a - b)^2 / 2) erfcx((a + b) / sqrt(2)) / 2, which cannot overflow.
    """
    common = -0.5 * (a - b).square() - math.log(2)
    echo = common + torch.special.erfcx((a + b) / math.sqrt(2)).log()
    present = torch.logaddexp(torch.special.log_ndtr(a - b), echo)
    return present - _log_absent(a, b, common, echo)


def _log_absent(a: Values, b: Values, common: Values, echo: Values) -> Values:
    """log [Phi(b - a) - exp(2 a b) Phi(-a - b)], also where the two nearly cancel because b is small."""
    x, reach = a / math.sqrt(2), b / math.sqrt(2)
    narrow = (reach < _NARROW) | (reach < 0.1 * x)
    drop = _erfcx_drop(x, torch.where(narrow, reach, 0.1))
    right = a >= b  # there the difference of two erfcx cannot overflow
    ends = torch.special.erfcx(torch.where(right, x - reach, 0.0)) - torch.special.erfcx(x + reach)
    tail = torch.where(right, common + torch.where(right & ~narrow, ends, 1.0).log(), 0.0)
    bulk = torch.where(right | narrow, 0.5, torch.special.ndtr(b - a) - echo.exp()).log()
    return torch.where(narrow, common + drop.log(), torch.where(right, tail, bulk))


def _erfcx_drop(x: Values, reach: Values) -> Values:
    """erfcx(x - reach) - erfcx(x + reach) as the integral of -erfcx', which is a product of positive numbers.

    -erfcx'(u) = (2 / sqrt(pi)) R(c) E[Y](c) at c = sqrt(2) u, with Mills' ratio R and the cut normal's mean (`mills`).
    """
    nodes, weights = gauss_legendre(_NODES, x.device)
    c = math.sqrt(2) * (x.unsqueeze(-1) + reach.unsqueeze(-1) * nodes)
    return 2 / math.sqrt(math.pi) * reach * (mills.mean(c) / mills.hazard(c) * weights).sum(dim=-1)


# Group horseshoe ------------------------------


def _horseshoe(norm: Values, rate: Values, dim: int, log_h: float) -> Values:
    """The two masses of v = log t, t = 1/s; the mode lies where t n^2 is between d - 1 and d + 1."""
    zero = norm == 0
    log_square, log_rate = 2 * norm.masked_fill(zero, 1.0).log(), 2 * rate.log()

    def log_density(v: Float[Tensor, "*shape nodes"]) -> Float[Tensor, "*shape nodes"]:
        bulk = (dim + 1) / 2 * v - (v + log_square.unsqueeze(-1)).exp() / 2
        return bulk - torch.logaddexp(v, log_rate.unsqueeze(-1).expand_as(v))

    border = torch.full_like(norm, log_h)
    scale = math.log(dim + 1) - log_square
    above = log_mass_above(log_density, border, torch.maximum(scale, border))
    below = log_mass_below(log_density, border, torch.minimum(torch.minimum(scale, log_rate), border))
    return (below - above).masked_fill(zero, -torch.inf)
