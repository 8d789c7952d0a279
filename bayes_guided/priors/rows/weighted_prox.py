"""Proximal operators in a metric with one entry per weight: Newton on the row's norm (P23).

Minimise `1/2 sum_j D_j (x_j - a_j)^2 + kappa * Omega(x)` for every row at once. Slower than the per-row metric by the
iterations below; the fixed point of training is the same MAP. Members of an ensemble may come first everywhere.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

_MAX_ITERATIONS = 100
_SCAN = 32


def soft_threshold(
    rows: Float[Tensor, "*members units row"],
    kappa: Float[Tensor, "*#members units"],
    metric: Float[Tensor, "*members units row"],
) -> Float[Tensor, "*members units row"]:
    """The prox of `kappa * ||row||_1`: each entry has its own threshold kappa / D_j."""
    return (rows.abs() - kappa[..., None] / metric).clamp_min_(0).copysign_(rows)


def ridge(
    rows: Float[Tensor, "*members units row"],
    kappa: Float[Tensor, "*#members units"],
    metric: Float[Tensor, "*members units row"],
) -> Float[Tensor, "*members units row"]:
    """The prox of `kappa * ||row||_2^2`."""
    return rows / (1 + 2 * kappa[..., None] / metric)


def group(
    rows: Float[Tensor, "*members units row"],
    kappa: Float[Tensor, "*#members units"],
    metric: Float[Tensor, "*members units row"],
) -> Float[Tensor, "*members units row"]:
    """The prox of `kappa * ||row||_2`: 0 iff `||D a|| <= kappa`, else `x_j = D_j a_j rho / (D_j rho + kappa)`.

    rho, the norm of the result, solves `||D a / (D rho + kappa)|| = 1`. The reciprocal of that norm is concave and
    increasing in rho, so Newton from the left rises to the root (P23); it stops where rounding ends the rise.
    """
    pulled = metric * rows
    norm = pulled.norm(dim=-1)
    alive = norm > kappa
    rho = ((norm - kappa) / metric.amax(dim=-1)).clamp_min(0)
    for _ in range(_MAX_ITERATIONS):
        denominator = metric * rho[..., None] + kappa[..., None]
        terms = (pulled / denominator).square()
        total = terms.sum(dim=-1)
        phi = total.rsqrt()
        slope = phi.pow(3) * (terms * metric / denominator).sum(dim=-1)
        rises = alive & (phi < 1)
        following = torch.where(rises, rho + (1 - phi) / slope, rho)
        if not bool((following > rho).any()):
            break
        rho = following
    scaled = pulled * rho[..., None] / (metric * rho[..., None] + kappa[..., None])
    return _kept(rows, scaled, kappa, alive)


def group_sqrt(
    rows: Float[Tensor, "*members units row"],
    kappa: Float[Tensor, "*#members units"],
    metric: Float[Tensor, "*members units row"],
) -> Float[Tensor, "*members units row"]:
    """The prox of `kappa * sqrt(||row||_2)`.

    Every stationary point is `x_j = D_j a_j / (D_j + kappa / (2 rho^1.5))` with rho its norm. A very uneven metric has
    several (P23), so the curve of these points is scanned for the norm of least objective, and the map from a norm to the
    norm of its point is iterated from there: each iteration minimises a quadratic above the concave penalty, so the
    objective only falls. The row 0 is kept where it is better.
    """
    norms = _best_scanned(rows, kappa, metric)
    result = rows
    for _ in range(_MAX_ITERATIONS):
        result = _stationary(rows, kappa, metric, norms)
        following = result.norm(dim=-1)
        if bool(((norms - following).abs() <= torch.finfo(rows.dtype).eps * norms).all()):
            break
        norms = following
    better = _sqrt_objective(result, rows, kappa, metric) < 0.5 * (metric * rows.square()).sum(dim=-1)
    return _kept(rows, result, kappa, better)


def _best_scanned(
    rows: Float[Tensor, "*members units row"],
    kappa: Float[Tensor, "*#members units"],
    metric: Float[Tensor, "*members units row"],
) -> Float[Tensor, "*members units"]:
    """The norm of least objective on a grid that spans all stationary norms, [(kappa / (2 ||D a||))^2, ||a||] (P23)."""
    highest = rows.norm(dim=-1)
    tiny = torch.finfo(rows.dtype).tiny
    lowest = (kappa / (2 * (metric * rows).norm(dim=-1)).clamp_min(tiny)).square().clamp_min(tiny)
    best, least = highest, _sqrt_objective(rows, rows, kappa, metric)
    for place in torch.linspace(0, 1, _SCAN, dtype=rows.dtype, device=rows.device):
        norms = torch.lerp(highest.clamp_min(tiny).log(), lowest.log(), place).exp()
        value = _sqrt_objective(_stationary(rows, kappa, metric, norms), rows, kappa, metric)
        best, least = torch.where(value < least, norms, best), torch.minimum(value, least)
    return best


def _stationary(
    rows: Float[Tensor, "*members units row"],
    kappa: Float[Tensor, "*#members units"],
    metric: Float[Tensor, "*members units row"],
    norms: Float[Tensor, "*members units"],
) -> Float[Tensor, "*members units row"]:
    bend = kappa / (2 * norms**1.5).clamp_min(torch.finfo(rows.dtype).tiny)
    return metric * rows / (metric + bend[..., None])


def _sqrt_objective(
    x: Float[Tensor, "*members units row"],
    rows: Float[Tensor, "*members units row"],
    kappa: Float[Tensor, "*#members units"],
    metric: Float[Tensor, "*members units row"],
) -> Float[Tensor, "*members units"]:
    return 0.5 * (metric * (x - rows).square()).sum(dim=-1) + kappa * x.norm(dim=-1).sqrt()


def _kept(
    rows: Float[Tensor, "*members units row"],
    result: Float[Tensor, "*members units row"],
    kappa: Float[Tensor, "*#members units"],
    alive: Bool[Tensor, "*members units"],
) -> Float[Tensor, "*members units row"]:
    """The result where the unit is alive, else 0; the row to the bit where kappa is 0 (a protected unit)."""
    shrunk = torch.where(alive[..., None], result, torch.zeros_like(rows))
    return torch.where((kappa == 0)[..., None], rows, shrunk)
