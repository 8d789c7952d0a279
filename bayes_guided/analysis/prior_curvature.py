"""The Hessian of a weight prior's penalty at rows that are not zero, as Laplace's approximation needs it.

Penalties of a row's norm, phi(||w||), have the Hessian (phi' / n) (I - u u') + phi'' u u' with u = w / n, n = ||w||; L1
penalties are linear off zero. Both have a kink where the row, or the weight, is zero: there is no Laplace posterior.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from bayes_guided.distributions import GroupLaplace, GroupSqrtLaplace, RowLaplace, RowNormal, SparseGroupLaplace
from bayes_guided.distributions.base import HomogeneousRow, RowDistribution
from bayes_guided.exceptions import NoMAPError


@dataclass(frozen=True, eq=False)
class PenaltyCurvature:
    """Per row the Hessian `level` I - `loss` u u', u the row's direction, over its weights that are `smooth`.

    `smooth` says where the penalty has a second derivative: not at the zeros of a penalty with a kink there.
    """

    level: Float[Tensor, "units"]
    loss: Float[Tensor, "units"]
    smooth: Bool[Tensor, "units row"]


def penalty_curvature(density: RowDistribution, rows: Float[Tensor, "units row"]) -> PenaltyCurvature:
    """The Hessian of minus the log density of every row, float64; rows that are nowhere smooth have level 0.

    Raises:
        NoMAPError: if the density is unbounded (the group horseshoe).
    """
    rows = rows.detach().double()
    alive = rows.any(dim=1)
    norm = torch.linalg.vector_norm(rows, dim=1).masked_fill(~alive, 1.0)
    zero = torch.zeros_like(norm)
    if isinstance(density, RowNormal):
        return PenaltyCurvature(2 * density.rate.double().expand_as(norm), zero, torch.ones_like(rows, dtype=torch.bool))
    if isinstance(density, GroupLaplace):
        level, loss, smooth = density.rate.double() / norm, 1.0, alive[:, None].expand_as(rows)
    elif isinstance(density, GroupSqrtLaplace):
        level, loss, smooth = density.rate.double() / (2 * norm**1.5), 1.5, alive[:, None].expand_as(rows)
    elif isinstance(density, SparseGroupLaplace):
        level, loss, smooth = density.group_rate.double() / norm, 1.0, rows != 0
    elif isinstance(density, RowLaplace):
        level, loss, smooth = zero, 0.0, rows != 0
    else:
        raise NoMAPError(f"{type(density).__name__} is unbounded at zero: it has no MAP around which to expand (P4).")
    level = torch.where(alive, level, zero)
    return PenaltyCurvature(level, loss * level, smooth)


def restricted_log_normalizer(density: HomogeneousRow, units: Int[Tensor, "units"], dim: int) -> Float[Tensor, "units"]:
    """log Z in nats of the units' densities over the first `dim` weights when the others are 0: the same rates, fewer weights.

    The density of d - dim weights at 0 under the prior is Z(dim) / Z(d), and given these zeros the others have Z(dim).
    """
    if dim == 0:
        return torch.zeros(len(units), dtype=torch.float64, device=units.device)
    return of_units(density, units, dim)._log_normalizer().detach()


def of_units(density: HomogeneousRow, units: Int[Tensor, "some"], dim: int) -> HomogeneousRow:
    """The densities of some units, at their rates, over rows of `dim` weights."""
    rates = [getattr(density, name)[units] for name in density.arg_constraints]
    return type(density)(*rates, dim)  # pyright: ignore[reportCallIssue]
