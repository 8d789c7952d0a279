"""Both tails of a row's norm: against closed forms in many digits, theory's contour integral, Imhof and Monte Carlo."""

import math
import time

import mpmath
import numpy as np
import pytest
import torch
from scipy.stats import ncx2, norm

from bayes_guided.analysis.imhof import imhof_probability, sampled_probability
from bayes_guided.analysis.norm_tail import check_gaussian_rows, norm_tail, norm_tail_of_covariance
from bayes_guided.exceptions import CovarianceError, PosteriorError
from theory import tail_probability


def rows(*values):
    return torch.tensor(np.stack(values), dtype=torch.float64)


def single(mean, sd, tau):
    tail = norm_tail(rows(mean), rows(sd), tau)
    return float(tail.log_above[0]), float(tail.log_below[0])


def hypoexponential_log_tails(scales, level):
    """Central rows with two weights of each scale: ||w||^2 is a sum of exponential variables of rates 1 / (2 scale^2)."""
    with mpmath.workdps(400):
        rates = [1 / (2 * mpmath.mpf(scale) ** 2) for scale in scales]
        above = mpmath.mpf(0)
        for i, rate in enumerate(rates):
            weight = mpmath.fprod(other / (other - rate) for j, other in enumerate(rates) if j != i)
            above += weight * mpmath.exp(-rate * mpmath.mpf(level))
        return float(mpmath.log(above)), float(mpmath.log(1 - above))


@pytest.mark.parametrize("pairs", [1, 3, 12, 60])
@pytest.mark.parametrize("spread", [1.02, 1.3])
def test_two_weights_of_each_scale(pairs, spread):
    scales = 0.3 * spread ** np.arange(pairs)
    sd = np.repeat(scales, 2)
    expected = float((sd**2).sum())
    for fraction in (1e-6, 0.01, 0.5, 0.95, 1.0, 1.05, 2.0, 10.0, 400.0):
        exact = hypoexponential_log_tails(scales.tolist(), expected * fraction)
        found = single(0 * sd, sd, math.sqrt(expected * fraction))
        assert min(found) == pytest.approx(min(exact), rel=1e-9, abs=1e-9)
        assert max(found) == pytest.approx(max(exact), rel=1e-8, abs=1e-300)


def noncentral_log_below(level, dim, noncentrality):
    """log P(chi'^2_dim(noncentrality) <= level): the Poisson mixture of central laws."""
    with mpmath.workdps(60):
        half, total = mpmath.mpf(noncentrality) / 2, mpmath.mpf(0)
        for k in range(4 * int(noncentrality) + 300):
            weight = mpmath.exp(k * mpmath.log(half) - half - mpmath.loggamma(k + 1))
            total += weight * mpmath.gammainc(mpmath.mpf(dim) / 2 + k, 0, mpmath.mpf(level) / 2, regularized=True)
        return float(mpmath.log(total))


@pytest.mark.parametrize("dim", [1, 2, 7, 150])
def test_equal_scales_far_below(dim):
    mean = np.linspace(0.2, 1.0, dim)
    mean *= 5 / np.linalg.norm(mean)
    for level in (1e-3, 1.0, 20.0):
        exact = noncentral_log_below(level, dim, 25.0)
        found = single(0.7 * mean, np.full(dim, 0.7), 0.7 * math.sqrt(level))[1]
        assert found == pytest.approx(exact, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("dim", [1, 2, 5, 16, 300])
def test_equal_scales_in_the_body(dim):
    mean = np.linspace(-1.0, 1.5, dim)
    noncentrality = float(mean @ mean) / 0.09
    for probability in (1e-6, 0.01, 0.3, 0.5, 0.7, 0.99, 1 - 1e-6):
        level = float(ncx2.ppf(probability, dim, noncentrality))
        found = single(mean, np.full(dim, 0.3), 0.3 * math.sqrt(level))
        assert math.exp(found[1]) == pytest.approx(ncx2.cdf(level, dim, noncentrality), rel=1e-6, abs=1e-9)
        assert math.exp(found[0]) == pytest.approx(ncx2.sf(level, dim, noncentrality), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("dim", [2, 16, 120])
@pytest.mark.parametrize("shift", [0.0, 0.5, 3.0])
def test_against_theory(dim, shift):
    rng = np.random.default_rng(dim)
    mean, sd = shift * rng.normal(size=dim), np.geomspace(0.2, 2.0, dim)
    expected = float((mean**2 + sd**2).sum())
    for fraction in (0.01, 0.5, 0.9, 1.1, 2.0, 5.0):
        exact = tail_probability.log_tails(fraction * expected, mean, sd)
        found = single(mean, sd, math.sqrt(fraction * expected))
        assert min(found) == pytest.approx(min(exact), rel=1e-8, abs=1e-7)


def hard_rows():
    """Rows on which approximations fail (P18): one dominant scale, known weights, sharp and very unequal scales."""
    rng = np.random.default_rng(5)
    return {
        "one dominant scale": (np.zeros(6), np.array([0.1] * 5 + [2.0])),
        "dominant, shifted": (3 * rng.normal(size=6), np.array([0.05] * 5 + [2.0])),
        "very unequal": (rng.normal(size=16), np.geomspace(1e-3, 2.0, 16)),
        "known weights": (rng.normal(size=8), np.array([0.0, 0.0, 0.0, 0.4, 0.5, 0.6, 0.7, 0.8])),
        "wide, dominant": (0.3 * rng.normal(size=100), np.append(np.full(99, 0.02), 3.0)),
        "sharp": (rng.normal(size=100), 0.01 * rng.exponential(size=100)),
    }


@pytest.mark.parametrize("name", hard_rows())
def test_hard_rows_by_monte_carlo(name):
    mean, sd = hard_rows()[name]
    generator = torch.Generator().manual_seed(1)
    draws = 40_000
    for factor in (0.97, 1.0, 1.02):
        tau = factor * math.sqrt(float((mean**2 + sd**2).sum()))
        found = math.exp(single(mean, sd, tau)[0])
        noise = torch.randn(draws, len(mean), generator=generator, dtype=torch.float64).numpy()
        above = float((np.linalg.norm(mean + sd * noise, axis=1) > tau).mean())
        assert abs(above - found) < 4 * math.sqrt(found * (1 - found) / draws) + 1e-4


@pytest.mark.parametrize("name", ["very unequal", "known weights", "sharp"])
def test_hard_rows_by_imhof(name):
    mean, sd = hard_rows()[name]
    tau = math.sqrt(float((mean**2 + sd**2).sum()))
    found = math.exp(single(mean, sd, tau)[0])
    value, bound = imhof_probability(rows(mean)[0], rows(sd)[0], tau)
    assert bound < 1e-6
    assert abs(value - found) < bound


def test_sampled_probability():
    rng = np.random.default_rng(2)
    mean, sd = rows(*rng.normal(size=(300, 4))), rows(*rng.exponential(size=(300, 4)))
    exact = norm_tail(mean, sd, 3.0).probability
    estimate, error = sampled_probability(mean, sd, 3.0, 2_000, torch.Generator().manual_seed(4))
    z = (estimate - exact) / (exact * (1 - exact) / 2_000).sqrt()
    inside = (exact > 0.01) & (exact < 0.99)
    assert float(z[inside].square().mean()) == pytest.approx(1.0, abs=4 * math.sqrt(2 / int(inside.sum())))
    torch.testing.assert_close(error, (exact * (1 - exact) / 2_000).sqrt(), rtol=0.1, atol=6e-4)


def test_imhof_in_the_notes_settings():
    mean, sd = np.linspace(-1, 1, 16), np.geomspace(0.2, 2.0, 16)
    for tau in (3.0, 5.0, 7.0):
        exact = tail_probability.imhof_survival(tau**2, mean, sd)
        assert imhof_probability(rows(mean)[0], rows(sd)[0], tau)[0] == pytest.approx(exact, abs=2e-9)


def test_tails_add_to_one_and_fall_with_tau():
    rng = np.random.default_rng(0)
    mean, sd = rows(*rng.normal(size=(5, 30))), rows(*rng.exponential(size=(5, 30)))
    before = torch.full((5,), math.inf, dtype=torch.float64)
    for tau in np.linspace(0.5, 15, 25):
        tail = norm_tail(mean, sd, float(tau))
        torch.testing.assert_close(tail.probability + tail.log_below.exp(), torch.ones_like(before), rtol=0, atol=1e-14)
        assert bool((tail.log_odds < before).all())
        before = tail.log_odds


@pytest.mark.parametrize("sharpness", [1e2, 1e4, 1e6, 1e8])
def test_sharp_posteriors_are_normal(sharpness):
    """||w||^2 is normal up to its skewness, which is of the order of 1 / (sharpness * sqrt(300))."""
    mean, sd = np.full(300, 1.0), np.linspace(0.5, 1.5, 300) / sharpness
    spread = math.sqrt(float((4 * mean**2 * sd**2 + 2 * sd**4).sum()))
    skewness = float((8 * sd**6 + 24 * mean**2 * sd**4).sum()) / spread**3
    for deviations in (-6.0, -1.0, 0.0, 2.0, 5.0):
        tau = math.sqrt(float((mean**2 + sd**2).sum()) + deviations * spread)
        exact = norm.logsf(abs(deviations))
        # tau is rounded at 1e-16, which is 1e-16 * sharpness standard deviations.
        tolerance = 50 * skewness + 1e-13 * sharpness + 1e-8
        assert min(single(mean, sd, tau)) == pytest.approx(exact, abs=tolerance)


def test_every_row_has_its_own_answer():
    rng = np.random.default_rng(3)
    mean, sd = rng.normal(size=(40, 120)) * rng.exponential(size=(40, 1)), rng.exponential(size=(40, 120))
    together = norm_tail(rows(*mean), rows(*sd), 12.0).log_odds
    alone = [norm_tail(rows(m), rows(s), 12.0).log_odds for m, s in zip(mean, sd, strict=True)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-9, atol=1e-9)


def test_known_weights():
    mean = rows([3.0, 4.0], [3.0, 4.0], [3.0, 0.5], [1.0, 0.0])
    sd = rows([0.0, 0.0], [0.0, 1.0], [0.0, 0.5], [0.0, 2.0])
    tail = norm_tail(mean, sd, 3.5)
    exact = ncx2.sf((3.5**2 - 9) / 0.25, 1, 1.0)
    assert tail.log_odds[0] == math.inf
    assert tail.probability[2] == pytest.approx(exact, rel=1e-9)
    assert norm_tail(mean, sd, 6.0).log_odds[0] == -math.inf
    assert norm_tail(mean, sd, 2.9).log_odds[1] == math.inf
    assert norm_tail(mean, sd, 1.0).log_odds[3] == math.inf
    assert norm_tail(0 * mean, 0 * sd, 1.0).log_odds.tolist() == [-math.inf] * 4


def test_covariance_is_rotated_away():
    generator = torch.Generator().manual_seed(7)
    factor = torch.randn(3, 4, 4, generator=generator, dtype=torch.float64)
    mean, covariance = torch.randn(3, 4, generator=generator, dtype=torch.float64), factor @ factor.mT
    found = norm_tail_of_covariance(mean, covariance, 2.0)
    noise = torch.randn(200_000, 3, 4, generator=generator, dtype=torch.float64)
    above = ((mean + torch.einsum("uij,nuj->nui", factor, noise)).norm(dim=-1) > 2.0).double()
    assert bool(((above.mean(dim=0) - found.probability).abs() < 4 * above.std(dim=0) / math.sqrt(200_000)).all())
    diagonal = norm_tail_of_covariance(mean, torch.diag_embed(mean.square() + 0.1), 2.0)
    torch.testing.assert_close(diagonal.log_odds, norm_tail(mean, (mean.square() + 0.1).sqrt(), 2.0).log_odds)


def test_a_layer_of_785_weights_is_fast():
    generator = torch.Generator().manual_seed(0)
    mean = 0.05 * torch.randn(1000, 785, generator=generator, dtype=torch.float64)
    sd = 0.05 * torch.rand(1000, 785, generator=generator, dtype=torch.float64) + 0.001
    seconds = []
    for _ in range(3):
        start = time.process_time()
        tail = norm_tail(mean, sd, 0.5)
        seconds.append(time.process_time() - start)
    # 10,000 rows in 5 s on two cores are 1 s of one core's time for 1,000.
    assert min(seconds) < 1.0
    assert bool(torch.isfinite(tail.log_odds).all())


@pytest.mark.parametrize(
    ("mean", "sd", "tau", "message"),
    [
        ([[0.0, math.nan]], [[1.0, 1.0]], 1.0, "NaN"),
        ([[0.0, 1.0]], [[1.0, -1.0]], 1.0, "negative"),
        ([[0.0, 1.0]], [[1.0, 1.0]], 0.0, "tau=0"),
        ([[0.0, 1.0]], [[1.0, 1.0]], math.inf, "tau=inf"),
    ],
)
def test_bad_input(mean, sd, tau, message):
    with pytest.raises(PosteriorError, match=message):
        norm_tail(torch.tensor(mean), torch.tensor(sd), tau)


def test_shapes_that_differ():
    with pytest.raises(PosteriorError, match="shape"):
        check_gaussian_rows(torch.zeros(1, 2), torch.ones(1, 1))


def test_bad_covariance():
    mean = torch.zeros(1, 2, dtype=torch.float64)
    with pytest.raises(CovarianceError, match="eigenvalue"):
        norm_tail_of_covariance(mean, torch.tensor([[[1.0, 2.0], [2.0, 1.0]]], dtype=torch.float64), 1.0)
    with pytest.raises(PosteriorError, match="no weight"):
        imhof_probability(torch.ones(2), torch.zeros(2), 1.0)
    with pytest.raises(PosteriorError, match="draws"):
        sampled_probability(mean, mean, 1.0, 0, torch.Generator())
