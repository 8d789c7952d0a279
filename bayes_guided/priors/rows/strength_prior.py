"""A Gamma prior on the strength: conjugate to every homogeneous family, and proper where a learned rate alone is not (P30)."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.exceptions import StrengthError


@dataclass(frozen=True)
class GammaStrength:
    """lambda ~ Gamma(shape, rate), mean shape / rate.

    For a penalty lambda * Omega, homogeneous of degree k in d weights, the density has lambda^(d/k) in front, so that
    lambda given the weights is Gamma(shape + d/k, rate + Omega) (P1). Without the prior, that is rate = 0, the density of
    weights and strength together is unbounded as both weights and 1 / lambda go to 0 (P30).

    Raises:
        StrengthError: if shape or rate is not positive and finite.
    """

    shape: float
    rate: float

    def __post_init__(self) -> None:
        for name, value in (("shape", self.shape), ("rate", self.rate)):
            if not (isinstance(value, int | float) and 0 < value < math.inf):
                raise StrengthError(f"GammaStrength({name}={value!r}): give a positive finite number.")

    def posterior(self, degrees: float, size: float) -> "GammaStrength":
        """q(lambda) that maximises the ELBO: `degrees` is the sum of d/k, `size` E_q of the penalty at strength 1."""
        return GammaStrength(self.shape + degrees, self.rate + size)

    @property
    def mean(self) -> float:
        """E lambda."""
        return self.shape / self.rate

    def collapsed(self, degrees: float, size: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """-log of the integral of lambda^degrees exp(-lambda size) over the prior, nats, differentiable in `size`.

        It is what the strength adds to minus the ELBO when q(lambda) is at its best for q(weights): (a + n) log(b + size) - a
        log b + lgamma(a) - lgamma(a + n), with a and b the shape and rate and n the degrees.
        """
        total = self.shape + degrees
        constant = math.lgamma(self.shape) - math.lgamma(total) - self.shape * math.log(self.rate)
        return total * torch.log(self.rate + size) + constant
