"""Sparse group Laplace against exact cases, cubature, adaptive quadrature of P3 and Monte Carlo."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from bayes_guided.distributions import GroupLaplace, RowLaplace, SparseGroupLaplace
from bayes_guided.distributions.sparse_group_mixing import MixingLaw, zeta

from .oracles import DIMS, assert_mean, float64, log_integral

RATIOS = (1e-3, 0.05, 1.0, 20.0, 1e4)


def quadrature_zeta(dim: int, rho: float) -> float:
    """P3's integral over log z by adaptive quadrature."""

    def log_f(u):
        z = math.exp(u)
        log_factor = math.log(math.sqrt(2 * math.pi) * z) + math.log(special.erfcx(rho * z / math.sqrt(2)))
        return dim * log_factor - z * z / 2 + u + math.log(2 / math.sqrt(2 * math.pi))

    return log_integral(log_f, -60, math.log(math.sqrt(dim + 1) + 13))


@pytest.mark.parametrize("dim", DIMS)
def test_zeta_for_every_width(dim):
    exact = float64(*(quadrature_zeta(dim, rho) for rho in RATIOS))
    torch.testing.assert_close(zeta(float64(*RATIOS), dim), exact, rtol=1e-13, atol=1e-10)


def test_one_weight_is_laplace_with_the_summed_rate():
    rate, group_rate = float64(1e-6, 0.3, 1.3, 50.0, 1e5), float64(1.0, 2.0, 1.0, 0.1, 1.0)
    exact = math.log(2) - (rate + group_rate).log()
    torch.testing.assert_close(SparseGroupLaplace(rate, group_rate, 1).log_normalizer, exact, rtol=0, atol=1e-12)


def test_two_weights_against_the_angular_integral():
    """Z = int_0^2pi dt / (r1 (|cos t| + |sin t|) + r2)^2."""
    rate, group_rate = 1.3, 0.4
    quarter, _ = integrate.quad(lambda t: 1 / (rate * (math.cos(t) + math.sin(t)) + group_rate) ** 2, 0, math.pi / 2)
    rows = SparseGroupLaplace(float64(rate), float64(group_rate), 2)
    assert float(rows.log_normalizer[0]) == pytest.approx(math.log(4 * quarter), abs=1e-12)


def test_three_weights_against_cubature():
    """Over the octant of the sphere: Z = 2 * 8 * int sin(a) / (r1 |u|_1 + r2)^3."""
    rate, group_rate = 0.6, 1.1

    def integrand(azimuth, polar):
        l1 = math.sin(polar) * (math.cos(azimuth) + math.sin(azimuth)) + math.cos(polar)
        return math.sin(polar) / (rate * l1 + group_rate) ** 3

    octant, _ = integrate.dblquad(integrand, 0, math.pi / 2, 0, math.pi / 2, epsabs=1e-11)
    rows = SparseGroupLaplace(float64(rate), float64(group_rate), 3)
    assert float(rows.log_normalizer[0]) == pytest.approx(math.log(16 * octant), abs=1e-9)


@pytest.mark.parametrize("dim", DIMS)
def test_limits_in_the_ratio_of_the_rates(dim):
    small, one = float64(1e-13), float64(1.0)
    group = GroupLaplace(one, dim).log_normalizer
    torch.testing.assert_close(SparseGroupLaplace(small, one, dim).log_normalizer, group, rtol=1e-12, atol=1e-9)
    lasso = RowLaplace(one, dim).log_normalizer
    torch.testing.assert_close(SparseGroupLaplace(one, small, dim).log_normalizer, lasso, rtol=1e-12, atol=1e-9)


def test_one_quadrature_serves_equal_ratios():
    rho = float64(0.3, 2.0, 0.3)
    torch.testing.assert_close(zeta(rho, 9), zeta(rho.clone().requires_grad_(), 9).detach(), rtol=0, atol=1e-13)


@pytest.mark.parametrize("dim", DIMS)
def test_mean_norms_are_slopes_of_the_log_normalizer(dim):
    """By central differences of the oracle: E||w||_1 = -d log Z / d r1; with P1, r1 E||w||_1 + r2 E||w||_2 = d."""
    rate, group_rate = 0.4, 1.7
    rows = SparseGroupLaplace(float64(rate), float64(group_rate), dim)
    rho, step = rate / group_rate, 1e-4
    slope = (quadrature_zeta(dim, rho + step) - quadrature_zeta(dim, rho - step)) / (2 * step)
    assert float(rows.mean_l1[0]) == pytest.approx(-slope / group_rate, rel=1e-6)
    total = rate * rows.mean_l1 + group_rate * rows.mean_l2
    assert float(total[0]) == pytest.approx(dim, rel=1e-12)


@pytest.mark.parametrize(("ratio", "twin"), [(1e-9, GroupLaplace), (1e9, RowLaplace)])
def test_variance_in_the_limits(ratio, twin):
    rows = SparseGroupLaplace(float64(3.0 * min(ratio, 1)), float64(3.0 / max(ratio, 1)), 37)
    torch.testing.assert_close(rows.variance, twin(float64(3.0), 37).variance, rtol=1e-7, atol=0)


@pytest.mark.parametrize("dim", [1, 3, 37, 2000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_have_the_law_of_the_penalty_and_the_mean_norms(dim, dtype):
    draws = 1500 if dim > 100 else 5000
    rows = SparseGroupLaplace(torch.tensor([0.8], dtype=dtype), torch.tensor([0.8 * dim**0.5], dtype=dtype), dim)
    value = rows.sample(torch.Size((draws,)))
    assert stats.kstest(rows.penalty(value)[:, 0].double().numpy(), stats.gamma(dim).cdf).pvalue > 1e-4
    assert_mean(value.double().abs().sum(-1), rows.mean_l1)
    assert_mean(value.double().norm(dim=-1), rows.mean_l2)
    assert_mean(value.double().square().mean(-1), rows.variance[:, 0])


def test_shape_of_the_draws_over_the_plane():
    """The angle's law, by quadrature of the density along rays: prop. to (r1 (|cos| + |sin|) + r2)^-2."""
    rows = SparseGroupLaplace(float64(2.0), float64(0.5), 2)
    value = rows.sample(torch.Size((5000,)))[:, 0].abs()
    angle = torch.atan2(value[:, 1], value[:, 0]).numpy()
    grid = np.linspace(0, np.pi / 2, 4001)
    below = integrate.cumulative_simpson((2 * (np.cos(grid) + np.sin(grid)) + 0.5) ** -2.0, x=grid, initial=0)
    assert stats.kstest(angle, lambda t: np.interp(t, grid, below / below[-1])).pvalue > 1e-4


@pytest.mark.parametrize("dim", [1, 6])
def test_reparameterised_gradients_of_the_mean_norms(dim):
    """Slopes of E||w||_1 in both rates from draws, against the quadrature's own derivative."""
    draws = 4000
    rates = float64(0.9).requires_grad_(), float64(1.4).requires_grad_()
    exact = torch.autograd.grad(SparseGroupLaplace(*rates, dim).mean_l1.sum(), rates)
    leaves = [rate.detach().expand(draws).clone().requires_grad_() for rate in rates]
    size = SparseGroupLaplace(leaves[0], leaves[1], dim).rsample().abs().sum()
    for slopes, expected in zip(torch.autograd.grad(size, leaves), exact, strict=True):
        assert_mean(slopes[:, None], expected)


def test_gradcheck_of_the_normalizer_in_both_rates():
    rates = float64(0.4, 3.0, 50.0).requires_grad_(), float64(1.7, 0.2, 0.9).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: SparseGroupLaplace(a, b, 40).log_normalizer, rates)
    assert torch.autograd.gradgradcheck(lambda a, b: SparseGroupLaplace(a, b, 40).log_normalizer, rates)


def test_mixing_nodes_end_where_nothing_is_left():
    for dim in DIMS:
        weights = torch.softmax(MixingLaw.at(float64(*RATIOS), dim).log_values, dim=-1)
        assert float(weights[:, [0, -1]].max()) < 1e-13


def test_rates_broadcast_and_take_the_wider_dtype():
    rows = SparseGroupLaplace(torch.ones(3, 1), float64(1.0, 2.0), 4)
    assert rows.batch_shape == (3, 2)
    assert rows.rate.dtype == rows.group_rate.dtype == rows.sample().dtype == torch.float64
