"""Joint laws of the widths of all groups, when all masks of the same widths are equally probable."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bayes_guided.exceptions import ExactLimitError
from bayes_guided.priors.models.complexity import Complexity, log_binomial
from bayes_guided.priors.models.group_law import sample_counts

MAX_COMBINATIONS = 2**20
"""Combinations of widths up to which they are listed."""


class JointWidths(ABC):
    """p(widths) proportional to exp(-C(widths)) prod_g binom(U_g, K_g), for K_g from a minimum to U_g; log in nats."""

    @abstractmethod
    def log_normaliser(self) -> float:
        """log of the sum of exp(-C) over all masks."""

    @abstractmethod
    def expected_complexity(self) -> float:
        """E C, nats."""

    @abstractmethod
    def log_width_laws(self) -> dict[str, Float[Tensor, "_"]]:
        """Log law of each group's width, (units + 1,)."""

    @abstractmethod
    def log_size_law(self) -> Float[Tensor, "sizes"]:
        """Log law of the sum of the widths."""

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator | None) -> dict[str, Int[Tensor, "samples"]]:
        """`n` draws of the widths."""

    @abstractmethod
    def ranked(self) -> Iterator[tuple[float, dict[str, int]]]:
        """-C and the widths in descending order of the probability of one mask, exp(-C) / Z."""


@dataclass(frozen=True, eq=False)
class ListedWidths(JointWidths):
    """Every combination of widths listed: for any complexity, of few combinations."""

    complexity: Complexity
    sizes: Mapping[str, int]
    minimums: Mapping[str, int]

    def __post_init__(self) -> None:
        if num_combinations(self.sizes, self.minimums) > MAX_COMBINATIONS:
            raise ExactLimitError(f"more than {MAX_COMBINATIONS} combinations of widths to list.")

    @cached_property
    def _widths(self) -> Int[Tensor, "samples groups"]:
        ranges = [torch.arange(self.minimums[name], size + 1) for name, size in self.sizes.items()]
        return torch.cartesian_prod(*ranges).reshape(-1, len(ranges))

    @cached_property
    def _costs(self) -> Float[Tensor, "samples"]:
        return self.complexity(dict(zip(self.sizes, self._widths.double().unbind(1), strict=True)))

    @cached_property
    def _log_weights(self) -> Float[Tensor, "samples"]:
        columns = zip(self.sizes.values(), self._widths.unbind(1), strict=True)
        return sum((log_binomial(size)[width] for size, width in columns), -self._costs)

    def log_normaliser(self) -> float:
        return float(torch.logsumexp(self._log_weights, 0))

    @cached_property
    def _log_probs(self) -> Float[Tensor, "samples"]:
        return self._log_weights - self.log_normaliser()

    def expected_complexity(self) -> float:
        return float(self._log_probs.exp() @ self._costs)

    def log_width_laws(self) -> dict[str, Float[Tensor, "_"]]:
        columns = zip(self.sizes.items(), self._widths.unbind(1), strict=True)
        return {name: _log_law(self._log_probs, width, size) for (name, size), width in columns}

    def log_size_law(self) -> Float[Tensor, "sizes"]:
        return _log_law(self._log_probs, self._widths.sum(dim=1), sum(self.sizes.values()))

    def sample(self, n: int, generator: torch.Generator | None) -> dict[str, Int[Tensor, "samples"]]:
        drawn = self._widths[sample_counts(self._log_probs, n, generator)]
        return dict(zip(self.sizes, drawn.unbind(1), strict=True))

    def ranked(self) -> Iterator[tuple[float, dict[str, int]]]:
        for place in torch.argsort(self._costs, stable=True).tolist():
            yield -float(self._costs[place]), dict(zip(self.sizes, self._widths[place].tolist(), strict=True))


def num_combinations(sizes: Mapping[str, int], minimums: Mapping[str, int]) -> int:
    """How many combinations of widths there are."""
    total = 1
    for name, size in sizes.items():
        total *= size - minimums[name] + 1
    return total


def _log_law(log_probs: Float[Tensor, "samples"], values: Int[Tensor, "samples"], most: int) -> Float[Tensor, "_"]:
    """Log probabilities of the values 0..most."""
    top = log_probs.max()
    sums = torch.zeros(most + 1, dtype=torch.float64).index_add(0, values, (log_probs - top).exp())
    return sums.log() + top
