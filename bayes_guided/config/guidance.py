"""Settings of the guidance, one model per profile; a bare name, such as `linear`, is the profile without parameters."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from bayes_guided import guidance
from bayes_guided.guidance import Guidance

from .settings import Settings

Cost = Literal["macs", "parameters"]
Factor = Annotated[float, Field(ge=0)]


class Constant(Settings):
    """The unguided form."""

    profile: Literal["constant"]

    def build(self) -> Guidance:
        """The guidance."""
        return guidance.constant()


class Linear(Settings):
    """Guidance rising in proportion to the unit's place."""

    profile: Literal["linear"]

    def build(self) -> Guidance:
        """The guidance."""
        return guidance.linear()


class Polynomial(Settings):
    """Guidance as a power of the unit's place."""

    profile: Literal["polynomial"]
    power: float

    def build(self) -> Guidance:
        """The guidance."""
        return guidance.polynomial(self.power)


class Exponential(Settings):
    """Guidance rising by a factor of about e^rate over the group."""

    profile: Literal["exponential"]
    rate: float

    def build(self) -> Guidance:
        """The guidance."""
        return guidance.exponential(self.rate)


class Step(Settings):
    """The first `free` units (count, or fraction below 1) protected, the others equal."""

    profile: Literal["step"]
    free: Annotated[float, Field(ge=0)]

    def build(self) -> Guidance:
        """The guidance."""
        return guidance.step(self.free)


class ByCost(Settings):
    """Guidance by what a unit costs."""

    profile: Literal["cost"]
    kind: Cost

    def build(self) -> Guidance:
        """The guidance."""
        return guidance.cost(self.kind)


_PROFILES = ("constant", "linear", "polynomial", "exponential", "step")


def _spelled_out(value: Any) -> Any:
    return {"profile": value} if isinstance(value, str) else value


def _across_form(value: Any) -> str:
    if isinstance(value, str):
        return "profile" if value in _PROFILES else "cost"
    return "profile" if not isinstance(value, dict) or "profile" in value else "factors"


Profile = Annotated[
    Annotated[Constant | Linear | Polynomial | Exponential | Step | ByCost, Field(discriminator="profile")],
    BeforeValidator(_spelled_out),
]

Across = Annotated[
    Annotated[Cost, Tag("cost")] | Annotated[dict[str, Factor], Tag("factors")] | Annotated[Profile, Tag("profile")],
    Discriminator(_across_form),
]
"""How whole groups differ: by cost, by named factors, or by a profile along the depth."""


def build_guidance(profile: Profile, across: Across | None) -> Guidance:
    """The guidance of a run."""
    base = profile.build()
    if across is None:
        return base
    if isinstance(across, dict):
        return base.across(across)
    return base.across(guidance.cost(across) if isinstance(across, str) else across.build())
