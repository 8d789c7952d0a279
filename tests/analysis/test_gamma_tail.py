"""Both tails of the Gamma law against mpmath in 60 digits, and the quantile as their exact inverse."""

import math

import mpmath
import pytest
import torch

from bayes_guided.analysis.gamma_tail import gamma_log_odds, gamma_quantile

SHAPES = (0.5, 1.0, 1.5, 5.0, 50.5, 200.0, 4000.0)
FRACTIONS = (1e-200, 1e-3, 0.1, 0.5, 0.8, 0.95, 1.0, 1.05, 1.2, 1.5, 3.0, 100.0)
WANTED = (-1e5, -1e3, -50.0, -30.5, -29.5, -8.0, -0.1, 0.0, 1e-9, 0.1, 8.0, 29.5, 30.5, 50.0, 300.0, 1e3, 1e5)


def float64(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("shape", SHAPES)
def test_log_odds(shape):
    with mpmath.workdps(60):
        exact = []
        for fraction in FRACTIONS:
            above = mpmath.gammainc(shape, shape * mpmath.mpf(fraction), regularized=True)
            below = mpmath.gammainc(shape, 0, shape * mpmath.mpf(fraction), regularized=True)
            exact.append(float(mpmath.log(above) - mpmath.log(below)))
    found = gamma_log_odds(torch.full((len(FRACTIONS),), shape), shape * float64(*FRACTIONS))
    torch.testing.assert_close(found, float64(*exact), rtol=5e-13, atol=5e-13)


def test_log_odds_at_the_ends():
    found = gamma_log_odds(float64(2.0, 2.0), float64(0.0, 1e308))
    assert found[0] == math.inf
    assert found[1] == pytest.approx(-1e308)


@pytest.mark.parametrize("shape", SHAPES)
def test_quantile_inverts_the_log_odds(shape):
    wanted = float64(*(odds for odds in WANTED if odds < 600 * shape))
    x = gamma_quantile(torch.full_like(wanted, shape), wanted)
    torch.testing.assert_close(gamma_log_odds(torch.full_like(x, shape), x), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("shape", "odds"), [(200.0, 900.0), (4000.0, -2000.0), (0.5, 200.0)])
def test_quantile_in_many_digits(shape, odds):
    found = float(gamma_quantile(float64(shape), float64(odds))[0])
    with mpmath.workdps(60):
        above = mpmath.gammainc(shape, found, regularized=True)
        below = mpmath.gammainc(shape, 0, found, regularized=True)
        density = mpmath.exp((shape - 1) * mpmath.log(found) - found - mpmath.loggamma(shape))
        error = (mpmath.log(above / below) - odds) * above * below / density  # of x, by one exact Newton step
    assert abs(float(error)) < 1e-13 * found


def test_quantile_of_the_exponential_law():
    odds = float64(*WANTED[:14])
    exact = torch.where(odds > 0, torch.log1p(torch.exp(-odds.abs())), odds.abs() + torch.log1p(torch.exp(-odds.abs())))
    torch.testing.assert_close(gamma_quantile(torch.ones_like(odds), odds), exact, rtol=1e-13, atol=0)


def test_quantile_below_the_smallest_number_is_zero():
    assert gamma_quantile(float64(0.5, 1.0), float64(1e4, 1e4)).tolist() == [0.0, 0.0]


def test_every_entry_has_its_own_shape():
    shapes, odds = float64(*SHAPES), torch.linspace(-60, 60, len(SHAPES), dtype=torch.float64)
    alone = [gamma_quantile(shape[None], value[None]) for shape, value in zip(shapes, odds, strict=True)]
    torch.testing.assert_close(gamma_quantile(shapes, odds), torch.cat(alone), rtol=1e-14, atol=0)
