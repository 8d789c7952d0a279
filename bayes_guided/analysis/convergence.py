"""Whether Markov chains have mixed, and how much their draws are worth: rank-normalised R-hat and effective sample sizes.

As [Vehtari2021], on chains split in halves, after ranks over all chains have been replaced by normal scores; Pyro's estimators
do the rest. Series are (chains, draws, quantities); results are float64. A quantity that never moves in any chain has R-hat 1
and counts every draw; one that stands still at different values has R-hat infinity.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from pyro.ops.stats import effective_sample_size, gelman_rubin
from scipy import stats
from torch import Tensor

Series = Float[Tensor, "chains draws quantities"]
Values = Float[Tensor, "quantities"]

_SHORT = 16
"""Draws of one series below which nothing can be said of how they hang together."""
_BLOCKS = 2000
"""Blocks that a long series is summed up in."""
_CHUNK = 64
"""Quantities at a time: Pyro's estimator holds draws^2 / 16 numbers for each."""


def rhat(series: Series) -> Values:
    """The larger of the R-hats of location and of spread: about 1 when all halves of all chains agree; 1.01 is the limit.

    At least four draws are needed.
    """
    halves = _split(series.detach().double())
    return torch.maximum(_where_moving(_rhat, halves, 1.0), _where_moving(_folded_rhat, halves, 1.0))


def bulk_ess(series: Series) -> Values:
    """How many independent draws are worth as much for the centre of the distribution."""
    halves = _split(series.detach().double())
    return _bounded(_where_moving(_scores_ess, halves, halves.shape[0] * halves.shape[1]), halves)


def mean_ess(series: Series) -> Values:
    """How many independent draws are worth as much for the mean."""
    halves = _split(series.detach().double())
    return _bounded(_where_moving(effective_sample_size, halves, halves.shape[0] * halves.shape[1]), halves)


def mean_error(series: Series) -> Values:
    """Monte Carlo standard error of the mean over all draws."""
    return series.detach().double().flatten(0, 1).std(dim=0) / mean_ess(series).sqrt()


def series_error(values: Float[Tensor, "draws"]) -> float:
    """Monte Carlo standard error of the mean of one series, whose draws may hang on their neighbours.

    Never less than that of as many independent draws; a series too short to tell counts as independent. A long one is summed
    up in blocks first: the estimator's memory grows with the square of the draws.
    """
    size = -(-len(values) // _BLOCKS)
    means = values[: len(values) // size * size].unflatten(0, (-1, size)).mean(dim=1)
    worth = float(len(means))
    if len(means) >= _SHORT:
        worth = float(mean_ess(means[None, :, None]).clamp(1.0, worth))
    return float(means.std()) / math.sqrt(worth)


def _split(series: Series) -> Float[Tensor, "halves half quantities"]:
    half = series.shape[1] // 2
    return torch.cat([series[:, :half], series[:, -half:]])


def _where_moving(estimate: Callable[[Tensor], Tensor], series: Series, still: float) -> Values:
    """The estimate for quantities that move in some chain or differ between chains, and `still` for those that never do."""
    moving = (series != series[0, 0]).flatten(0, 1).any(dim=0)
    found = torch.full((series.shape[2],), float(still), dtype=torch.float64, device=series.device)
    if bool(moving.any()):
        found[moving] = torch.cat([estimate(part) for part in series[:, :, moving].split(_CHUNK, dim=2)])
    return found


def _bounded(sizes: Values, series: Series) -> Values:
    """At most n log10 n, as in Stan; also where a short series has correlations whose estimates sum to less than nothing."""
    draws = series.shape[0] * series.shape[1]
    most = draws * max(1.0, math.log10(draws))
    return torch.where((sizes > 0) & (sizes < most), sizes, most)


def _rhat(series: Series) -> Values:
    return gelman_rubin(_normal_scores(series))


def _scores_ess(series: Series) -> Values:
    return effective_sample_size(_normal_scores(series))


def _folded_rhat(series: Series) -> Values:
    """R-hat of the distances from the median, which sees chains of different spread."""
    median = series.flatten(0, 1).quantile(0.5, dim=0)
    return _where_moving(_rhat, (series - median).abs(), 1.0)


def _normal_scores(series: Series) -> Series:
    flat = series.flatten(0, 1).cpu().numpy()
    scores = stats.norm.ppf((stats.rankdata(flat, axis=0) - 0.375) / (len(flat) + 0.25))
    return torch.from_numpy(scores).to(series.device).unflatten(0, series.shape[:2])
