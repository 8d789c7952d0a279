"""The Gaussian guides by name."""

from typing import Literal

import torch

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ConfigError

from .base import START_SD, Guide, Weights
from .full import FullCovariance
from .low_rank import LowRank
from .mean_field import MeanField
from .row_scale import RowScale

GuideName = Literal["mean_field", "row_scale", "low_rank", "full"]
"""Independent weights; one scale per row; low rank plus diagonal per group; one full covariance."""

_FAMILIES: dict[str, type[Guide]] = {family.family: family for family in (MeanField, RowScale, LowRank, FullCovariance)}


def gaussian_guide(
    name: str,
    architecture: Architecture,
    start: Weights,
    *,
    sd: float = START_SD,
    rank: int = 8,
    generator: torch.Generator | None = None,
) -> Guide:
    """The guide of that name with its means at `start` and standard deviations `sd`.

    `rank`, and the `generator` from which the factor starts, are for "low_rank" only.

    Raises:
        ConfigError: if there is no such guide, or a number is out of range.
        ExactLimitError: if there are too many weights for "full".
    """
    if name not in _FAMILIES:
        raise ConfigError(f"guide={name!r}: give one of {', '.join(_FAMILIES)}, or a Pyro AutoGuide.")
    if name == LowRank.family:
        return LowRank(architecture, start, sd=sd, rank=rank, generator=generator)
    return _FAMILIES[name](architecture, start, sd=sd)  # pyright: ignore[reportCallIssue]
