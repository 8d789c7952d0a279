"""A number that was estimated by simulation, with its error."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False, repr=False)
class Estimate:
    """An estimate and its standard error, of the same shape and in the same unit."""

    value: Float[Tensor, "..."]
    standard_error: Float[Tensor, "..."]

    def __repr__(self) -> str:
        if self.value.numel() != 1:
            return f"Estimate(of shape {tuple(self.value.shape)})"
        return f"Estimate({float(self.value):.6g} ± {float(self.standard_error):.2g})"
