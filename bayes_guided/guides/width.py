"""q(m) that is a law of the width alone: the first K units are present."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from bayes_guided.guides.hard_concrete import hard_concrete
from bayes_guided.guides.inclusion import SPEED, START, InclusionLaw, natural
from bayes_guided.priors.models.group_law import nested_masks, sample_counts

IMPOSSIBLE = -1e30
"""The logarithm of zero: finite, so that gradients stay finite."""

_CERTAIN = 50.0
"""Log odds beyond which a gate's draw cannot be told from a sure one."""


class NestedInclusion(InclusionLaw):
    """The first K units are present, K categorical over the widths that are `possible` (units + 1,)."""

    possible: Tensor

    def __init__(self, possible: Bool[Tensor, "widths"]) -> None:
        """Starts with the log odds START for the largest possible width, the others equal."""
        super().__init__()
        self.units = len(possible) - 1
        self.register_buffer("possible", possible.clone(), persistent=False)
        others = max(1, int(possible.sum()) - 1)
        largest = int(possible.nonzero()[-1])
        start = torch.zeros(len(possible), dtype=torch.float64)
        start[largest] = (START + torch.tensor(float(others), dtype=torch.float64).log()) / SPEED
        self.parameter = nn.Parameter(start)

    def log_width_law(self) -> Float[Tensor, "widths"]:
        """Log softmax of the parameters over the possible widths."""
        probability = self._normalised(self.parameter.detach()).exp()
        return self._normalised(natural(self.parameter, probability))

    def log_odds(self) -> Float[Tensor, "units"]:
        """log P(K >= u) - log P(K < u), both summed from their far ends."""
        law = self.log_width_law()
        return _log_tails(law) - torch.logcumsumexp(law, dim=0)[:-1]

    def log_prob(self, masks: Bool[Tensor, "samples units"]) -> Float[Tensor, "samples"]:
        """log q(K) of nested masks, IMPOSSIBLE for others."""
        widths = masks.sum(dim=1)
        nested = (masks == (torch.arange(self.units, device=masks.device) < widths[:, None])).all(dim=1)
        return torch.where(nested, self.log_width_law()[widths], IMPOSSIBLE)

    def entropy(self) -> Float[Tensor, ""]:
        """Entropy of the width."""
        law = self.log_width_law()[self.possible]
        return -(law.exp() * law).sum()

    def sample(self, n: int, generator: torch.Generator | None) -> Bool[Tensor, "samples units"]:
        """Draws of the width."""
        widths = sample_counts(self._law_for_numbers(), n, generator)
        return nested_masks(widths, self.units).to(self.parameter.device)

    def relaxed(self, n: int) -> Float[Tensor, "samples units"]:
        """Running products of hard-concrete gates, each open with P(K >= u | K >= u - 1): P(product > 0) = P(K >= u)."""
        law = self.log_width_law()
        go_on = (_log_tails(law) - law[:-1]).clamp(-_CERTAIN, _CERTAIN)
        return hard_concrete(go_on, n).cumprod(dim=1)

    @property
    def num_masks(self) -> int:
        """The number of possible widths."""
        return int(self.possible.sum())

    def every_mask(self) -> Bool[Tensor, "samples units"]:
        """One mask per possible width, the narrowest first."""
        widths = self.possible.cpu().nonzero().flatten()
        return nested_masks(widths, self.units).to(self.parameter.device)

    def mode(self) -> Bool[Tensor, "units"]:
        """The most probable width, the smallest of equals."""
        return torch.arange(self.units, device=self.parameter.device) < self.log_width_law().detach().argmax()

    @torch.no_grad()
    def jitter(self, sd: float) -> None:
        """Normal noise on the log weight of every width."""
        self.parameter += sd / SPEED * torch.randn(self.units + 1, dtype=torch.float64).to(self.parameter.device)

    def _normalised(self, parameter: Float[Tensor, "widths"]) -> Float[Tensor, "widths"]:
        return (SPEED * parameter).masked_fill(~self.possible, IMPOSSIBLE).log_softmax(dim=0)

    def _law_for_numbers(self) -> Float[Tensor, "widths"]:
        law = self.log_width_law().detach().cpu()
        return law.masked_fill(~self.possible.cpu(), -torch.inf)


def _log_tails(log_law: Float[Tensor, "widths"]) -> Float[Tensor, "units"]:
    """log P(K >= u) for u = 1..U."""
    return torch.logcumsumexp(log_law.flip(0), dim=0).flip(0)[1:]
