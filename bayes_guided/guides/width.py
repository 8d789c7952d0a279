"""q(m) that is a law of the width alone: the first K units are present."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bayes_guided.guides.inclusion import InclusionLaw
from bayes_guided.priors.models.group_law import nested_masks, sample_counts

IMPOSSIBLE = -1e30
"""The logarithm of zero: finite, so that gradients stay finite."""


class NestedInclusion(InclusionLaw):
    """The first K units are present, K categorical over the widths that are `possible` (units + 1,).

    It has no parameters: given q(weights) the best law of the width has a closed form, to which it is set (`set_to`).
    """

    possible: Tensor
    log_law: Tensor

    def __init__(self, possible: Bool[Tensor, "widths"]) -> None:
        """Starts with all possible widths equally likely: the networks of the first K units then all learn, and rows are put
        in an order of use, before any width is preferred ("nested dropout", [Rippel2014])."""
        super().__init__()
        self.units = len(possible) - 1
        self.register_buffer("possible", possible.clone(), persistent=False)
        self.register_buffer("log_law", torch.zeros(len(possible), dtype=torch.float64))
        self.set_to(self.log_law)

    def set_to(self, log_weights: Float[Tensor, "widths"]) -> None:
        """q(K) proportional to exp of these numbers, 0 for impossible widths."""
        self.log_law.copy_(log_weights.masked_fill(~self.possible, IMPOSSIBLE).log_softmax(dim=0))

    def log_width_law(self) -> Float[Tensor, "widths"]:
        """log q(K), IMPOSSIBLE or less for impossible widths."""
        return self.log_law

    def log_odds(self) -> Float[Tensor, "units"]:
        """log P(K >= u) - log P(K < u), both summed from their far ends."""
        tails = torch.logcumsumexp(self.log_law.flip(0), dim=0).flip(0)[1:]
        return tails - torch.logcumsumexp(self.log_law, dim=0)[:-1]

    def log_prob(self, masks: Bool[Tensor, "samples units"]) -> Float[Tensor, "samples"]:
        """log q(K) of nested masks, IMPOSSIBLE for others."""
        widths = masks.sum(dim=1)
        nested = (masks == (torch.arange(self.units, device=masks.device) < widths[:, None])).all(dim=1)
        return torch.where(nested, self.log_law[widths], IMPOSSIBLE)

    def entropy(self) -> Float[Tensor, ""]:
        """Entropy of the width."""
        law = self.log_law[self.possible]
        return -(law.exp() * law).sum()

    def sample(self, n: int, generator: torch.Generator | None) -> Bool[Tensor, "samples units"]:
        """Draws of the width."""
        law = self.log_law.cpu().masked_fill(~self.possible.cpu(), -torch.inf)
        return nested_masks(sample_counts(law, n, generator), self.units).to(self.log_law.device)

    @property
    def num_masks(self) -> int:
        """The number of possible widths."""
        return int(self.possible.sum())

    def every_mask(self) -> Bool[Tensor, "samples units"]:
        """One mask per possible width, the narrowest first."""
        widths = self.possible.cpu().nonzero().flatten()
        return nested_masks(widths, self.units).to(self.log_law.device)

    def mode(self) -> Bool[Tensor, "units"]:
        """The most probable width, the smallest of equals."""
        return torch.arange(self.units, device=self.log_law.device) < self.log_law.argmax()

    def jitter(self, sd: float) -> None:
        """Normal noise on the log weight of every width."""
        noise = sd * torch.randn(self.units + 1, dtype=torch.float64)
        self.set_to(self.log_law + noise.to(self.log_law.device))
