"""Group Laplace against radial quadrature and the facts of P2."""

import math

import pytest
import torch
from scipy import integrate, stats
from torch.distributions import kl_divergence

from bayes_guided.distributions import GroupLaplace

from .oracles import DIMS, assert_mean, float64, radial_log_integral


@pytest.mark.parametrize("dim", DIMS)
def test_log_normalizer(dim):
    rates = float64(0.3, 1.0, 20.0)
    quadrature = [radial_log_integral(lambda r, rate=rate: -rate * r, dim) for rate in rates.tolist()]
    torch.testing.assert_close(GroupLaplace(rates, dim).log_normalizer, float64(*quadrature), rtol=1e-12, atol=1e-9)


def test_density_integrates_to_one_over_the_plane():
    rows = GroupLaplace(float64(1.7), 2)
    total, _ = integrate.dblquad(
        lambda y, x: math.exp(float(rows.log_prob(float64(x, y)[None])[0])), 0, 12, 0, 12, epsabs=1e-5
    )
    assert 4 * total == pytest.approx(1, abs=1e-4)


def test_closed_forms():
    """P2: entropy log C_d - d log r + d, and KL d (log(r1 / r2) + r2 / r1 - 1)."""
    rows = GroupLaplace(float64(2.0), 3)
    log_c = 3 * math.log(2) + math.log(math.pi) + math.lgamma(2)
    assert float(rows.entropy()[0]) == pytest.approx(log_c - 3 * math.log(2) + 3, abs=1e-12)
    kl = kl_divergence(rows, GroupLaplace(float64(3.5), 3))
    assert float(kl[0]) == pytest.approx(3 * (math.log(2 / 3.5) + 3.5 / 2 - 1), abs=1e-12)


@pytest.mark.parametrize("dim", [1, 2, 37, 2000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_norm_is_gamma_and_direction_uniform(dim, dtype):
    rows = GroupLaplace(torch.tensor([1.5], dtype=dtype), dim)
    draws = rows.sample(torch.Size((3000,)))[:, 0].double()
    norm = draws.norm(dim=-1)
    assert stats.kstest(norm.numpy(), stats.gamma(dim, scale=1 / 1.5).cdf).pvalue > 1e-4
    direction = draws / norm[:, None]
    assert_mean(direction[:, 0], 0.0)
    if dim > 1:
        assert stats.kstest((direction[:, 0] ** 2).numpy(), stats.beta(0.5, (dim - 1) / 2).cdf).pvalue > 1e-4


def test_one_weight_is_the_laplace_density():
    value = torch.linspace(-3, 3, 13, dtype=torch.float64)[:, None, None]
    exact = torch.distributions.Laplace(0.0, float64(1 / 1.7)).log_prob(value[..., 0])
    torch.testing.assert_close(GroupLaplace(float64(1.7), 1).log_prob(value), exact, rtol=0, atol=1e-14)


@pytest.mark.parametrize("dim", DIMS)
def test_norm_survival(dim):
    rate, tau = 1.3, dim / 1.3 * 1.02
    exact = stats.gamma(dim, scale=1 / rate).sf(tau)
    assert float(GroupLaplace(float64(rate), dim).norm_survival(tau)[0]) == pytest.approx(exact, rel=1e-8)


def test_root_dim_rate_keeps_the_survival_at_an_rms_threshold():
    """P2's check: P(||w|| > tau sqrt(d)) with r proportional to sqrt(d) hardly moves between d = 4 and 400."""
    survival = [float(GroupLaplace(float64(math.sqrt(dim)), dim).norm_survival(math.sqrt(dim))[0]) for dim in (4, 400)]
    assert survival == pytest.approx([0.434, 0.493], abs=6e-4)
