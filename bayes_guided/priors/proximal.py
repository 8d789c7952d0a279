"""Proximal operators of the row penalties, in the metric that one second moment per row gives (P22).

In a metric that is constant within a row every operator is a soft threshold of the entries, then a factor that depends on
the row's norm. Thresholds are `kappa = step * rate`, one per row. The same operators in a metric with one entry per weight
are in `weighted_prox.py`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.priors import weighted_prox


@dataclass(frozen=True)
class RadialOperator:
    """The prox of a function of the row's norm: a factor on the row, or its form in a metric per weight (P23)."""

    factor: Callable[[Float[Tensor, "units"], Float[Tensor, "units"]], Float[Tensor, "units"]]
    weighted: Callable[..., Float[Tensor, "units row"]]


@dataclass(frozen=True, eq=False)
class ProxPlan:
    """The prox of a row penalty: soft thresholds at `soft` (rates, if any), then the radial operator at its rates."""

    soft: Float[Tensor, "units"] | None
    radial: tuple[RadialOperator, Float[Tensor, "units"]] | None

    def apply(self, rows: Float[Tensor, "units row"], step: Float[Tensor, "units"]) -> Float[Tensor, "units row"]:
        """The minimiser of `||x - row||^2 / (2 step) + r Omega(x)`, row by row."""
        if self.soft is not None:
            rows = soft_threshold(rows, step * self.soft)
        if self.radial is not None:
            operator, rates = self.radial
            rows = rows * operator.factor(rows.norm(dim=1), step * rates)[:, None]
        return rows

    def apply_weighted(
        self, rows: Float[Tensor, "units row"], metric: Float[Tensor, "units row"]
    ) -> Float[Tensor, "units row"]:
        """The minimiser of `sum_j metric_j (x_j - row_j)^2 / 2 + r Omega(x)`, row by row."""
        if self.soft is not None:
            rows = weighted_prox.soft_threshold(rows, self.soft, metric)
        if self.radial is not None:
            operator, rates = self.radial
            rows = operator.weighted(rows, rates, metric)
        return rows


def soft_threshold(rows: Float[Tensor, "units *row"], kappa: Float[Tensor, "units"]) -> Float[Tensor, "units *row"]:
    """The prox of `kappa * ||row||_1`: entries moved towards 0 by kappa, exactly 0 within it."""
    column = kappa.reshape(-1, *([1] * (rows.dim() - 1)))
    return (rows.abs() - column).clamp_min_(0).copysign_(rows)


def ridge_factor(norms: Float[Tensor, "units"], kappa: Float[Tensor, "units"]) -> Float[Tensor, "units"]:
    """The factor by which the prox of `kappa * ||row||_2^2` shrinks a row; never 0, whatever the norm."""
    return 1 / (1 + 2 * kappa)


def group_factor(norms: Float[Tensor, "units"], kappa: Float[Tensor, "units"]) -> Float[Tensor, "units"]:
    """The factor by which the prox of `kappa * ||row||_2` shrinks a row: `(1 - kappa / ||row||)_+`."""
    return (1 - kappa / norms.clamp_min(torch.finfo(norms.dtype).tiny)).clamp_min_(0)


def group_sqrt_factor(norms: Float[Tensor, "units"], kappa: Float[Tensor, "units"]) -> Float[Tensor, "units"]:
    """The factor by which the prox of `kappa * sqrt(||row||_2)` shrinks a row.

    0 up to `||row|| = 1.5 kappa^(2/3)`; beyond it the larger root of the cubic, so the norm jumps to `kappa^(2/3)`
    [Xu2012].
    """
    alive = norms > 1.5 * kappa ** (2 / 3)
    safe = norms.where(alive, 1.0)
    angle = torch.arccos((kappa.where(alive, 0.0) / 4 * (safe / 3) ** -1.5).clamp_max(1))
    factor = (2 / 3) * (1 + torch.cos(2 * math.pi / 3 - (2 / 3) * angle))
    return factor.where(alive, 0.0)


RIDGE = RadialOperator(ridge_factor, weighted_prox.ridge)
GROUP = RadialOperator(group_factor, weighted_prox.group)
GROUP_SQRT = RadialOperator(group_sqrt_factor, weighted_prox.group_sqrt)
