"""One law of the number of units over all groups, composed by guidance: groups compete for a shared budget (P13)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import WidthLawError
from bayes_guided.guidance import Guidance
from bayes_guided.priors.models.forms import Form, SampleSites
from bayes_guided.priors.models.guided_units import GuidedUnits
from bayes_guided.priors.models.model_prior import ModelPrior
from bayes_guided.priors.models.tilted_units import TiltedUnits
from bayes_guided.priors.models.width_laws import Table, WidthLaw, log_law, normalised
from bayes_guided.priors.unit_values import per_unit, scaled_guidance
from bayes_guided.types import Masks

WHERE = "all groups together"


@dataclass(frozen=True, eq=False)
class SharedBudget(ModelPrior):
    """p(m) = p*(|m|) exp(-c.m) / e_|m|(exp(-c)) over the units of all groups, |m| counting all of them.

    `log_size_weights` are log weights of the number of units present in all groups, 0..architecture.num_units
    (normalised here), protected units counted; `costs` c_u are in nats, of any sign; only their differences matter.
    `minimum_widths` restrict the models (guided units per group, 0 by default). Pyro form: "joint".

    Raises:
        WidthLawError: if the size law has the wrong length or no size is possible.
        SurvivalError: if costs are missing, of the wrong shape, or not finite.
    """

    log_size_weights: Float[Tensor, "sizes"] = field(repr=False)
    costs: Mapping[str, Float[Tensor, "_"]] = field(repr=False)
    minimum_widths: Mapping[str, int] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "costs", per_unit(self.architecture, self.costs, "costs"))
        given = self.log_size_weights.detach().cpu().double()
        law = normalised(given, self.architecture.num_units, self._least, WHERE)
        object.__setattr__(self, "log_size_weights", law)

    @classmethod
    def from_guidance(
        cls, architecture: Architecture, guidance: Guidance, *, strength: float, sizes: WidthLaw | Float[Tensor, "_"]
    ) -> "SharedBudget":
        """Costs c_u = strength * g_u and a wanted law of the number of units in all groups.

        Raises:
            WidthLawError: if the law is no law over 0..architecture.num_units.
            StrengthError: if the strength is not positive and finite.
            GuidanceError: as `guidance.coefficients`.
        """
        costs, protected = scaled_guidance(architecture, guidance, strength)
        law = Table(sizes) if isinstance(sizes, Tensor) else sizes
        fixed = architecture.num_units - GuidedUnits(architecture, protected).total
        return cls(architecture, log_law(law, architecture.num_units, fixed, WHERE), costs, protected=protected)

    @cached_property
    def tilted(self) -> TiltedUnits:
        """The guided units of all groups."""
        log_odds = torch.cat([-costs for costs in self.units.select_values(self.costs).values()])
        minimums = tuple(self.minimum_widths.get(name, 0) for name in self.units.names)
        law = self.log_size_weights[self._num_protected :]
        return TiltedUnits(log_odds, tuple(self.units.sizes.values()), minimums, law)

    @property
    def _num_protected(self) -> int:
        return self.architecture.num_units - self.units.total

    @property
    def _least(self) -> int:
        return self._num_protected + sum(self.minimum_widths.values())

    def _log_prob(self, masks: Masks) -> Float[Tensor, "samples"]:
        return self.tilted.log_prob(torch.cat([masks[name] for name in self.units.names], dim=1))

    def _sample(self, n: int, generator: torch.Generator | None) -> dict[str, Tensor]:
        return self._per_group(self.tilted.sample(n, generator))

    def _survival(self) -> dict[str, Tensor]:
        return self._per_group(self.tilted.survival())

    def _log_width_law(self, group: str) -> Float[Tensor, "widths"]:
        return torch.from_numpy(self.tilted.laws.groups[self.units.names.index(group)]).log()

    def _log_size_law(self) -> Float[Tensor, "sizes"]:
        return self.tilted.log_size_law

    def _entropy(self) -> float:
        return self.tilted.entropy()

    def _ranked(self) -> Iterator[tuple[float, dict[str, Tensor]]]:
        for value, mask in self.tilted.ranked():
            yield value, self.units.complete_masks(self._per_group(mask))

    def _condition(self, minimums: dict[str, int]) -> "SharedBudget":
        merged = {name: max(value, self.minimum_widths.get(name, 0)) for name, value in minimums.items()}
        if self._num_protected + sum(merged.values()) > self.architecture.num_units:
            raise WidthLawError(f"the minimum widths {merged} exceed the number of units.")
        narrowed = replace(self.tilted, minimums=tuple(merged[name] for name in self.units.names))
        # Given the size, the share of the models that meet the new minimums; the law of the size is multiplied by it.
        share = torch.from_numpy(narrowed.tree.log_size_law - self.tilted.tree.log_size_law)
        weights = self.tilted.log_size_law + torch.nan_to_num(share, nan=-torch.inf, neginf=-torch.inf)
        return replace(self, log_size_weights=self.units.complete_size_law(weights), minimum_widths=merged)

    def _forms(self) -> dict[Form, SampleSites]:
        return {"joint": self._joint_form}

    def _per_group(self, values: Tensor) -> dict[str, Tensor]:
        parts = values.split(list(self.units.sizes.values()), dim=-1)
        return dict(zip(self.units.names, parts, strict=True))
