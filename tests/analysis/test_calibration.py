"""Calibration errors against closed forms, scikit-learn's curves and SciPy's laws."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.calibration import calibration_curve

from bayes_guided.analysis.calibration import BINS, LEVELS, central_coverage, coverage_error, reliability
from bayes_guided.exceptions import PosteriorError


def tensors(*arrays):
    return tuple(torch.as_tensor(array, dtype=torch.float64) for array in arrays)


def test_curve_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    # No quantile is one of 1002 forecasts, so that no rounding decides where it goes.
    forecast = rng.beta(2, 1, size=1002)
    happened = (rng.random(1002) < forecast**2).astype(float)
    found = reliability(*tensors(forecast, happened))
    frequency, mean = calibration_curve(happened, forecast, n_bins=BINS, strategy="quantile")
    np.testing.assert_allclose(found.forecast, mean, rtol=1e-12)
    np.testing.assert_allclose(found.frequency, frequency, rtol=1e-12)
    np.testing.assert_allclose(found.weight * 1002, np.full(15, 1002 / 15), atol=1.0)
    assert float(found.weight.sum()) == pytest.approx(1.0)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_error_of_a_predictor_known_to_be_miscalibrated(sharpness):
    """True log odds x, forecast log odds `sharpness` x: the error is E|sigmoid(sharpness x) - sigmoid(x)|."""
    rng = np.random.default_rng(1)
    logits = rng.normal(size=400_000)
    truth, forecast = 1 / (1 + np.exp(-logits)), 1 / (1 + np.exp(-sharpness * logits))
    happened = (rng.random(len(logits)) < truth).astype(float)
    # The truth gathered into the same bins, instead of the events: what is left is the events' noise, sqrt(1/4n) a bin.
    edges = np.quantile(forecast, np.arange(1, BINS) / BINS)
    index = np.searchsorted(edges, forecast)
    exact = np.abs(np.bincount(index, forecast - truth)).sum() / len(logits)
    noise = BINS * 4 * 0.5 * (len(logits) / BINS) ** 0.5 / len(logits)
    assert reliability(*tensors(forecast, happened)).error == pytest.approx(exact, abs=noise)
    assert (exact > 5 * noise) == (sharpness != 1.0)


def test_equal_forecasts_share_a_bin_in_any_order():
    forecast = np.repeat([0.25, 0.75], [40, 20])
    happened = np.concatenate([np.arange(40) % 4 == 0, np.zeros(20)]).astype(float)
    order = np.random.default_rng(2).permutation(60)
    found = [reliability(*tensors(f, h)) for f, h in ((forecast, happened), (forecast[order], happened[order]))]
    for curve in found:
        assert curve.forecast.tolist() == [0.25, 0.75]
        assert curve.frequency.tolist() == [0.25, 0.0]
        assert curve.error == pytest.approx(0.75 / 3)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_coverage_of_normals_of_the_wrong_width(scale):
    """Standard normal targets under N(0, scale^2): the interval of level q covers 2 Phi(scale z_q) - 1."""
    targets = stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    below = torch.from_numpy(stats.norm.cdf(targets / scale))
    exact = [2 * stats.norm.cdf(scale * stats.norm.ppf((1 + level) / 2)) - 1 for level in LEVELS]
    np.testing.assert_allclose(central_coverage(below, below), exact, atol=3e-5)
    assert coverage_error(below, below) == pytest.approx(np.abs(np.subtract(exact, LEVELS)).mean(), abs=3e-5)


@pytest.mark.parametrize("rate", [0.3, 4.0])
def test_counts_under_their_own_law_have_nominal_coverage(rate):
    """Each count as often as 1e5 draws would show it on average."""
    counts = np.repeat(np.arange(60), np.rint(1e5 * stats.poisson.pmf(np.arange(60), rate)).astype(int))
    below, up_to = tensors(stats.poisson.cdf(counts - 1, rate), stats.poisson.cdf(counts, rate))
    np.testing.assert_allclose(central_coverage(below, up_to), LEVELS, atol=1e-4)
    wrong = tensors(stats.poisson.cdf(counts - 1, 2 * rate), stats.poisson.cdf(counts, 2 * rate))
    assert coverage_error(*wrong) > 0.03


def test_a_count_that_the_law_excludes_is_outside_every_interval():
    ones = torch.ones(3)
    assert central_coverage(ones, ones).tolist() == [0.0] * 9


@pytest.mark.parametrize("values", [[], [0.5, -0.1], [0.5, 1.1], [float("nan")]])
def test_what_is_no_probability_is_refused(values):
    bad = torch.tensor(values)
    with pytest.raises(PosteriorError, match=r"no cases|not between 0 and 1"):
        reliability(bad, torch.zeros(len(values)))
    with pytest.raises(PosteriorError, match=r"no cases|not between 0 and 1"):
        central_coverage(bad, bad)
