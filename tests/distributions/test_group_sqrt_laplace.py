"""Group square-root Laplace against radial quadrature and the Gamma law of the norm's root (P2)."""

import pytest
import torch
from scipy import stats

from bayes_guided.distributions import GroupSqrtLaplace

from .oracles import DIMS, float64, radial_log_integral


@pytest.mark.parametrize("dim", DIMS)
def test_log_normalizer(dim):
    rates = float64(0.9, 3.0, 40.0)
    quadrature = [radial_log_integral(lambda r, rate=rate: -rate * r**0.5, dim) for rate in rates.tolist()]
    torch.testing.assert_close(GroupSqrtLaplace(rates, dim).log_normalizer, float64(*quadrature), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("dim", DIMS)
def test_variance_is_the_second_moment_of_the_radial_law(dim):
    rate = 3.0
    moment = radial_log_integral(lambda r: -rate * r**0.5, dim + 2) - radial_log_integral(lambda r: -rate * r**0.5, dim)
    # The area of the sphere in dim + 2 is 2 pi / dim times that in dim.
    expected = float64(moment).exp() / (2 * torch.pi)
    torch.testing.assert_close(GroupSqrtLaplace(float64(rate), dim).variance[0, :1], expected, rtol=1e-8, atol=0)


@pytest.mark.parametrize("dim", [1, 37, 2000])
def test_root_of_the_norm_is_gamma(dim):
    draws = GroupSqrtLaplace(float64(1.5), dim).sample(torch.Size((3000,)))[:, 0]
    root = draws.norm(dim=-1).sqrt().numpy()
    assert stats.kstest(root, stats.gamma(2 * dim, scale=1 / 1.5).cdf).pvalue > 1e-4


@pytest.mark.parametrize("dim", DIMS)
def test_norm_survival(dim):
    rate, tau = 1.3, (2 * dim / 1.3) ** 2 * 1.03
    exact = stats.gamma(2 * dim, scale=1 / rate).sf(tau**0.5)
    assert float(GroupSqrtLaplace(float64(rate), dim).norm_survival(tau)[0]) == pytest.approx(exact, rel=1e-8)
