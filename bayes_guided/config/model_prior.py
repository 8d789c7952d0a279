"""Settings of priors over models, one model per kind."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from bayes_guided import priors
from bayes_guided.architecture import Architecture
from bayes_guided.priors import ModelPrior
from bayes_guided.priors.models.wanted_guidance import WantedGuidance, guidance_of_hazard, guidance_of_independent
from bayes_guided.types import UnitValues

from .model_section import GuidedSection, ModelSection, StrengthOrOther
from .per_group import require_groups
from .settings import Positive
from .width_law import Law, Laws, build_laws

COSTS = "costs s g_u in nats"
HAZARD = "increments s g_u of the cumulative hazard in nats"


class Independent(StrengthOrOther):
    """Units on their own: costs strength * g_u, or a `law` of widths that independent units can have."""

    kind: Literal["independent"]
    law: Laws | None = None
    wanted_as: ClassVar[str] = COSTS
    instead_of_strength: ClassVar[str] = "law"

    def build(self, architecture: Architecture) -> ModelPrior:
        """`IndependentInclusion`."""
        if self.law is not None:
            return priors.IndependentInclusion.from_width_law(architecture, _laws(self.law, architecture))
        guidance, strength = self.pressed(architecture)
        return priors.IndependentInclusion.from_guidance(architecture, guidance, strength=strength)

    def wanted_guidance(self, architecture: Architecture) -> WantedGuidance | None:
        """Costs."""
        wanted = self.wanted_width(architecture)
        return guidance_of_independent(architecture, self.profile, wanted) if wanted else None


class Nested(StrengthOrOther):
    """The first K units: guidance as cumulative hazard, or a `law` of widths."""

    kind: Literal["nested"]
    law: Laws | None = None
    wanted_as: ClassVar[str] = HAZARD
    instead_of_strength: ClassVar[str] = "law"

    def build(self, architecture: Architecture) -> ModelPrior:
        """`NestedWidth`."""
        if self.law is not None:
            return priors.NestedWidth.from_law(architecture, _laws(self.law, architecture))
        guidance, strength = self.pressed(architecture)
        return priors.NestedWidth.from_guidance(architecture, guidance, strength=strength)

    def wanted_guidance(self, architecture: Architecture) -> WantedGuidance | None:
        """Cumulative hazard."""
        wanted = self.wanted_width(architecture)
        return guidance_of_hazard(architecture, self.profile, wanted) if wanted else None


class Shrinkage(StrengthOrOther):
    """Cumulative shrinkage: guidance as cumulative hazard, or equal sticks Beta(1, `concentration`)."""

    kind: Literal["shrinkage"]
    concentration: Positive | None = None
    wanted_as: ClassVar[str] = HAZARD
    instead_of_strength: ClassVar[str] = "concentration"

    def build(self, architecture: Architecture) -> ModelPrior:
        """`CumulativeShrinkage`."""
        if self.concentration is not None:
            return priors.CumulativeShrinkage.from_concentration(architecture, self.concentration)
        guidance, strength = self.pressed(architecture)
        return priors.CumulativeShrinkage.from_guidance(architecture, guidance, strength=strength)

    def wanted_guidance(self, architecture: Architecture) -> WantedGuidance | None:
        """Cumulative hazard: survivals are those of nested units."""
        wanted = self.wanted_width(architecture)
        return guidance_of_hazard(architecture, self.profile, wanted) if wanted else None


class _Tilted(GuidedSection):
    """A law says how many units, guidance which go first."""

    strength: Positive
    wanted_as: ClassVar[str] = f"{COSTS} of independent units; here the law itself sets the width"

    def wanted_guidance(self, architecture: Architecture) -> WantedGuidance | None:
        """Costs of independent units with this profile."""
        wanted = self.wanted_width(architecture)
        return guidance_of_independent(architecture, self.profile, wanted) if wanted else None


class Tilted(_Tilted):
    """A law of every group's width."""

    kind: Literal["tilted"]
    law: Laws

    def build(self, architecture: Architecture) -> ModelPrior:
        """`TiltedWidth`."""
        laws = _laws(self.law, architecture)
        return priors.TiltedWidth.from_guidance(architecture, self.profile, strength=self.strength, widths=laws)


class Shared(_Tilted):
    """One law of the number of units in all groups."""

    kind: Literal["shared"]
    law: Law

    def build(self, architecture: Architecture) -> ModelPrior:
        """`SharedBudget`."""
        sizes = self.law.build()
        return priors.TiltedWidth.shared(architecture, self.profile, strength=self.strength, sizes=sizes)


class Gibbs(ModelSection):
    """exp(-beta * cost) of the sub-architecture, cost in parameters, MACs or a code length, at `beta` or at a `mean_cost`."""

    kind: Literal["gibbs"]
    cost: Literal["parameters", "macs", "mdl"]
    beta: Positive | None = None
    mean_cost: Positive | None = None

    @model_validator(mode="after")
    def _one_strength(self) -> "Gibbs":
        if (self.beta is None) == (self.mean_cost is None):
            raise PydanticCustomError("contradiction", "give either 'beta' or the 'mean_cost' that it is to have")
        if self.mean_width is not None:
            raise PydanticCustomError(
                "contradiction", "'mean_width' asks for guidance, which gibbs has not: its widths follow from cost and beta"
            )
        return self

    def build(self, architecture: Architecture) -> ModelPrior:
        """`GibbsComplexity`."""
        if self.mean_cost is not None:
            return priors.GibbsComplexity.from_mean_cost(architecture, self.cost, self.mean_cost)
        assert self.beta is not None  # by `_one_strength`
        return priors.GibbsComplexity(architecture, self.cost, beta=self.beta)

    def guidance_values(self, architecture: Architecture) -> UnitValues | None:
        """None: all units of a group are alike."""
        return None

    def wanted_guidance(self, architecture: Architecture) -> WantedGuidance | None:
        """None."""
        return None


ModelSettings = Annotated[Independent | Nested | Shrinkage | Gibbs | Tilted | Shared, Field(discriminator="kind")]


def _laws(laws: Laws, architecture: Architecture) -> priors.WidthLaw | dict[str, priors.WidthLaw]:
    if isinstance(laws, dict):
        require_groups(laws, [group.name for group in architecture.groups], "models.law")
    return build_laws(laws)
