"""The multiplicative gamma process: precisions that grow along a layer [BhattacharyaDunson2011] (P12)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.special import digamma, loggamma
from torch import Tensor

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ShrinkageError

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

EXPONENT = 40.0  # nats below its peak at which an integrand is cut


@dataclass(frozen=True, eq=False)
class MultiplicativeGamma:
    """Unit u has variance 1 / tau_u with tau_u = delta_1 ... delta_u, delta_1 ~ Gamma(a1, 1), the others Gamma(a2, 1).

    A distribution over scales, not over models: no unit is ever absent, and along one draw the variances need not fall, so
    masks from a threshold would not be nested. `unit_survival(threshold)` is the `threshold` reading of the variance.

    Shrinkage that increases along the layer holds only in a region, which `increasing` names and which is enforced:
    "mean_variance": E 1 / tau_u falls: a1 > 1 (it exists) and a2 > 2.
    "log_precision": E log tau_u rises: digamma(a2) > 0, a2 > 1.4616. For a2 from there to 2 the mean variance rises as well.

    Raises:
        ShrinkageError: if a1 or a2 is not positive and finite, or outside the region.
    """

    architecture: Architecture
    a1: float
    a2: float
    increasing: str = "mean_variance"

    def __post_init__(self) -> None:
        for name, value in (("a1", self.a1), ("a2", self.a2)):
            if not 0 < value < float("inf"):
                raise ShrinkageError(f"{name}={value} is not positive and finite.")
        if self.increasing == "mean_variance":
            self._require_mean()
            if self.a2 <= 2:
                raise ShrinkageError(
                    f"with a2={self.a2} the mean variance 1 / ((a1 - 1) (a2 - 1)^(u - 1)) does not fall; take a2 > 2, or "
                    'increasing="log_precision" with a2 > 1.4616.'
                )
        elif self.increasing == "log_precision":
            if digamma(self.a2) <= 0:
                raise ShrinkageError(f"with a2={self.a2} the mean log precision does not rise; take a2 > 1.4616.")
        else:
            raise ShrinkageError(f'increasing="{self.increasing}" is unknown; give "mean_variance" or "log_precision".')

    def log_prob(self, precisions: dict[str, Float[Tensor, "_"]]) -> Float[Tensor, ""]:
        """Log density of precisions tau_u > 0, (units,) per group, with respect to Lebesgue measure; nats."""
        total = torch.zeros((), dtype=torch.float64)
        for group in self.architecture.groups:
            log_tau = precisions[group.name].double().log()
            steps = torch.cat([log_tau[:1], log_tau.diff()])
            shapes = self._shapes(group.size)
            gammas = (shapes - 1) * steps - steps.exp() - torch.lgamma(shapes)
            total = total + gammas.sum() - log_tau[:-1].sum()
        return total

    def sample(self, n: int, generator: torch.Generator | None = None) -> dict[str, Float[Tensor, "samples _"]]:
        """`n` draws of the precisions, (n, units) per group."""
        result = {}
        for group in self.architecture.groups:
            shapes = self._shapes(group.size).expand(n, group.size)
            # torch.distributions.Gamma takes no generator; this is what it calls.
            gammas = torch._standard_gamma(shapes, generator=generator)  # pyright: ignore[reportPrivateImportUsage]
            result[group.name] = gammas.log().cumsum(dim=1).exp()
        return result

    def expected_variance(self) -> dict[str, Float[Tensor, "_"]]:
        """E 1 / tau_u = 1 / ((a1 - 1) (a2 - 1)^(u - 1)), (units,) per group.

        Raises:
            ShrinkageError: if a1 or a2 is 1 or less: the mean does not exist.
        """
        self._require_mean()
        if self.a2 <= 1:
            raise ShrinkageError(f"with a2={self.a2} the mean variance does not exist; take a2 > 1.")
        result = {}
        for group in self.architecture.groups:
            steps = torch.arange(group.size, dtype=torch.float64)
            result[group.name] = torch.exp(-steps * np.log(self.a2 - 1)) / (self.a1 - 1)
        return result

    def expected_log_precision(self) -> dict[str, Float[Tensor, "_"]]:
        """E log tau_u = digamma(a1) + (u - 1) digamma(a2), (units,) per group."""
        first, step = float(digamma(self.a1)), float(digamma(self.a2))
        return {group.name: first + step * torch.arange(group.size, dtype=torch.float64) for group in self.architecture.groups}

    def unit_survival(self, threshold: float) -> dict[str, Float[Tensor, "_"]]:
        """P(1 / tau_u > threshold), (units,) per group, by quadrature to about 1e-12: the `threshold` reading.

        Raises:
            ShrinkageError: if the threshold is not positive and finite.
        """
        if not 0 < threshold < float("inf"):
            raise ShrinkageError(f"threshold={threshold} is not positive and finite.")
        most = max(group.size for group in self.architecture.groups)
        below = [_log_gamma_sum_below(self.a1, self.a2, steps, -np.log(threshold)) for steps in range(most)]
        values = torch.tensor(below, dtype=torch.float64)
        return {group.name: values[: group.size].clone() for group in self.architecture.groups}

    def _shapes(self, units: int) -> Float[Tensor, "units"]:
        shapes = torch.full((units,), self.a2, dtype=torch.float64)
        shapes[0] = self.a1
        return shapes

    def _require_mean(self) -> None:
        if self.a1 <= 1:
            raise ShrinkageError(f"with a1={self.a1} the mean variance does not exist; take a1 > 1.")


def _log_gamma_sum_below(a1: float, a2: float, steps: int, bound: float) -> float:
    """P(log delta_1 + ... < bound) with one Gamma(a1) and `steps` Gamma(a2) factors.

    The moment generating function is a product of gamma functions. The inversion integral of exp(K(s) - s bound) / s runs
    along the vertical line through the saddle point of the smaller tail, where the trapezoidal rule converges exponentially.
    """
    start = loggamma(a1) + steps * loggamma(a2)

    def exponent(real: float, imaginary: Array) -> ComplexArray:
        """Logarithm of the integrand."""
        s = real + 1j * imaginary
        return loggamma(a1 + s) + steps * loggamma(a2 + s) - start - s * bound - np.log(s)

    def height(real: float, imaginary: float = 0.0) -> float:
        return float(exponent(float(real), np.array([imaginary])).real[0])

    lower = bool(bound < digamma(a1) + steps * digamma(a2))
    edge = min(a1, a2) if steps else a1
    saddle = _saddle(height, edge, lower)
    peak, cut = height(saddle), 1.0
    while height(saddle, cut) > peak - EXPONENT:
        cut *= 1.5
    # A strip of half-width `distance` is free of poles: a spacing of 0.15 of it leaves an error of e^(-2 pi / 0.15).
    distance = min(abs(saddle), saddle + edge)
    spacing = 0.15 * distance
    heights = spacing * np.arange(int(cut / spacing) + 2, dtype=np.float64)
    terms = np.real(np.exp(exponent(saddle, heights)))
    tail = abs(float(terms.sum() - 0.5 * terms[0])) * spacing / np.pi
    return tail if lower else 1 - tail


def _saddle(height: Callable[[float], float], edge: float, lower: bool) -> float:
    """The minimum of the integrand on (-edge, 0) for the lower tail, on (0, infinity) for the upper."""
    if lower:
        return _minimum(height, -edge * (1 - 1e-9), -1e-9 * edge)
    high = 1.0
    while height(2 * high) < height(high):
        high *= 2
    return _minimum(height, 1e-9, 2 * high)


def _minimum(function: Callable[[float], float], low: float, high: float) -> float:
    """The minimum of a function with one, to a part in a thousand: the line need not run through it exactly."""
    ratio = (5**0.5 - 1) / 2
    while high - low > 1e-3 * max(abs(low), abs(high)):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if function(left) < function(right):
            high = right
        else:
            low = left
    return 0.5 * (low + high)
