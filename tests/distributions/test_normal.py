"""Independent normal weights against torch's own Normal."""

import pytest
import torch
from scipy import stats
from torch.distributions import Independent, Normal, kl_divergence

from bayes_guided.distributions import RowNormal

from .oracles import DIMS, float64


def reference(rates, dim):
    scale = (1 / (2 * rates)).sqrt()[:, None].expand(-1, dim)
    return Independent(Normal(torch.zeros_like(scale), scale), 1)


@pytest.mark.parametrize("dim", DIMS)
def test_agrees_with_torch(dim):
    rates, others = float64(0.3, 1.0, 20.0), float64(1.0, 0.7, 21.0)
    ours, theirs = RowNormal(rates, dim), reference(rates, dim)
    value = torch.randn(4, 3, dim, dtype=torch.float64)
    torch.testing.assert_close(ours.log_prob(value), theirs.log_prob(value), rtol=1e-12, atol=1e-9)
    torch.testing.assert_close(ours.variance, theirs.variance)
    torch.testing.assert_close(ours.entropy(), theirs.entropy(), rtol=1e-12, atol=1e-9)
    kl = kl_divergence(ours, RowNormal(others, dim))
    torch.testing.assert_close(kl, kl_divergence(theirs, reference(others, dim)), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_weight_is_normal(dtype):
    draws = RowNormal(torch.tensor([2.5], dtype=dtype), 5000).sample()[0].double().numpy()
    assert stats.kstest(draws, stats.norm(scale=5**-0.5).cdf).pvalue > 1e-4


@pytest.mark.parametrize("dim", DIMS)
def test_norm_survival(dim):
    rate, tau = 1.3, (dim / 2.6) ** 0.5 * 1.01
    exact = stats.chi2(dim).sf(2 * rate * tau**2)
    assert float(RowNormal(float64(rate), dim).norm_survival(tau)[0]) == pytest.approx(exact, rel=1e-8)
