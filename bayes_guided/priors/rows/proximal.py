"""Proximal operators of the row penalties, in the metric that one second moment per row gives (P22).

In a metric that is constant within a row every operator is a soft threshold of the entries, then a factor that depends on
the row's norm. Thresholds are `kappa = step * rate`, one per row. The same operators in a metric with one entry per weight
are in `weighted_prox.py`. Members of an ensemble may come first everywhere: each row is on its own.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.exceptions import ConfigError
from bayes_guided.priors.rows import weighted_prox


@dataclass(frozen=True)
class RadialOperator:
    """The prox of a function of the rows' norms: a factor on each row, or its form in a metric per weight (P23).

    `couples_units` marks an operator that looks at several rows at once; it is exact in a metric that all rows share.
    """

    factor: Callable[[Float[Tensor, "*members units"], Float[Tensor, "*#members units"]], Float[Tensor, "*members units"]]
    weighted: Callable[..., Float[Tensor, "*members units row"]] | None
    couples_units: bool = False


@dataclass(frozen=True, eq=False)
class ProxPlan:
    """The prox of a row penalty: soft thresholds at `soft` (rates, if any), then the radial operator at its rates."""

    soft: Float[Tensor, "units"] | None
    radial: tuple[RadialOperator, Float[Tensor, "units"]] | None

    @property
    def couples_units(self) -> bool:
        """Whether the operator is exact only in a metric that all rows of the group share."""
        return self.radial is not None and self.radial[0].couples_units

    def apply(
        self, rows: Float[Tensor, "*members units row"], step: Float[Tensor, "*#members units"]
    ) -> Float[Tensor, "*members units row"]:
        """The minimiser of `||x - row||^2 / (2 step) + r Omega(x)`, row by row."""
        if self.soft is not None:
            rows = soft_threshold(rows, step * self.soft)
        if self.radial is not None:
            operator, rates = self.radial
            rows = rows * operator.factor(rows.norm(dim=-1), step * rates)[..., None]
        return rows

    def apply_weighted(
        self, rows: Float[Tensor, "*members units row"], metric: Float[Tensor, "*members units row"]
    ) -> Float[Tensor, "*members units row"]:
        """The minimiser of `sum_j metric_j (x_j - row_j)^2 / 2 + r Omega(x)`, row by row.

        Raises:
            ConfigError: if the operator has no exact form in such a metric (the tree group lasso).
        """
        if self.soft is not None:
            rows = weighted_prox.soft_threshold(rows, self.soft, metric)
        if self.radial is not None:
            operator, rates = self.radial
            if operator.weighted is None:
                raise ConfigError('the tree group lasso has no exact prox in a metric per weight; use metric="row".')
            rows = operator.weighted(rows, rates, metric)
        return rows


def soft_threshold(rows: Float[Tensor, "*rows"], kappa: Float[Tensor, "*members units"]) -> Float[Tensor, "*rows"]:
    """The prox of `kappa * ||row||_1`: entries moved towards 0 by kappa, exactly 0 within it.

    Rows are (*members, units, ...).
    """
    column = kappa.reshape(*kappa.shape, *([1] * (rows.dim() - kappa.dim())))
    return (rows.abs() - column).clamp_min_(0).copysign_(rows)


def ridge_factor(
    norms: Float[Tensor, "*members units"], kappa: Float[Tensor, "*#members units"]
) -> Float[Tensor, "*members units"]:
    """The factor by which the prox of `kappa * ||row||_2^2` shrinks a row; never 0, whatever the norm."""
    return 1 / (1 + 2 * kappa)


def group_factor(
    norms: Float[Tensor, "*members units"], kappa: Float[Tensor, "*#members units"]
) -> Float[Tensor, "*members units"]:
    """The factor by which the prox of `kappa * ||row||_2` shrinks a row: `(1 - kappa / ||row||)_+`."""
    return (1 - kappa / norms.clamp_min(torch.finfo(norms.dtype).tiny)).clamp_min_(0)


def group_sqrt_factor(
    norms: Float[Tensor, "*members units"], kappa: Float[Tensor, "*#members units"]
) -> Float[Tensor, "*members units"]:
    """The factor by which the prox of `kappa * sqrt(||row||_2)` shrinks a row.

    0 up to `||row|| = 1.5 kappa^(2/3)`; beyond it t^2, t being the largest root of `t^3 - t + s = 0` with
    `s = kappa / (2 ||row||^1.5)`, so the norm jumps to `kappa^(2/3)` (P22) [Xu2012].
    """
    alive = norms > 1.5 * kappa ** (2 / 3)
    bend = kappa / (2 * norms**1.5).clamp_min(torch.finfo(norms.dtype).tiny)
    bend = bend.where(alive, 0.0)
    root = (2 / math.sqrt(3)) * torch.cos(torch.arccos(-1.5 * math.sqrt(3) * bend) / 3)
    # t^2 = 1 - s / t keeps the shrinkage exact where it is small, and the factor exactly 1 where kappa is 0.
    return (1 - bend / root).where(alive | (kappa == 0), 0.0)


def tree_factor(
    norms: Float[Tensor, "*members units"], kappa: Float[Tensor, "*#members units"]
) -> Float[Tensor, "*members units"]:
    """The factors by which the prox of `sum_k kappa_k ||rows k to U||_2` shrinks the rows; zeros are nested (P22).

    The nested groups' operators one after the other, innermost (the last row) first [Jenatton2011]: each shrinks the rows
    from k on by one factor, so that a row's factor is the product over k up to its own place.
    """
    if norms.dim() > 1:
        members = zip(norms.flatten(0, -2), kappa.expand_as(norms).flatten(0, -2), strict=True)
        return torch.stack([tree_factor(norm, threshold) for norm, threshold in members]).reshape(norms.shape)
    squared, own = 0.0, []
    for norm, threshold in zip(reversed(norms.tolist()), reversed(kappa.tolist()), strict=True):
        squared += norm**2
        shrink = max(0.0, 1 - threshold / math.sqrt(squared)) if squared > 0 else 0.0
        own.append(shrink)
        squared *= shrink**2
    return norms.new_tensor(own[::-1]).cumprod(dim=0)


RIDGE = RadialOperator(ridge_factor, weighted_prox.ridge)
GROUP = RadialOperator(group_factor, weighted_prox.group)
GROUP_SQRT = RadialOperator(group_sqrt_factor, weighted_prox.group_sqrt)
TREE = RadialOperator(tree_factor, weighted=None, couples_units=True)
