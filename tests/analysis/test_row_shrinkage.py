"""The shrinkage reading given a row, against quadrature of the mixing law times the normal in mpmath (P16)."""

import math

import mpmath
import numpy as np
import pytest
import torch

from bayes_guided.analysis.implied import Shrinkage
from bayes_guided.analysis.row_shrinkage import row_shrinkage_log_odds
from bayes_guided.distributions import GroupHorseshoe, GroupLaplace, GroupSqrtLaplace, RowLaplace, RowNormal
from bayes_guided.exceptions import ReadingError, RowShapeError

FAMILIES = {"laplace": GroupLaplace, "horseshoe": GroupHorseshoe}


def log_mixing(family: str, s, rate: float, dim: int):
    """Log density of s under the prior (P2, P4), without constants: Gamma, or the square of a half-Cauchy scale."""
    if family == "laplace":
        return (dim - 1) / mpmath.mpf(2) * mpmath.log(s) - rate**2 * s / 2
    return -mpmath.log(s) / 2 - mpmath.log(1 + rate**2 * s)


def reference(family: str, norm: float, rate: float, dim: int, h: float) -> float:
    """log P(s > 1/h | row) - log P(s < 1/h | row), each side by tanh-sinh in log s from the border outwards."""
    with mpmath.workdps(25):
        norm, rate, border = mpmath.mpf(norm), mpmath.mpf(rate), -mpmath.log(h)

        def log_density(v):
            s = mpmath.exp(v)
            return log_mixing(family, s, rate, dim) - dim * v / 2 - norm**2 / (2 * s) + v

        top = max(log_density(border + mpmath.mpf(step) / 4) for step in range(-200, 200))
        points = [0, *(mpmath.mpf(2) ** (step / mpmath.mpf(2)) for step in range(-32, 15))]
        above = mpmath.quad(lambda v: mpmath.exp(log_density(v) - top), [border + p for p in points])
        below = mpmath.quad(lambda v: mpmath.exp(log_density(v) - top), [border - p for p in reversed(points)])
        return float(mpmath.log(above) - mpmath.log(below))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("dim", "rate", "h"), [(1, 0.7, 3.0), (5, 12.0, 100.0), (40, 3.0, 1e4), (40, 60.0, 20.0)])
def test_against_quadrature(family: str, dim: int, rate: float, h: float):
    norms = [1e-3, 0.05, 0.4, 3.0]
    direction = torch.randn(dim, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    rows = torch.tensor(norms, dtype=torch.float64)[:, None] * direction / direction.norm()
    density = FAMILIES[family](torch.full((len(norms),), rate, dtype=torch.float64), dim)
    odds = row_shrinkage_log_odds(density, rows, h)
    expected = [reference(family, norm, rate, dim, h) for norm in norms]
    np.testing.assert_allclose(odds, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("norm", [1e-8, 1.0, 20.0])
def test_weak_and_strong_rates_keep_their_digits(norm: float):
    rates = [1e-7, 1e-3, 30.0]
    density = GroupLaplace(torch.tensor(rates, dtype=torch.float64), 1)
    odds = row_shrinkage_log_odds(density, torch.full((3, 1), norm, dtype=torch.float64), 2.0)
    np.testing.assert_allclose(odds, [_closed_form(norm, rate, 2.0) for rate in rates], rtol=1e-9)


def _closed_form(norm: float, rate: float, h: float) -> float:
    """The inverse Gaussian law of 1/s in many digits."""
    with mpmath.workdps(800):
        a, b = mpmath.sqrt(h) * norm, rate / mpmath.sqrt(h)
        present = mpmath.ncdf(a - b) + mpmath.exp(2 * a * b) * mpmath.ncdf(-a - b)
        return float(mpmath.log(present / (1 - present)))


@pytest.mark.parametrize("family", FAMILIES)
def test_prior_draws_average_to_the_prior_reading(family: str):
    """P(s > 1/h) = E P(s > 1/h | row): four standard errors."""
    dim, h = 6, 50.0
    density = FAMILIES[family](torch.tensor([2.0, 9.0], dtype=torch.float64), dim)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        rows = density.sample((20_000,))
    fractions = row_shrinkage_log_odds(density, rows, h).sigmoid()
    prior = Shrinkage(h).log_odds(density).sigmoid()
    error = fractions.std(dim=0) / math.sqrt(len(fractions))
    assert bool(((fractions.mean(dim=0) - prior).abs() < 4 * error).all())


def test_shapes_and_zero_rows():
    rows = torch.zeros(3, 4, 2, 5)
    rates = torch.tensor([1.0, 2.0])
    laplace = row_shrinkage_log_odds(GroupLaplace(rates, 5), rows, 10.0)
    assert laplace.shape == (3, 4, 2)
    assert laplace.dtype == torch.float64
    expected = [math.log(math.erfc(r / math.sqrt(20)) / math.erf(r / math.sqrt(20))) for r in (1.0, 2.0)]
    np.testing.assert_allclose(laplace[1, 2], expected, rtol=1e-12)
    assert bool((row_shrinkage_log_odds(GroupHorseshoe(rates, 5), rows, 10.0) == -torch.inf).all())


@pytest.mark.parametrize("family", [RowLaplace, RowNormal, GroupSqrtLaplace])
def test_no_mixing_law(family):
    with pytest.raises(ReadingError, match="no shrinkage reading"):
        row_shrinkage_log_odds(family(torch.ones(2), 3), torch.ones(2, 3), 1.0)


def test_wrong_length():
    with pytest.raises(RowShapeError, match="rows of 4 weights"):
        row_shrinkage_log_odds(GroupLaplace(torch.ones(2), 3), torch.ones(2, 4), 1.0)
