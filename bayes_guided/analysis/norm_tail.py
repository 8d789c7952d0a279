"""The threshold reading of a Gaussian posterior: P(||row|| > tau), exact in both tails (P17, P18).

The error is that of the quadrature: at most about 1e-8 of the smaller tail wherever it could be checked. What the Gaussian
gets wrong about the posterior is not part of it.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.analysis.squared_norm import log_tails
from bayes_guided.exceptions import CovarianceError, PosteriorError

_CHUNK = 2**15
"""Weights in work at a time: the buffers fit the processor's cache."""

_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class NormTail:
    """log P(||row|| > tau) and log P(||row|| <= tau) of every row, in nats, float64."""

    log_above: Float[Tensor, "units"]
    log_below: Float[Tensor, "units"]

    @property
    def probability(self) -> Float[Tensor, "units"]:
        """P(||row|| > tau), a fraction."""
        return self.log_above.exp()

    @property
    def log_odds(self) -> Float[Tensor, "units"]:
        """log P(||row|| > tau) - log P(||row|| <= tau), in nats: right where the probability is 0 or 1 to double precision."""
        return self.log_above - self.log_below


def norm_tail(mean: Float[Tensor, "units row"], sd: Float[Tensor, "units row"], tau: float) -> NormTail:
    """P(||row||_2 > tau) when the weights are independent, w_uj ~ N(mean_uj, sd_uj^2).

    A standard deviation may be 0: that weight is known.

    Raises:
        PosteriorError: if the shapes differ, a value is not finite, a standard deviation is negative, or tau is not positive.
    """
    check_gaussian_rows(mean, sd)
    check_threshold(tau)
    square = (mean.detach().double() / tau).square()
    variance = (sd.detach().double() / tau).square()
    random = variance > 0
    known = square.masked_fill(random, 0).sum(dim=1)
    moves = random.any(dim=1)
    surely_above = (known > 1) | (moves & (known == 1))
    log_above = torch.where(surely_above, torch.zeros_like(known), -torch.inf)
    log_below = torch.where(surely_above, -torch.inf, torch.zeros_like(known))
    for rows in (moves & (known < 1)).nonzero()[:, 0].split(max(1, _CHUNK // max(1, mean.shape[1]))):
        log_above[rows], log_below[rows] = log_tails(square[rows], variance[rows])
    return NormTail(log_above, log_below)


def norm_tail_of_covariance(
    mean: Float[Tensor, "units row"], covariance: Float[Tensor, "units row row"], tau: float
) -> NormTail:
    """P(||row||_2 > tau) when row u is N(mean_u, covariance_u): as `norm_tail` in the covariance's eigenbasis.

    Costs an eigendecomposition per row.

    Raises:
        PosteriorError: as `norm_tail`.
        CovarianceError: if a covariance has a negative eigenvalue beyond rounding error.
    """
    if covariance.shape != (*mean.shape, mean.shape[1]):
        raise PosteriorError(
            f"means of shape {tuple(mean.shape)} need covariances of shape {(*mean.shape, mean.shape[1])}; "
            f"got {tuple(covariance.shape)}."
        )
    if not bool(torch.isfinite(covariance).all()):
        raise PosteriorError("a covariance is NaN or infinite.")
    values, vectors = torch.linalg.eigh(covariance.detach().double())
    lowest, largest = values.amin(dim=1), values.abs().amax(dim=1)
    broken = lowest < -_ROUNDING * mean.shape[1] * largest
    if bool(broken.any()):
        raise CovarianceError(
            f"the covariance of row {int(broken.nonzero()[0])} has the eigenvalue {float(lowest[broken][0]):g}; "
            "a covariance has none below 0."
        )
    rotated = torch.einsum("uij,ui->uj", vectors, mean.detach().double())
    return norm_tail(rotated, values.clamp(min=0).sqrt(), tau)


def check_gaussian_rows(mean: Tensor, sd: Tensor) -> None:
    """Refuses what is no Gaussian with independent weights.

    Raises:
        PosteriorError: if the shapes differ, a value is not finite, or a standard deviation is negative.
    """
    if mean.shape != sd.shape:
        raise PosteriorError(
            f"means of shape {tuple(mean.shape)} need standard deviations of that shape; got {tuple(sd.shape)}."
        )
    if not (bool(torch.isfinite(mean).all()) and bool(torch.isfinite(sd).all())):
        raise PosteriorError("a mean or standard deviation is NaN or infinite.")
    if bool((sd < 0).any()):
        raise PosteriorError(f"a standard deviation is negative: {float(sd.min()):g}.")


def check_threshold(tau: float) -> None:
    """Refuses a threshold of the norm that is not positive and finite.

    Raises:
        PosteriorError: with the threshold.
    """
    if not 0 < tau < math.inf:
        raise PosteriorError(f"tau={tau}: give a positive finite threshold of the norm.")
