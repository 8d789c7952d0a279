"""The threshold reading of a guided prior: how probable it is, before any data, that a unit's row is larger than a size (P10).

The reading depends on the threshold, and at the thresholds that pruning uses it is 1 to double precision for every unit: a
continuous prior puts no mass on small models, even where its MAP has exact zeros. It is for looking at several thresholds
side by side, among them sizes that the data have left standing.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bayes_guided.analysis.implied import Threshold
from bayes_guided.priors.row_prior import RowPrior
from bayes_guided.priors.weights import Laplace


@dataclass(frozen=True, eq=False)
class GroupSurvival:
    """What the prior says of the units of one group beside what the MAP kept.

    `guidance` are the coefficients g_u. `prior` holds P(size of the row > threshold), a fraction, for each of the ascending
    `thresholds`, or is None where the family has no such reading. `alive` is True for rows that are not exactly zero.
    """

    group: str
    guidance: Float[Tensor, "units"]
    thresholds: Float[Tensor, "levels"]
    prior: Float[Tensor, "levels units"] | None
    alive: Bool[Tensor, "units"]


def threshold_survival(prior: RowPrior, thresholds: Float[Tensor, "levels"]) -> Float[Tensor, "levels units"]:
    """P(size of the penalised part of the row > threshold) per unit, a fraction, float64 (P10); 1 for protected units.

    The size is that of `row_sizes`. Protected units are present in every model, whatever their row (P6).

    Raises:
        ReadingError: if the family has no such reading (SparseGroupLaplace), or a threshold is not positive and finite.
    """
    levels = [prior.model_log_odds(Threshold(float(threshold))).sigmoid() for threshold in thresholds]
    survival = torch.stack(levels) if levels else torch.empty(0, len(prior.guidance), dtype=torch.float64)
    return survival.masked_fill(prior.protected, 1.0)


def row_sizes(prior: RowPrior, rows: Float[Tensor, "units row"]) -> Float[Tensor, "units"]:
    """The size of the penalised part of each row: its Euclidean norm, for Laplace the sum of absolute weights."""
    inside = rows.detach()[:, prior.columns.to(rows.device)]
    return inside.abs().sum(dim=1) if isinstance(prior.weights, Laplace) else inside.norm(dim=1)


def kept_sizes(sizes: Float[Tensor, "units"]) -> Float[Tensor, "levels"]:
    """Smallest, median and largest size that is not zero, ascending; none if all are zero.

    As thresholds they ask: how probable did the prior find a unit at least as large as those that the data kept?
    """
    kept = sizes[sizes > 0].sort().values
    return kept[[0, (len(kept) - 1) // 2, len(kept) - 1]] if len(kept) else torch.empty(0, dtype=sizes.dtype)
