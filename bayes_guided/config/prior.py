"""Settings of the guided prior."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from bayes_guided import priors
from bayes_guided.architecture import Architecture
from bayes_guided.priors import GuidedPrior, WeightPrior

from .guidance import Across, Linear, Profile, build_guidance
from .settings import Positive, Settings

Family = Literal[
    "Normal", "Laplace", "GroupLaplace", "SparseGroupLaplace", "GroupSqrtLaplace", "GroupHorseshoe", "TreeGroupLaplace"
]


class PriorSettings(Settings):
    """The guided prior: `strength` multiplies against the summed negative log likelihood (see `bg.GuidedPrior`)."""

    family: Family = "GroupLaplace"
    strength: Positive
    mix: Annotated[float, Field(gt=0, lt=1)] | None = None
    guidance: Profile = Linear(profile="linear")
    across: Across | None = None
    rest: Positive = 0.5
    penalised: Literal["row", "norm"] = "row"

    @model_validator(mode="after")
    def _mix_where_it_means_something(self) -> "PriorSettings":
        if self.mix is not None and self.family != "SparseGroupLaplace":
            raise PydanticCustomError(
                "contradiction", "'mix' belongs to SparseGroupLaplace; leave it out for {family}", {"family": self.family}
            )
        return self

    def build(self, architecture: Architecture) -> GuidedPrior:
        """The prior over the weights of a network.

        Raises:
            GuidanceError, ProtectedGroupError: if the guidance does not fit the architecture.
        """
        return GuidedPrior(
            architecture,
            weights=self._weights(),
            guidance=build_guidance(self.guidance, self.across),
            rest=priors.Normal(self.rest),
            penalised=self.penalised,
        )

    def _weights(self) -> WeightPrior:
        if self.mix is not None:
            return priors.SparseGroupLaplace(self.strength, mix=self.mix)
        return getattr(priors, self.family)(self.strength)
