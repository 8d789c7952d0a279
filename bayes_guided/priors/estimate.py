"""A number that was estimated by simulation, with its error."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Estimate:
    """An estimate and its standard error, of the same shape and in the same unit."""

    value: Float[Tensor, "..."]
    standard_error: Float[Tensor, "..."]
