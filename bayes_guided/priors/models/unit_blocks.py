"""Counts of present units in blocks of independent units, for many blocks of one size at once.

A block of n units with inclusion probabilities p_1..p_n has a Poisson-binomial count. The recursion over its units, in the
log domain, costs n^2 per block; the tables it leaves behind give the units' marginals and samples for any law of the
count, because the composition at a given count does not depend on that law.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class UnitBlocks:
    """Blocks of n units each.

    `log_present` and `log_absent` (blocks, n) are the units' log probabilities; `log_counts[u]` (blocks, n + 1) is the log
    law of the number of present units among the first u of each block.
    """

    log_present: Array
    log_absent: Array
    log_counts: list[Array]

    @classmethod
    def from_log_probabilities(cls, log_present: Array, log_absent: Array) -> "UnitBlocks":
        """Blocks from the units' log probabilities, (blocks, n)."""
        blocks, size = log_present.shape
        counts = np.full((blocks, size + 1), -np.inf)
        counts[:, 0] = 0.0
        tables = [counts]
        for unit in range(size):
            present, absent = log_present[:, unit : unit + 1], log_absent[:, unit : unit + 1]
            following = counts + absent
            # Only the first unit + 2 counts are attainable: the rest stays -inf and costs nothing.
            attained = slice(1, unit + 2)
            following[:, attained] = np.logaddexp(following[:, attained], counts[:, : unit + 1] + present)
            tables.append(following)
            counts = following
        return cls(log_present, log_absent, tables)

    @property
    def size(self) -> int:
        """Units per block."""
        return self.log_present.shape[1]

    def log_law(self) -> Array:
        """Log law of each block's count, (blocks, n + 1)."""
        return self.log_counts[-1]

    def marginals(self, counts: Array) -> Array:
        """P(unit present), (blocks, n), when the blocks' counts follow the laws `counts` (blocks, n + 1).

        From the last unit to the first: given that k units are present among the first u + 1, the last of them is present
        with probability p_u P(k - 1 among the first u) / P(k among the first u + 1).
        """
        result = np.empty_like(self.log_present)
        remaining = counts
        for unit in range(self.size - 1, -1, -1):
            present = np.zeros_like(remaining)
            attained = slice(1, unit + 2)
            present[:, attained] = remaining[:, attained] * self._inclusion(unit)
            result[:, unit] = present.sum(axis=1)
            remaining = remaining - present
            remaining[:, : unit + 1] += present[:, attained]
        return result

    def sample(self, counts: NDArray[np.int64], uniform: Callable[[int], Array]) -> NDArray[np.bool_]:
        """Masks (samples, blocks, n) with the given counts (samples, blocks); `uniform(n)` gives n uniform numbers."""
        masks = np.zeros((*counts.shape, self.size), dtype=bool)
        block = np.arange(counts.shape[1])
        remaining = counts.copy()
        inclusion = np.zeros((counts.shape[1], self.size + 1))
        for unit in range(self.size - 1, -1, -1):
            inclusion[:, 1 : unit + 2] = self._inclusion(unit)
            masks[:, :, unit] = uniform(counts.size).reshape(counts.shape) < inclusion[block, remaining]
            remaining -= masks[:, :, unit]
        return masks

    def _inclusion(self, unit: int) -> Array:
        """P(unit present | k among the first unit + 1 units present) for k = 1..unit + 1, (blocks, unit + 1)."""
        before, after = self.log_counts[unit], self.log_counts[unit + 1]
        ratio = self.log_present[:, unit : unit + 1] + before[:, : unit + 1] - after[:, 1 : unit + 2]
        # All units present leaves no choice; rounding must not make it less than certain, or more.
        ratio[:, unit] = 0.0
        return np.exp(np.minimum(ratio, 0.0))
