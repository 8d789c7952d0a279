"""Two other routes to P(||row|| > tau), to hold `norm_tail` against: Imhof's integral and Monte Carlo (P18)."""

import math

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.integrate import quad
from torch import Tensor

from bayes_guided.analysis.norm_tail import check_gaussian_rows, check_threshold
from bayes_guided.exceptions import PosteriorError

_ABSOLUTE = 1e-10
_TRUNCATION = 1e-9


def imhof_probability(mean: Float[Tensor, "row"], sd: Float[Tensor, "row"], tau: float) -> tuple[float, float]:
    """(P(||row|| > tau), bound of its absolute error), by numerical inversion of the characteristic function.

    One row at a time, milliseconds to seconds. The error is absolute, so that it knows nothing of small tails; rows of one
    to four random weights converge slowly, and the bound says so: it is QUADPACK's plus what lies beyond the integral's end.

    Raises:
        PosteriorError: as `norm_tail`; or if no standard deviation is positive.
    """
    check_gaussian_rows(mean, sd)
    check_threshold(tau)
    if not bool((sd > 0).any()):
        raise PosteriorError("no weight of the row is random, so that its norm has no density.")
    square = (mean.detach().double().cpu().numpy() / tau) ** 2
    variance = (sd.detach().double().cpu().numpy() / tau) ** 2
    end = 1 / float(variance.max())
    while _log_modulus(end, square, variance) > math.log(_TRUNCATION):
        end *= 1.5

    def integrand(u: float) -> float:
        growth = variance * u
        phase = 0.5 * float(np.sum(np.arctan(growth) + square * u / (1 + growth**2))) - u / 2
        return math.sin(phase) * math.exp(_log_modulus(u, square, variance)) / u

    value, error = quad(integrand, 0.0, end, epsabs=_ABSOLUTE, epsrel=0, limit=5000)[:2]
    # Beyond the end the modulus falls at least like u^(-1/2), and the integrand like its u-th part.
    return 0.5 + value / math.pi, (error + 2 * _TRUNCATION) / math.pi


def sampled_probability(
    mean: Float[Tensor, "units row"], sd: Float[Tensor, "units row"], tau: float, draws: int, generator: torch.Generator
) -> tuple[Float[Tensor, "units"], Float[Tensor, "units"]]:
    """(P(||row|| > tau), its standard error) per row from independent draws, fractions.

    The standard error is that of the Jeffreys estimate (k + 1/2) / (n + 1), which is not 0 where all draws agree.

    Raises:
        PosteriorError: as `norm_tail`; or if there is no draw.
    """
    check_gaussian_rows(mean, sd)
    check_threshold(tau)
    if draws < 1:
        raise PosteriorError(f"draws={draws}: give at least one.")
    above = torch.zeros(len(mean), dtype=torch.float64, device=mean.device)
    for _ in range(draws):
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        above += (mean.detach() + sd.detach() * noise).norm(dim=1) > tau
    smoothed = (above + 0.5) / (draws + 1)
    return above / draws, (smoothed * (1 - smoothed) / draws).sqrt()


def _log_modulus(u: float, square: NDArray[np.float64], variance: NDArray[np.float64]) -> float:
    """log |E exp(i u Q / 2)|."""
    growth = (variance * u) ** 2
    return float(-0.25 * np.sum(np.log1p(growth)) - 0.5 * np.sum(square * variance * u**2 / (1 + growth)))
