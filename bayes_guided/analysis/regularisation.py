"""Fits under one guidance at several strengths."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bayes_guided.exceptions import PosteriorError


@dataclass(frozen=True, eq=False)
class RegularisationPath:
    """What fits at ascending `strengths` found: units per group (counts), error, log evidence (nats) where it was computed.

    `name` says what distinguishes this path from others, such as its guidance profile. `error_name` is the likelihood's:
    "error" is a fraction, anything else as it is.

    Raises:
        PosteriorError: if strengths do not ascend from above 0, or the columns have different lengths.
    """

    name: str
    strengths: Float[Tensor, "_"]
    widths: Mapping[str, Int[Tensor, "_"]]
    error: Float[Tensor, "_"]
    log_evidence: Float[Tensor, "_"] | None = None
    error_name: str = "error"

    def __post_init__(self) -> None:
        columns = [self.error, *self.widths.values(), *([] if self.log_evidence is None else [self.log_evidence])]
        if not self.widths or any(len(column) != len(self.strengths) for column in columns):
            raise PosteriorError(f'the path "{self.name}" needs widths, and one value of everything per strength.')
        if not bool((self.strengths > 0).all()) or not bool((self.strengths.diff() > 0).all()):
            raise PosteriorError(f'the strengths of the path "{self.name}" must ascend and be above 0.')

    @property
    def units(self) -> Int[Tensor, "_"]:
        """Units in all groups."""
        return torch.stack(list(self.widths.values())).sum(dim=0)

    @property
    def best(self) -> int | None:
        """Place of the largest log evidence, None where there is none."""
        return None if self.log_evidence is None else int(self.log_evidence.argmax())
