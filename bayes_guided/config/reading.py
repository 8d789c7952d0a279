"""Settings of how a continuous prior is read as a prior over models."""

from typing import Annotated, Literal

from pydantic import Field

from .per_group import Amounts, Counts
from .settings import Positive, Settings


class _Reading(Settings):
    """`min_width` conditions the models; `mean_width` is the width to which the guidance is sought."""

    min_width: Counts | None = None
    mean_width: Amounts | None = None

    @property
    def numbers(self) -> dict[str, float]:
        """What the reading needs, by name."""
        return self.model_dump(include={"tau", "curvature"})


class ThresholdReading(_Reading):
    """P(||row|| > tau)."""

    name: Literal["threshold"]
    tau: Positive


class ShrinkageReading(_Reading):
    """P(kappa < 1/2) at a curvature of the summed negative log likelihood per weight."""

    name: Literal["shrinkage"]
    curvature: Positive


class EvidenceReading(_Reading):
    """The odds under which the guided regulariser is a joint MAP, at a curvature as above."""

    name: Literal["evidence"]
    curvature: Positive


ReadingSettings = Annotated[ThresholdReading | ShrinkageReading | EvidenceReading, Field(discriminator="name")]
