"""Priors under which the masks of different groups are independent."""

from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.priors.models.group_law import GroupLaw
from bayes_guided.priors.models.log_convolution import log_sum_law
from bayes_guided.priors.models.model_prior import ModelPrior
from bayes_guided.priors.models.top_models import largest_sums
from bayes_guided.types import Masks


class FactorisedPrior(ModelPrior):
    """p(m) is a product over groups: log probabilities and entropies add, the size law is a convolution."""

    @abstractmethod
    def _group_law(self, group: str) -> GroupLaw:
        """The law of one group's guided units."""

    @cached_property
    def group_laws(self) -> dict[str, GroupLaw]:
        """The law of each group's guided units, in network order."""
        return {name: self._group_law(name) for name in self.units.names}

    def _log_prob(self, masks: Masks) -> Float[Tensor, "samples"]:
        return torch.stack([law.log_prob(masks[name]) for name, law in self.group_laws.items()]).sum(dim=0)

    def _sample(self, n: int, generator: torch.Generator | None) -> dict[str, Tensor]:
        return {name: law.sample(n, generator) for name, law in self.group_laws.items()}

    def _survival(self) -> dict[str, Tensor]:
        return {name: law.survival() for name, law in self.group_laws.items()}

    def _log_width_law(self, group: str) -> Float[Tensor, "widths"]:
        return self.group_laws[group].log_width_law()

    def _log_size_law(self) -> Float[Tensor, "sizes"]:
        laws = [law.log_width_law().numpy() for law in self.group_laws.values()]
        return torch.from_numpy(log_sum_law(laws))

    def _entropy(self) -> float:
        return sum(law.entropy() for law in self.group_laws.values())

    def _ranked(self) -> Iterator[tuple[float, dict[str, Tensor]]]:
        sequences = [self._ranked_masks(name, law) for name, law in self.group_laws.items()]
        for value, masks in largest_sums(sequences):
            yield value, dict(zip(self.group_laws, masks, strict=True))

    def _ranked_masks(self, name: str, law: GroupLaw) -> Iterator[tuple[float, Tensor]]:
        for value, mask in law.ranked():
            yield value, self.units.complete_mask(name, mask)
