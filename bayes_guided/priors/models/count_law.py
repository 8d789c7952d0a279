"""The law of a number of units, and the few numbers that sum it up."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

ROUNDING = 1e-12
"""By so much a cumulative probability may miss a level and still count as having reached it."""


@dataclass(frozen=True, eq=False)
class CountLaw:
    """Probabilities `pmf` of 0, 1, ..., U units, a width or the size of a model; all numbers derived are counts."""

    pmf: Float[Tensor, "counts"]

    @property
    def most(self) -> int:
        """U, the largest count."""
        return len(self.pmf) - 1

    @cached_property
    def mean(self) -> float:
        """Expected count."""
        return float(self.pmf @ self._counts)

    @cached_property
    def sd(self) -> float:
        """Standard deviation of the count."""
        return float((self.pmf @ (self._counts - self.mean).square()).sqrt())

    @cached_property
    def mode(self) -> int:
        """The most probable count; the smallest of equally probable ones."""
        return int(self.pmf.argmax())

    def quantile(self, level: float) -> int:
        """The smallest k with P(count <= k) >= level, for a level strictly between 0 and 1."""
        reached = self.pmf.cumsum(0) >= level - ROUNDING
        # An estimated or rounded law may sum to a little less than a level next to 1.
        return int(reached.nonzero()[0]) if bool(reached.any()) else self.most

    @property
    def _counts(self) -> Float[Tensor, "counts"]:
        return torch.arange(len(self.pmf), dtype=self.pmf.dtype, device=self.pmf.device)
