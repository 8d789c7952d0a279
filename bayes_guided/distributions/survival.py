"""Prior probability that a row is larger than a threshold (P10)."""

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.exceptions import StrengthError


def thresholds(threshold: float | Tensor, rate: Tensor) -> Float[Tensor, "..."]:
    """The threshold as a float64 tensor on the device of the rate.

    Raises: StrengthError: if a threshold is negative or NaN.
    """
    tau = torch.as_tensor(threshold, dtype=torch.float64, device=rate.device)
    if not bool((tau >= 0).all()):
        raise StrengthError(f"A threshold on the size of a row must be at least 0, got {threshold}.")
    return tau


def gamma_survival(
    concentration: float, rate: Float[Tensor, "*units"], threshold: float | Tensor, *, power: float
) -> Float[Tensor, "*batch"]:
    """P(size > threshold) where rate * size^power is Gamma(concentration, 1): a fraction, in the rate's dtype."""
    level = rate.double() * thresholds(threshold, rate) ** power
    shape = torch.full_like(level, concentration)
    return torch.special.gammaincc(shape, level).to(rate.dtype)
