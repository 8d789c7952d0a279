"""Independent Laplace weights against torch's own Laplace."""

import pytest
import torch
from scipy import stats
from torch.distributions import Independent, Laplace, kl_divergence

from bayes_guided.distributions import RowLaplace

from .oracles import DIMS, float64


def reference(rates, dim):
    return Independent(Laplace(torch.zeros(len(rates), dim, dtype=rates.dtype), 1 / rates[:, None].expand(-1, dim)), 1)


@pytest.mark.parametrize("dim", DIMS)
def test_agrees_with_torch(dim):
    rates, others = float64(0.3, 1.0, 20.0), float64(1.0, 0.7, 21.0)
    ours, theirs = RowLaplace(rates, dim), reference(rates, dim)
    value = torch.randn(4, 3, dim, dtype=torch.float64)
    torch.testing.assert_close(ours.log_prob(value), theirs.log_prob(value), rtol=1e-12, atol=1e-10)
    torch.testing.assert_close(ours.variance, theirs.variance)
    torch.testing.assert_close(ours.entropy(), theirs.entropy(), rtol=1e-12, atol=1e-10)
    kl = kl_divergence(ours, RowLaplace(others, dim))
    torch.testing.assert_close(kl, kl_divergence(theirs, reference(others, dim)), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_weight_is_laplace(dtype):
    draws = RowLaplace(torch.tensor([2.5], dtype=dtype), 5000).sample()[0].double().numpy()
    assert stats.kstest(draws, stats.laplace(scale=1 / 2.5).cdf).pvalue > 1e-4


@pytest.mark.parametrize("dim", DIMS)
def test_norm_survival_is_that_of_the_l1_size(dim):
    rate, tau = 1.3, dim / 1.3 * 0.98
    exact = stats.gamma(dim, scale=1 / rate).sf(tau)
    rows = RowLaplace(float64(rate), dim)
    assert float(rows.norm_survival(tau)[0]) == pytest.approx(exact, rel=1e-8)
    larger = (rows.sample(torch.Size((3000,))).abs().sum(-1) > tau).double().mean()
    assert float(larger) == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 3000) ** 0.5)
