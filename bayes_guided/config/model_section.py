"""What the sections that describe a prior over models have in common."""

from abc import abstractmethod
from typing import ClassVar

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from bayes_guided.architecture import Architecture
from bayes_guided.guidance import Guidance
from bayes_guided.priors import ModelPrior
from bayes_guided.priors.models.wanted_guidance import WantedGuidance
from bayes_guided.types import UnitValues

from .guidance import Across, Linear, Profile, build_guidance
from .per_group import Amounts, Counts, for_groups
from .settings import Positive, Settings


class ModelSection(Settings):
    """`min_width` conditions the models; `mean_width` is the mean width to which the guidance is sought."""

    min_width: Counts | None = None
    mean_width: Amounts | None = None

    @abstractmethod
    def build(self, architecture: Architecture) -> ModelPrior:
        """The prior, not conditioned."""

    @abstractmethod
    def guidance_values(self, architecture: Architecture) -> UnitValues | None:
        """The profile g_u of every group, None where there is none."""

    @abstractmethod
    def wanted_guidance(self, architecture: Architecture) -> WantedGuidance | None:
        """The guidance that has the mean width; None if none is sought."""


class GuidedSection(ModelSection):
    """A prior that a profile of guidance goes into: linear if it is left out."""

    guidance: Profile | None = None
    across: Across | None = None
    wanted_as: ClassVar[str]
    """What the strength s of the wanted guidance multiplies to."""

    @property
    def profile(self) -> Guidance:
        """The guidance at strength 1."""
        return build_guidance(self.guidance or Linear(profile="linear"), self.across)

    def guidance_values(self, architecture: Architecture) -> UnitValues | None:
        """The profile."""
        return self.profile.coefficients(architecture)

    def wanted_width(self, architecture: Architecture) -> dict[str, float]:
        """The mean width sought, per group; empty if none is.

        Raises:
            ConfigError: if a group is named that does not exist.
        """
        return for_groups(self.mean_width or {}, architecture, "models.mean_width")


class StrengthOrOther(GuidedSection):
    """Guidance at a `strength`, or without one at that which has the `mean_width`; or something else in its place."""

    strength: Positive | None = None
    instead_of_strength: ClassVar[str]

    @model_validator(mode="after")
    def _one_way(self) -> "StrengthOrOther":
        other = self.instead_of_strength
        has_other = getattr(self, other) is not None
        if has_other and (self.strength is not None or self.guidance is not None or self.across is not None):
            raise PydanticCustomError(
                "contradiction", "'{other}' leaves nothing to guidance; give it, or strength and guidance", {"other": other}
            )
        if not has_other and self.strength is None and self.mean_width is None:
            raise PydanticCustomError("contradiction", "give 'strength', '{other}' or 'mean_width'", {"other": other})
        return self

    def guidance_values(self, architecture: Architecture) -> UnitValues | None:
        """The profile, if the prior has one."""
        return None if getattr(self, self.instead_of_strength) is not None else super().guidance_values(architecture)

    def pressed(self, architecture: Architecture) -> tuple[Guidance, float]:
        """Guidance and strength, solved for where only the mean width is given.

        Raises:
            WidthLawError: if no guidance has that mean width.
        """
        if self.strength is not None:
            return self.profile, self.strength
        wanted = self.wanted_guidance(architecture)
        assert wanted is not None  # by `_one_way`
        return self.profile.across(wanted.strengths), 1.0
