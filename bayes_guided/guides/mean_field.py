"""Independent weights, each with a standard deviation of its own."""

from collections.abc import Sequence

from torch import Tensor

from .base import Weights
from .independent import IndependentGuide


class MeanField(IndependentGuide):
    """q(w) = prod_j N(w_j; m_j, s_j^2): cheap, too narrow where weights are correlated, wrong for evidence (P19)."""

    family = "mean_field"

    def _scaled_parts(self, start: Weights) -> Sequence[Tensor]:
        return [*start.rows.values(), start.rest]
