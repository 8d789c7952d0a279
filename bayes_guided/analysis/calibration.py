"""Whether predictions mean what they say: events of probability p happen a fraction p of the time.

Both numbers are averages over finitely many cases and so lie above 0 for a calibrated predictor too: with n cases, by about
sqrt(bins / n) and sqrt(1 / n). They are for comparisons on the same cases.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.exceptions import PosteriorError

BINS = 15
"""Bins of the expected calibration error, of as equal numbers of events as ties allow [Guo2017, Nguyen2015]."""

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Nominal levels at which the coverage of central intervals is compared."""


@dataclass(frozen=True, eq=False)
class Reliability:
    """Forecasts gathered into bins: their mean, the frequency of the events, and how many there are; empty bins left out."""

    forecast: Float[Tensor, "bins"]
    frequency: Float[Tensor, "bins"]
    weight: Float[Tensor, "bins"]
    """Fraction of all events; sums to 1."""

    @property
    def error(self) -> float:
        """The expected calibration error: the mean over events of |forecast - frequency| of their bin, a fraction."""
        return float((self.weight * (self.forecast - self.frequency).abs()).sum())


def reliability(probability: Float[Tensor, "events"], happened: Float[Tensor, "events"], bins: int = BINS) -> Reliability:
    """The reliability curve of forecasts `probability` of events that `happened` (1) or did not (0).

    The bins' edges are quantiles of the forecasts; equal forecasts share a bin, so that the order of the events is of no
    account.

    Raises:
        PosteriorError: if there are no events, or a forecast is no probability.
    """
    _check_fractions(probability)
    forecast = probability.detach().double().cpu().numpy()
    edges = np.quantile(forecast, np.arange(1, bins) / bins)
    index = np.searchsorted(edges, forecast)
    counts, sums, hits = (
        np.bincount(index, weights=weights, minlength=bins)
        for weights in (None, forecast, happened.detach().double().cpu().numpy())
    )
    filled = counts > 0
    forecasts, frequencies = sums[filled] / counts[filled], hits[filled] / counts[filled]
    return Reliability(*(torch.from_numpy(part) for part in (forecasts, frequencies, counts[filled] / len(forecast))))


def central_coverage(
    below: Float[Tensor, "cases"], up_to: Float[Tensor, "cases"], levels: tuple[float, ...] = LEVELS
) -> Float[Tensor, "levels"]:
    """The fraction of targets inside the central predictive interval of each nominal level, float64.

    `below` and `up_to` are P(target < y) and P(target <= y) at the targets y seen; they are equal for continuous targets. The
    target of a discrete law counts by the share of [below, up_to] that lies inside: the expectation under a uniformly
    randomised distribution function, with which a calibrated law has nominal coverage [Czado2009].

    Raises:
        PosteriorError: if there are no cases, or a value is no probability.
    """
    _check_fractions(below)
    _check_fractions(up_to)
    low, high = below.detach().double().cpu(), up_to.detach().double().cpu()
    coverage = []
    for level in levels:
        ends = (1 - level) / 2, (1 + level) / 2
        share = (high.clamp(max=ends[1]) - low.clamp(min=ends[0])).clamp(min=0) / (high - low)
        inside = ((low >= ends[0]) & (low <= ends[1])).double()
        coverage.append(torch.where(high > low, share, inside).mean())
    return torch.stack(coverage)


def coverage_error(below: Float[Tensor, "cases"], up_to: Float[Tensor, "cases"]) -> float:
    """The mean absolute deviation of `central_coverage` from its nominal levels, a fraction.

    Raises:
        PosteriorError: as `central_coverage`.
    """
    return float((central_coverage(below, up_to) - torch.tensor(LEVELS, dtype=torch.float64)).abs().mean())


def _check_fractions(values: Tensor) -> None:
    if values.numel() == 0:
        raise PosteriorError("there are no cases to judge the calibration by.")
    # Sums of float32 probabilities exceed 1 by rounding.
    if not bool(((values >= 0) & (values <= 1 + 1e-5)).all()):
        raise PosteriorError("a forecast is not between 0 and 1.")
