"""Settings of how a run's posterior is held against its prior."""

from typing import Annotated, Literal

from pydantic import Field

from .settings import Positive, Settings

Reading = Literal["map", "threshold", "shrinkage", "evidence", "inclusion"]


class CompareSettings(Settings):
    """The arguments of `bg.compare`.

    Without a `reading` it is the most telling one that the fit has; a `curvature` that is left out is measured on the training
    data; a threshold needs its `tau`.
    """

    reading: Reading | None = None
    tau: Positive | None = None
    curvature: Positive | None = None
    draws: Annotated[int, Field(ge=2)] = 1000
