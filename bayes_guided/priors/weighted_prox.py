"""Proximal operators in a metric with one entry per weight: Newton on the row's norm (P23).

Minimise `1/2 sum_j D_j (x_j - a_j)^2 + kappa * Omega(x)` for every row at once. Slower than the per-row metric by the
iterations below; the fixed point of training is the same MAP.
"""

import torch
from jaxtyping import Float
from torch import Tensor

_MAX_ITERATIONS = 100


def soft_threshold(
    rows: Float[Tensor, "units row"], kappa: Float[Tensor, "units"], metric: Float[Tensor, "units row"]
) -> Float[Tensor, "units row"]:
    """The prox of `kappa * ||row||_1`: each entry has its own threshold kappa / D_j."""
    return torch.nn.functional.relu(rows.abs() - kappa[:, None] / metric).copysign_(rows)


def ridge(
    rows: Float[Tensor, "units row"], kappa: Float[Tensor, "units"], metric: Float[Tensor, "units row"]
) -> Float[Tensor, "units row"]:
    """The prox of `kappa * ||row||_2^2`."""
    return rows * metric / (metric + 2 * kappa[:, None])


def group(
    rows: Float[Tensor, "units row"], kappa: Float[Tensor, "units"], metric: Float[Tensor, "units row"]
) -> Float[Tensor, "units row"]:
    """The prox of `kappa * ||row||_2`: 0 iff `||D a|| <= kappa`, else `x_j = D_j a_j rho / (D_j rho + kappa)`.

    rho, the norm of the result, solves `||D a / (D rho + kappa)|| = 1`. The reciprocal of that norm is concave and
    increasing in rho, so Newton from the left rises to the root (P23); it stops where rounding ends the rise.
    """
    pulled = metric * rows
    norm = pulled.norm(dim=1)
    alive = norm > kappa
    rho = ((norm - kappa) / metric.amax(dim=1)).clamp_min(0)
    for _ in range(_MAX_ITERATIONS):
        denominator = metric * rho[:, None] + kappa[:, None]
        terms = (pulled / denominator).square()
        total = terms.sum(dim=1)
        phi = total.rsqrt()
        slope = phi.pow(3) * (terms * metric / denominator).sum(dim=1)
        rises = alive & (phi < 1)
        following = torch.where(rises, rho + (1 - phi) / slope, rho)
        if not bool((following > rho).any()):
            break
        rho = following
    scaled = pulled * rho[:, None] / (metric * rho[:, None] + kappa[:, None])
    return torch.where(alive[:, None], scaled, torch.zeros_like(rows))


def group_sqrt(
    rows: Float[Tensor, "units row"], kappa: Float[Tensor, "units"], metric: Float[Tensor, "units row"]
) -> Float[Tensor, "units row"]:
    """The prox of `kappa * sqrt(||row||_2)`.

    A stationary norm satisfies `rho = ||D a / (D + kappa / (2 rho^1.5))||`, whose right side increases with rho: the
    iteration from `||a||` falls to the largest solution, which is then compared with the row 0.
    """
    rho = rows.norm(dim=1)
    result = rows
    for _ in range(_MAX_ITERATIONS):
        bend = kappa / (2 * rho.clamp_min(torch.finfo(rho.dtype).tiny) ** 1.5)
        result = metric * rows / (metric + bend[:, None])
        following = result.norm(dim=1)
        if bool(((rho - following) <= torch.finfo(rho.dtype).eps * rho).all()):
            break
        rho = following
    kept = 0.5 * (metric * (result - rows).square()).sum(dim=1) + kappa * result.norm(dim=1).sqrt()
    removed = 0.5 * (metric * rows.square()).sum(dim=1)
    return torch.where((kept < removed)[:, None], result, torch.zeros_like(rows))
