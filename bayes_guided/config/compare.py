"""Settings of how a run's posterior is held against its prior."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from bayes_guided.infer import WITH_MARGIN

from .settings import Positive, Settings

Reading = Literal["map", "threshold", "shrinkage", "evidence", "inclusion"]

MARGIN_FAMILIES = tuple(family.__name__ for family in WITH_MARGIN)

TELLING = ("inclusion", "evidence", "shrinkage", "map", "threshold")
"""Readings from the most telling on; a threshold comes last, since its tau cannot be chosen for the user."""


class CompareSettings(Settings):
    """The arguments of `bg.compare`.

    Without a `reading` it is the threshold if its `tau` is given, else the most telling one that the fit has; a `curvature`
    that is left out is measured on the training data; a threshold needs its `tau`. With `margins` a MAP run measures how far
    each unit is from the other decision (`bg.margins`), at one pass over the training data for every unit that is left.
    """

    reading: Reading | None = None
    tau: Positive | None = None
    curvature: Positive | None = None
    draws: Annotated[int, Field(ge=2)] = 1000
    margins: bool = False

    def chosen(self, readings: Sequence[str]) -> str:
        """The reading of a fit that has these."""
        if self.reading is not None:
            return self.reading
        if self.tau is not None and "threshold" in readings:
            return "threshold"
        return next(name for name in TELLING if name in readings)

    def problem(self, readings: Sequence[str], *, method: str, family: str) -> str | None:
        """Why a fit by this method and a prior of this family, which have these readings, cannot be compared so, or None."""
        if not readings:
            return "'prior.family' has no reading that this fit has too, to compare them in; give another one, or 'fit.method'"
        reading = self.chosen(readings)
        if reading not in readings:
            return f"'compare.reading' is {reading!r}, which fit or prior do not have; give one of {', '.join(readings)}"
        if reading == "threshold" and self.tau is None:
            return f"'compare.tau' is missing: the reading is 'threshold' (known are {', '.join(readings)})"
        if self.margins and (method != "map" or family not in MARGIN_FAMILIES):
            return (
                f"'compare.margins' is for a fit by MAP under {', '.join(MARGIN_FAMILIES)}; this is {method} under {family}: "
                "leave it out"
            )
        return None
