"""The wanted law of a group's width times a guided composition (P13): how many units, and which go first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bayes_guided.architecture import Architecture
from bayes_guided.guidance import Guidance
from bayes_guided.priors.models.factorised import FactorisedPrior
from bayes_guided.priors.models.forms import Form, SampleSites
from bayes_guided.priors.models.group_law import GroupLaw
from bayes_guided.priors.models.guided_units import GuidedUnits
from bayes_guided.priors.models.shared_budget import SharedBudget
from bayes_guided.priors.models.tilted_units import TiltedUnits
from bayes_guided.priors.models.width_laws import WidthLaw, checked_log_laws, conditioned_laws, log_laws
from bayes_guided.priors.unit_values import per_unit, scaled_guidance


@dataclass(frozen=True)
class TiltedLaw(GroupLaw):
    """One group's tilted units."""

    units: TiltedUnits

    def log_prob(self, masks: Bool[Tensor, "samples units"]) -> Float[Tensor, "samples"]:
        """log p*(|m|) - c.m - log e_|m|(exp(-c))."""
        return self.units.log_prob(masks)

    def sample(self, n: int, generator: torch.Generator | None) -> Bool[Tensor, "samples units"]:
        """The width first, then the composition."""
        return self.units.sample(n, generator)

    def survival(self) -> Float[Tensor, "units"]:
        """P(m_u = 1)."""
        return self.units.survival()

    def log_width_law(self) -> Float[Tensor, "widths"]:
        """The wanted law."""
        return self.units.log_size_law

    def entropy(self) -> float:
        """Entropy of the width and of the composition, nats."""
        return self.units.entropy()

    def ranked(self) -> Iterator[tuple[float, Bool[Tensor, "units"]]]:
        """Most probable masks of all widths."""
        return self.units.ranked()


@dataclass(frozen=True, eq=False)
class TiltedWidth(FactorisedPrior):
    """p(m) = p*(|m|) exp(-c.m) / e_|m|(exp(-c)) in every group, groups independent.

    `log_width_laws` are log weights of each group's width over 0..U (normalised here), protected units counted: widths below
    their number are impossible. `costs` c_u are in nats, of any sign; only their differences within a group matter. Pyro
    form: "joint".

    Raises:
        WidthLawError: if a law is missing, of the wrong length, or cannot be normalised.
        SurvivalError: if costs are missing, of the wrong shape, or not finite.
    """

    log_width_laws: Mapping[str, Float[Tensor, "_"]] = field(repr=False)
    costs: Mapping[str, Float[Tensor, "_"]] = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "costs", per_unit(self.architecture, self.costs, "costs"))
        object.__setattr__(self, "log_width_laws", checked_log_laws(self.units, self.log_width_laws))

    @classmethod
    def from_guidance(
        cls,
        architecture: Architecture,
        guidance: Guidance,
        *,
        strength: float,
        widths: WidthLaw | Mapping[str, WidthLaw | Float[Tensor, "_"]],
    ) -> "TiltedWidth":
        """Costs c_u = strength * g_u and a wanted law of widths, one for all groups or one for each.

        Laws given as functions are cut to at least the protected units (g_u = 0); tables give 0..U units.

        Raises:
            WidthLawError: if a law is no law over a group's widths.
            StrengthError: if the strength is not positive and finite.
            GuidanceError: as `guidance.coefficients`.
        """
        costs, protected = scaled_guidance(architecture, guidance, strength)
        laws = log_laws(GuidedUnits(architecture, protected), widths)
        return cls(architecture, laws, costs, protected=protected)

    @classmethod
    def shared(
        cls, architecture: Architecture, guidance: Guidance, *, strength: float, sizes: WidthLaw | Float[Tensor, "_"]
    ) -> SharedBudget:
        """One law of the number of units in all groups together, composed by guidance across all units.

        Raises:
            WidthLawError: if the law is no law over 0..architecture.num_units.
            StrengthError: if the strength is not positive and finite.
            GuidanceError: as `guidance.coefficients`.
        """
        return SharedBudget.from_guidance(architecture, guidance, strength=strength, sizes=sizes)

    def _group_law(self, group: str) -> GroupLaw:
        log_odds = -self.units.select_values(self.costs)[group]
        law = self.log_width_laws[group][self.units.num_protected(group) :]
        return TiltedLaw(TiltedUnits(log_odds, (len(log_odds),), (0,), law))

    def _condition(self, minimums: dict[str, int]) -> "TiltedWidth":
        return replace(self, log_width_laws=conditioned_laws(self.units, self.log_width_laws, minimums))

    def _forms(self) -> dict[Form, SampleSites]:
        return {"joint": self._joint_form}
