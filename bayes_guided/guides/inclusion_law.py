"""q(m) over all units of an architecture, in the family that its prior over models calls for."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from bayes_guided.exceptions import ConfigError
from bayes_guided.guides.inclusion import BernoulliInclusion, GatedInclusion, InclusionLaw
from bayes_guided.guides.width import IMPOSSIBLE, NestedInclusion
from bayes_guided.guides.width_tilted import TiltedInclusion
from bayes_guided.priors.models.cumulative_shrinkage import CumulativeShrinkage
from bayes_guided.priors.models.guided_units import GuidedUnits
from bayes_guided.priors.models.independent import IndependentInclusion
from bayes_guided.priors.models.model_prior import ModelPrior
from bayes_guided.priors.models.nested import NestedWidth
from bayes_guided.priors.models.shared_budget import SharedBudget


@dataclass(frozen=True)
class Place:
    """Where a group's unprotected units are: units `start` to `stop` of block `block`."""

    block: int
    start: int
    stop: int


class Inclusion(nn.Module):
    """q(m): independent blocks of units, each with a law of its own; protected units are always present.

    A block is one group, or all groups together. Results are (..., units) per group with the protected units put in.
    """

    def __init__(self, units: GuidedUnits, blocks: Sequence[tuple[Sequence[str], InclusionLaw]]) -> None:
        """`blocks` are the groups of each law, side by side in its units; every group is in one block."""
        super().__init__()
        self.guided = units
        self.laws = nn.ModuleList(law for _, law in blocks)
        self.places: dict[str, Place] = {}
        for index, (names, _) in enumerate(blocks):
            start = 0
            for name in names:
                self.places[name] = Place(index, start, start + units.sizes[name])
                start += units.sizes[name]

    def blocks(self) -> list[InclusionLaw]:
        """The laws in order."""
        return [law for law in self.laws if isinstance(law, InclusionLaw)]

    @property
    def is_gated(self) -> bool:
        """Whether the laws are trained by gradients; else they are laws of the width, set in closed form."""
        return all(isinstance(law, GatedInclusion) for law in self.blocks())

    @property
    def device(self) -> torch.device:
        """Where the laws are."""
        return next(chain(self.parameters(), self.buffers())).device

    def log_odds(self) -> dict[str, Float[Tensor, "units"]]:
        """log P(m_u = 1) - log P(m_u = 0), nats, infinite for units that q(m) is sure of; +inf for protected units."""
        return self.complete([_or_infinite(law.log_odds()) for law in self.blocks()], torch.inf)

    def survival(self) -> dict[str, Float[Tensor, "units"]]:
        """P(m_u = 1); 1 for protected units."""
        return self.complete([law.survival() for law in self.blocks()], 1.0)

    def log_width_pmf(self, group: str) -> Float[Tensor, "widths"]:
        """Log probabilities that 0, ..., U units of the group are present, protected ones counted, nats.

        Raises:
            ProtectedGroupError: if there is no such group.
        """
        place = self.places[self.guided.architecture.group(group).name]
        law = self.blocks()[place.block]
        if place.stop - place.start == law.units:
            return self.guided.complete_width_law(group, law.log_width_law())
        if not isinstance(law, TiltedInclusion):
            raise TypeError(f"a block of several groups has the law {type(law).__name__}")
        return self.guided.complete_width_law(group, law.log_count_law(place.start, place.stop))

    def entropy(self) -> Float[Tensor, ""]:
        """Entropy of q(m), nats."""
        return torch.stack([law.entropy() for law in self.blocks()]).sum()

    def sample(self, n: int, generator: torch.Generator | None = None) -> list[Bool[Tensor, "samples _"]]:
        """`n` joint draws, (n, units of the block) per block."""
        return [law.sample(n, generator) for law in self.blocks()]

    def relaxed(self, n: int) -> list[Float[Tensor, "samples _"]]:
        """`n` draws of gates in [0, 1] in place of masks, per block, of laws that have such (`is_gated`)."""
        return [law.relaxed(n) for law in self.blocks() if isinstance(law, GatedInclusion)]

    def log_prob(self, masks: Sequence[Bool[Tensor, "samples _"]]) -> Float[Tensor, "samples"]:
        """Log probabilities of masks given per block, nats."""
        return torch.stack([law.log_prob(mask) for law, mask in zip(self.blocks(), masks, strict=True)]).sum(dim=0)

    @property
    def num_models(self) -> int:
        """How many models have positive probability, or a bound."""
        total = 1
        for law in self.blocks():
            total *= law.num_masks
        return total

    def every_model(self) -> list[Bool[Tensor, "samples _"]]:
        """All models, as masks per block."""
        parts = [law.every_mask() for law in self.blocks()]
        indices = torch.cartesian_prod(*(torch.arange(len(part)) for part in parts)).reshape(-1, len(parts))
        return [part[indices[:, place].to(part.device)] for place, part in enumerate(parts)]

    def complete(self, blocks: Sequence[Float[Tensor, "*samples _"]], protected: float) -> dict[str, Tensor]:
        """Values per block as values (..., units) per group, `protected` for protected units."""
        parts = {name: blocks[place.block][..., place.start : place.stop] for name, place in self.places.items()}
        ordered = {name: parts[name] for name in self.guided.names}
        return self.guided.complete_values(ordered, protected)

    def complete_masks(self, blocks: Sequence[Bool[Tensor, "samples _"]]) -> dict[str, Bool[Tensor, "samples _"]]:
        """Masks per block as masks (samples, units) per group, with the protected units."""
        return {name: value > 0 for name, value in self.complete([block.double() for block in blocks], 1.0).items()}


def inclusion_for(models: ModelPrior) -> Inclusion:
    """The family of q(m) for a prior over models.

    NestedWidth: categorical over the width. IndependentInclusion, CumulativeShrinkage: independent units. SharedBudget: a
    learned law of the size times a learned composition over all units. All others, and groups that have a least width: a
    learned law of each group's width times a learned composition. Widths that the prior excludes have probability 0.

    Raises:
        ConfigError: if the prior excludes models that no family here can exclude.
        ExactLimitError: as the prior's `log_width_pmf`, which says which widths are possible.
    """
    units = models.units
    if isinstance(models, SharedBudget) and not any(models.minimum_widths.values()):
        fixed = models.architecture.num_units - units.total
        possible = models.log_size_pmf()[fixed:].cpu() > -torch.inf
        return Inclusion(units, [(units.names, TiltedInclusion(possible))])
    if isinstance(models, SharedBudget):
        _require_every_size(models)
    if isinstance(models, IndependentInclusion):
        return Inclusion(units, [((name,), BernoulliInclusion(size)) for name, size in units.sizes.items()])
    if isinstance(models, CumulativeShrinkage):
        possible = {name: torch.arange(size + 1) >= models.minimum_widths.get(name, 0) for name, size in units.sizes.items()}
    else:
        possible = {name: models.log_width_pmf(name)[units.num_protected(name) :].cpu() > -torch.inf for name in units.names}
    return Inclusion(units, [((name,), _law(models, widths)) for name, widths in possible.items()])


def _or_infinite(log_odds: Float[Tensor, "units"]) -> Float[Tensor, "units"]:
    return torch.where(log_odds.abs() < -IMPOSSIBLE / 2, log_odds, log_odds.sign() * torch.inf)


def _law(models: ModelPrior, possible: Bool[Tensor, "widths"]) -> InclusionLaw:
    if isinstance(models, NestedWidth):
        return NestedInclusion(possible)
    if isinstance(models, CumulativeShrinkage) and bool(possible.all()):
        return BernoulliInclusion(len(possible) - 1)
    return TiltedInclusion(possible)


def _require_every_size(models: SharedBudget) -> None:
    least = models.architecture.num_units - models.units.total + sum(models.minimum_widths.values())
    if not bool((models.log_size_pmf()[least:] > -torch.inf).all()):
        raise ConfigError(
            "this SharedBudget excludes some numbers of units and has minimum widths as well, which no guide can follow; give "
            "every size above the minimum a positive weight, or leave out condition(min_width=...)."
        )
