"""Widths whose couplings form chains or trees: exact by message passing, the transfer-matrix method (P13)."""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bayes_guided.exceptions import ExactLimitError
from bayes_guided.priors.models.complexity import PairwiseComplexity, log_binomial
from bayes_guided.priors.models.forest import Branch
from bayes_guided.priors.models.forest_messages import Message, best_message, bilinear_message
from bayes_guided.priors.models.forest_size_law import forest_size_law, size_law_cost
from bayes_guided.priors.models.group_law import sample_counts
from bayes_guided.priors.models.joint_widths import JointWidths

MAX_SIZE_LAW_COST = 3 * 10**8
"""Logarithms up to which the law of the size is computed."""


@dataclass(frozen=True, eq=False)
class ForestWidths(JointWidths):
    """Joint law of widths under a pairwise complexity whose couplings form a forest (`branches`, parents first)."""

    complexity: PairwiseComplexity
    sizes: Mapping[str, int]
    minimums: Mapping[str, int]
    branches: list[Branch]

    def _values(self, name: str) -> Float[Tensor, "_"]:
        """The widths that are possible."""
        return torch.arange(self.minimums[name], self.sizes[name] + 1, dtype=torch.float64)

    def _own(self, name: str) -> Float[Tensor, "_"]:
        """Log weights of the possible widths, without couplings."""
        return (log_binomial(self.sizes[name]) - self.complexity.own[name])[self.minimums[name] :]

    @cached_property
    def _upward(self) -> tuple[dict[str, Tensor], dict[str, Message]]:
        """Log weights of each group's widths with its subtree summed out, and the message to its parent."""
        inside = {name: self._own(name) for name in self.sizes}
        messages = {}
        for branch in reversed(self.branches):
            if branch.parent is not None:
                message = bilinear_message(
                    inside[branch.name], self._values(branch.name), self._values(branch.parent), branch.coupling
                )
                messages[branch.name] = message
                inside[branch.parent] = inside[branch.parent] + message.log_sum
        return inside, messages

    @cached_property
    def _beliefs(self) -> dict[str, Float[Tensor, "_"]]:
        """Log law of each group's possible widths."""
        inside, messages = self._upward
        beliefs: dict[str, Tensor] = {}
        for branch in self.branches:
            weights = inside[branch.name]
            if branch.parent is not None:
                outside = beliefs[branch.parent] - messages[branch.name].log_sum
                weights = (
                    weights
                    + bilinear_message(
                        outside, self._values(branch.parent), self._values(branch.name), branch.coupling
                    ).log_sum
                )
            beliefs[branch.name] = weights - torch.logsumexp(weights, 0)
        return beliefs

    def log_normaliser(self) -> float:
        return self._log_normaliser

    @cached_property
    def _log_normaliser(self) -> float:
        inside, _ = self._upward
        roots = [branch.name for branch in self.branches if branch.parent is None]
        return sum(float(torch.logsumexp(inside[name], 0)) for name in roots) - self.complexity.constant

    def expected_complexity(self) -> float:
        _, messages = self._upward
        total = self.complexity.constant
        for branch in self.branches:
            law = self._beliefs[branch.name].exp()
            total += float(law @ self.complexity.own[branch.name][self.minimums[branch.name] :])
            if branch.parent is not None:
                # The mean of the message is E(K | parent's width).
                parent = self._beliefs[branch.parent].exp() * self._values(branch.parent)
                total += branch.coupling * float(parent @ messages[branch.name].mean)
        return total

    def log_width_laws(self) -> dict[str, Float[Tensor, "_"]]:
        return {
            name: torch.cat([law.new_full((self.minimums[name],), -torch.inf), law])
            for name, law in ((name, self._beliefs[name]) for name in self.sizes)
        }

    def log_size_law(self) -> Float[Tensor, "sizes"]:
        cost = size_law_cost(self.branches, self.sizes)
        if cost > MAX_SIZE_LAW_COST:
            raise ExactLimitError(
                f"the law of the size needs about {cost:.1g} logarithms, above {MAX_SIZE_LAW_COST:.1g}; count the units of "
                "sample(n) instead, or use the laws of the widths, which are exact at any size."
            )
        own = {name: self._own(name) for name in self.sizes}
        law = forest_size_law(self.branches, own, self.minimums)
        law = torch.cat([law, law.new_full((sum(self.sizes.values()) + 1 - len(law),), -torch.inf)])
        return law - torch.logsumexp(law, 0)

    def sample(self, n: int, generator: torch.Generator | None) -> dict[str, Int[Tensor, "samples"]]:
        inside, _ = self._upward
        drawn: dict[str, Tensor] = {}
        for branch in self.branches:
            weights, values = inside[branch.name], self._values(branch.name)
            given = drawn[branch.parent] if branch.parent is not None else torch.zeros(n, dtype=torch.int64)
            widths = torch.empty(n, dtype=torch.int64)
            for width in given.unique():
                chosen = given == width
                conditional = weights - branch.coupling * float(width) * values
                law = conditional - torch.logsumexp(conditional, 0)
                widths[chosen] = sample_counts(law, int(chosen.sum()), generator) + self.minimums[branch.name]
            drawn[branch.name] = widths
        return {name: drawn[name] for name in self.sizes}

    def ranked(self) -> Iterator[tuple[float, dict[str, int]]]:
        """Best first over the widths of the groups in order, each prefix rated by its best completion."""
        best = self._best_weights()
        start = sum(float(best[branch.name].max()) for branch in self.branches if branch.parent is None)
        heap: list[tuple[float, int, tuple[int, ...], Tensor, Tensor, int]] = [(-start, 0, (), *self._choices(best, ()))]
        order = 1  # ties must not compare tensors
        while heap:
            negative, _, prefix, scores, places, rank = heapq.heappop(heap)
            if rank + 1 < len(places):
                loss = float(scores[places[rank]] - scores[places[rank + 1]])
                heapq.heappush(heap, (negative + loss, order, prefix, scores, places, rank + 1))
                order += 1
            chosen = (*prefix, int(places[rank]) + self.minimums[self.branches[len(prefix)].name])
            if len(chosen) == len(self.branches):
                widths = {branch.name: width for branch, width in zip(self.branches, chosen, strict=True)}
                yield -negative - self.complexity.constant, {name: widths[name] for name in self.sizes}
            else:
                heapq.heappush(heap, (negative, order, chosen, *self._choices(best, chosen)))
                order += 1

    def _best_weights(self) -> dict[str, Float[Tensor, "_"]]:
        """-C of each group's widths with the best widths in its subtree."""
        best = {name: -self.complexity.own[name][self.minimums[name] :] for name in self.sizes}
        for branch in reversed(self.branches):
            if branch.parent is not None:
                best[branch.parent] = best[branch.parent] + best_message(
                    best[branch.name], self._values(branch.name), self._values(branch.parent), branch.coupling
                )
        return best

    def _choices(self, best: Mapping[str, Tensor], prefix: tuple[int, ...]) -> tuple[Tensor, Tensor, int]:
        """Scores of the next group's widths given the prefix, their places in descending order, and the first rank."""
        branch = self.branches[len(prefix)]
        scores = best[branch.name]
        if branch.parent is not None:
            place = next(i for i, other in enumerate(self.branches) if other.name == branch.parent)
            scores = scores - branch.coupling * prefix[place] * self._values(branch.name)
        return scores, torch.argsort(scores, descending=True, stable=True), 0
