"""Jeffreys' interval against the theory's and by coverage; the empirical logit against its definition."""

import numpy as np
import pytest
import torch
from scipy.stats import binom

from bayes_guided.analysis.intervals import frequency_log_odds, jeffreys_interval
from bayes_guided.exceptions import PosteriorError
from theory import survival_numbers


@pytest.mark.parametrize("runs", [1, 16, 400])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_interval_against_theory(runs, level):
    lower, upper = jeffreys_interval(torch.arange(runs + 1), runs, level)
    for count in range(runs + 1):
        low, high = survival_numbers.jeffreys_interval(count, runs, level)
        assert float(lower[count]) == pytest.approx(0.0 if count == 0 else low, abs=1e-12)
        assert float(upper[count]) == pytest.approx(1.0 if count == runs else high, abs=1e-12)
    assert lower.dtype == upper.dtype == torch.float64


def test_coverage_is_nominal_on_average():
    """Summed exactly over all counts, and averaged over frequencies."""
    lower, upper = (ends.numpy() for ends in jeffreys_interval(torch.arange(31), 30, 0.9))
    grid = np.linspace(0.01, 0.99, 99)
    coverage = [binom.pmf(np.arange(31), 30, p)[(lower <= p) & (p <= upper)].sum() for p in grid]
    assert abs(np.mean(coverage) - 0.9) < 0.01


def test_log_odds_are_the_empirical_logit():
    odds = frequency_log_odds(torch.tensor([0, 3, 8, 16]), 16)
    expected = [np.log(0.5 / 16.5), np.log(3.5 / 13.5), 0.0, np.log(16.5 / 0.5)]
    np.testing.assert_allclose(odds.numpy(), expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(("counts", "runs"), [([-1], 3), ([4], 3), ([0], 0)])
def test_counts_out_of_range_are_refused(counts, runs):
    for function in (jeffreys_interval, frequency_log_odds):
        with pytest.raises(PosteriorError, match="from 0 to runs"):
            function(torch.tensor(counts), runs)


@pytest.mark.parametrize("level", [0.0, 1.0, 1.5])
def test_a_level_out_of_range_is_refused(level):
    with pytest.raises(PosteriorError, match="level"):
        jeffreys_interval(torch.tensor([1]), 2, level)
