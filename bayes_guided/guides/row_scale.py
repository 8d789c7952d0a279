"""Independent weights with one standard deviation per row."""

from collections.abc import Sequence

from torch import Tensor

from .base import Weights
from .independent import IndependentGuide


class RowScale(IndependentGuide):
    """q(row_u) = N(m_u, s_u^2 I): half the parameters of mean field; the weights of the rest have a scale each."""

    family = "row_scale"

    def _scaled_parts(self, start: Weights) -> Sequence[Tensor]:
        return [*(rows[:, :1] for rows in start.rows.values()), start.rest]
