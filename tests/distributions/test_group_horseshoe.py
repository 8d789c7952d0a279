"""Group horseshoe against hyperu, mpmath, the scale mixture itself and Monte Carlo (P4, P31)."""

import math

import mpmath
import numpy as np
import pytest
import torch
from scipy import special, stats

from bayes_guided.distributions import GroupHorseshoe
from bayes_guided.distributions.horseshoe_integrals import log_density

from .oracles import DIMS, float64, log_integral, log_sphere_area, radial_log_integral

NORMS = (1e-6, 1e-2, 0.5, 1.0, 6.0, 45.0, 1e4)


def mixture_log_density(norm: float, dim: int) -> float:
    """The scale integrated out numerically, over v = log k."""
    return log_integral(
        lambda v: -dim * v - norm**2 / 2 * math.exp(-2 * v) + v - math.log1p(math.exp(2 * v)) + math.log(2 / math.pi),
        math.log(norm) - 40,
        math.log(norm) + 60,
    ) - dim / 2 * math.log(2 * math.pi)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("norm", NORMS)
def test_density_is_the_scale_mixture(dim, norm):
    assert float(log_density(float64(norm), dim)[0]) == pytest.approx(mixture_log_density(norm, dim), rel=1e-12, abs=1e-9)


@pytest.mark.parametrize("dim", [1, 2, 3, 12])
@pytest.mark.parametrize("norm", [0.1, 1.0, 4.0])
def test_density_in_terms_of_hyperu(dim, norm):
    a = (dim + 1) / 2
    exact = special.hyperu(a, a, norm**2 / 2) * special.gamma(a) / math.pi / (2 * math.pi) ** (dim / 2)
    assert float(log_density(float64(norm), dim)[0]) == pytest.approx(math.log(exact), abs=1e-9)


@pytest.mark.parametrize("dim", [37, 100, 2000])
@pytest.mark.parametrize("norm", [0.3, 6.0, 45.0])
def test_density_in_terms_of_the_exponential_integral(dim, norm):
    """Gamma(a) U(a, a, x) = Gamma(a) exp(x) x^(1-a) E_a(x), in 40 digits."""
    with mpmath.workdps(40):
        a, x = mpmath.mpf(dim + 1) / 2, mpmath.mpf(norm) ** 2 / 2
        u = mpmath.loggamma(a) + x + (1 - a) * mpmath.log(x) + mpmath.log(mpmath.expint(a, x))
        exact = float(u - mpmath.log(mpmath.pi) - mpmath.mpf(dim) / 2 * mpmath.log(2 * mpmath.pi))
    assert float(log_density(float64(norm), dim)[0]) == pytest.approx(exact, rel=1e-12, abs=1e-10)


@pytest.mark.parametrize("dim", [1, 2])
def test_density_down_to_float32s_smallest_norms(dim):
    with mpmath.workdps(40):
        a, x = mpmath.mpf(dim + 1) / 2, mpmath.mpf(1e-30) ** 2 / 2
        exact = float(mpmath.log(mpmath.gamma(a) * mpmath.hyperu(a, a, x)))
    exact -= math.log(math.pi) + dim / 2 * math.log(2 * math.pi)
    assert float(log_density(float64(1e-30), dim)[0]) == pytest.approx(exact, abs=1e-7)


@pytest.mark.parametrize("dim", [1, 3])
def test_density_integrates_to_one(dim):
    total = radial_log_integral(lambda r: float(log_density(float64(r), dim)[0]), dim)
    assert total == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("dim", [1, 4])
def test_rate_is_an_inverse_scale(dim):
    value = torch.randn(5, 1, dim, dtype=torch.float64)
    unit = GroupHorseshoe(float64(1.0), dim).log_prob(3 * value)
    exact = unit + dim * math.log(3)
    torch.testing.assert_close(GroupHorseshoe(float64(3.0), dim).log_prob(value), exact, rtol=0, atol=1e-11)


@pytest.mark.parametrize("dim", [1, 2000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_unbounded_at_zero(dim, dtype):
    rows = GroupHorseshoe(torch.ones(2, dtype=dtype), dim)
    value = torch.zeros(2, dim, dtype=dtype)
    value[1] = 1e-3
    log_prob = rows.log_prob(value)
    assert log_prob[0] == math.inf
    assert torch.isfinite(log_prob[1])


@pytest.mark.parametrize("dim", [1, 3, 100])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_have_a_half_cauchy_scale(dim, dtype):
    """||w||^2 / d is k^2 times an F-like ratio: ||w|| = k chi_d, compared with SciPy draws of the same law."""
    norm = GroupHorseshoe(torch.tensor([2.0], dtype=dtype), dim).sample(torch.Size((3000,)))[:, 0].double().norm(dim=-1)
    rng = np.random.default_rng(5)
    other = stats.halfcauchy(scale=0.5).rvs(20000, random_state=rng) * stats.chi(dim).rvs(20000, random_state=rng)
    assert stats.ks_2samp(norm.numpy(), other).pvalue > 1e-4


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("level", [0.01, 1.0, 30.0])
def test_norm_survival(dim, level):
    rate, tau = 2.0, level * dim**0.5 / 2

    def log_term(v):
        x = math.exp(v)
        log_chi = (1 - dim / 2) * math.log(2) - math.lgamma(dim / 2) + dim * v - x * x / 2
        return log_chi + math.log(2 / math.pi * math.atan(x / (tau * rate)))

    centre = math.log(dim) / 2
    exact = math.exp(log_integral(log_term, centre - 40 / min(dim, 20), centre + 4))
    assert float(GroupHorseshoe(float64(rate), dim).norm_survival(tau)[0]) == pytest.approx(exact, rel=1e-8)


def test_moments_do_not_exist():
    rows = GroupHorseshoe(float64(1.0, 2.0), 3)
    assert torch.isnan(rows.mean).all()
    assert torch.isinf(rows.variance).all()
    assert torch.isinf(rows.stddev).all()
    assert not hasattr(rows, "penalty")


@pytest.mark.parametrize("dim", [1, 2, 37])
def test_entropy(dim):
    """-E[log p] over log ||w||, on a grid of densities that come from the scale mixture."""
    points = np.arange(-32, 32, 0.25) + math.log(dim) / 2
    log_rows = np.array([mixture_log_density(math.exp(v), dim) for v in points])
    weights = np.exp(log_sphere_area(dim) + dim * points + log_rows) * 0.25
    assert weights.sum() == pytest.approx(1, abs=1e-10)
    exact = -(weights * log_rows).sum()
    assert float(GroupHorseshoe(float64(1.0), dim).entropy()[0]) == pytest.approx(exact, abs=1e-8)
