"""A wanted law of the number of present units times a guided composition (P13), over one or more groups.

p(m) = p*(|m|) prod_u o_u^{m_u} / e_{|m|}(o), with odds o_u and the elementary symmetric polynomial e; with minimum widths, e
sums only over the masks that meet them. Multiplying all odds by one number changes nothing, so they are tilted
until independent units with these odds have about the wanted mean: all logarithms stay small.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.optimize import root_scalar
from torch import Tensor
from torch.nn.functional import logsigmoid

from bayes_guided.priors.models.group_law import law_entropy, sample_counts
from bayes_guided.priors.models.top_fixed_size import masks_by_weight
from bayes_guided.priors.models.unit_tree import CountLaws, UnitTree

LARGEST_TILT = 60.0  # log odds beyond which tilting no longer helps


@dataclass(frozen=True, eq=False)
class TiltedUnits:
    """Units with inclusion log odds `log_odds`, in consecutive groups of the given sizes with minimum widths.

    `log_size_law` (units + 1,) is the normalised log law of the number of present units. It is impossible below the sum
    of the minimums.
    """

    log_odds: Float[Tensor, "units"]
    sizes: tuple[int, ...]
    minimums: tuple[int, ...]
    log_size_law: Float[Tensor, "sizes"]

    @cached_property
    def logits(self) -> Float[Tensor, "units"]:
        """The tilted log odds."""
        mean = float(self.log_size_law.exp() @ torch.arange(len(self.log_size_law), dtype=torch.float64))
        target = min(max(mean, 0.5), len(self.log_odds) - 0.5)

        def excess(tilt: float) -> float:
            return float(torch.sigmoid(self.log_odds + tilt).sum()) - target

        low = -LARGEST_TILT - float(self.log_odds.max())
        high = LARGEST_TILT - float(self.log_odds.min())
        return self.log_odds + root_scalar(excess, bracket=(low, high), method="brentq", xtol=1e-3).root

    @cached_property
    def tree(self) -> UnitTree:
        """Counts of independent units with the tilted odds."""
        return UnitTree(self.logits.numpy(), self.sizes, self.minimums)

    @cached_property
    def laws(self) -> CountLaws:
        """Laws of the groups' widths and marginals of the units."""
        return self.tree.laws_given(self.log_size_law.exp().numpy())

    @cached_property
    def log_size_weight(self) -> Float[Tensor, "sizes"]:
        """log p*(k) minus the log probability that independent units with the tilted odds number k."""
        free = torch.from_numpy(self.tree.log_size_law)
        return torch.where(self.log_size_law > -torch.inf, self.log_size_law - free, -torch.inf)

    @cached_property
    def _log_none(self) -> float:
        """Log probability that independent units with the tilted odds are all absent."""
        return float(logsigmoid(-self.logits).sum())

    def log_prob(self, masks: Bool[Tensor, "samples units"]) -> Float[Tensor, "samples"]:
        """Log probabilities of masks, nats."""
        widths = torch.stack([part.sum(dim=1) for part in masks.split(self.sizes, dim=1)], dim=1)
        enough = (widths >= torch.tensor(self.minimums)).all(dim=1)
        composition = torch.where(masks, logsigmoid(self.logits), logsigmoid(-self.logits)).sum(dim=1)
        return torch.where(enough, composition + self.log_size_weight[widths.sum(dim=1)], -torch.inf)

    def sample(self, n: int, generator: torch.Generator | None) -> Bool[Tensor, "samples units"]:
        """`n` masks: the number of units first, then the composition."""

        def uniform(count: int) -> np.ndarray:
            return torch.rand(count, dtype=torch.float64, generator=generator).numpy()

        counts = sample_counts(self.log_size_law, n, generator)
        return torch.from_numpy(self.tree.sample(counts.numpy(), uniform))

    def survival(self) -> Float[Tensor, "units"]:
        """P(m_u = 1)."""
        return torch.from_numpy(self.laws.marginals)

    def entropy(self) -> float:
        """H(|m|) + E log e_{|m|} - sum_u P(m_u = 1) log o_u, nats."""
        law = self.log_size_law
        possible = law > -torch.inf
        free = torch.from_numpy(self.tree.log_size_law)[possible]
        return law_entropy(law) + float(law.exp()[possible] @ free) - self._log_none - float(self.survival() @ self.logits)

    def ranked(self) -> Iterator[tuple[float, Bool[Tensor, "units"]]]:
        """Masks and their log probabilities, most probable first."""
        weights = self.log_size_weight.numpy()
        for value, mask in masks_by_weight(self.logits.numpy(), self.sizes, self.minimums, weights):
            yield value + self._log_none, torch.from_numpy(mask)
