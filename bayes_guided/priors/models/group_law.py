"""The law of one group's mask, when groups are independent."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


class GroupLaw(ABC):
    """A distribution over masks (units,) of one group; all units are guided. Log probabilities in nats."""

    @abstractmethod
    def log_prob(self, masks: Bool[Tensor, "samples units"]) -> Float[Tensor, "samples"]:
        """Log probabilities of masks."""

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator | None) -> Bool[Tensor, "samples units"]:
        """`n` masks drawn independently."""

    @abstractmethod
    def survival(self) -> Float[Tensor, "units"]:
        """P(m_u = 1)."""

    @abstractmethod
    def log_width_law(self) -> Float[Tensor, "widths"]:
        """Log law of the number of units present, (units + 1,)."""

    @abstractmethod
    def entropy(self) -> float:
        """Entropy of the mask, nats."""

    @abstractmethod
    def ranked(self) -> Iterator[tuple[float, Bool[Tensor, "units"]]]:
        """Masks of positive probability and their log probabilities, most probable first, lazily."""


def sample_counts(log_law: Float[Tensor, "widths"], n: int, generator: torch.Generator | None) -> Int[Tensor, "samples"]:
    """`n` counts drawn from a log law over 0, 1, ...: by inversion, which is exact to rounding for any number of them."""
    cumulative = log_law.exp().cumsum(0)
    uniform = torch.rand(n, dtype=torch.float64, generator=generator) * cumulative[-1]
    # The last count of positive probability catches a uniform number that rounding put on the very end.
    last = int((log_law > -torch.inf).nonzero()[-1])
    return torch.searchsorted(cumulative, uniform, right=True).clamp(max=last)


def nested_masks(widths: Int[Tensor, "samples"], units: int) -> Bool[Tensor, "samples units"]:
    """Masks in which the first `widths` units are present."""
    return torch.arange(units) < widths[:, None]


def law_entropy(log_law: Float[Tensor, "widths"]) -> float:
    """Entropy of a law given by its logarithm, nats; impossible values add nothing."""
    possible = log_law > -torch.inf
    return float(-(log_law.exp() * log_law)[possible].sum())
