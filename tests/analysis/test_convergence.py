"""R-hat and effective sample sizes against ArviZ, against an autoregression whose sample size is known, and by simulation."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from bayes_guided.analysis.convergence import bulk_ess, mean_error, mean_ess, rhat, series_error

CHAINS, DRAWS = 4, 500


def autoregression(coefficients: list[float], chains: int = CHAINS, draws: int = DRAWS, seed: int = 0) -> Tensor:
    """Stationary AR(1) series of variance 1, (chains, draws, quantities)."""
    generator = torch.Generator().manual_seed(seed)
    rho = torch.tensor(coefficients, dtype=torch.float64)
    noise = torch.randn(draws, chains, len(rho), generator=generator, dtype=torch.float64)
    series = [noise[0]]
    for step in noise[1:]:
        series.append(rho * series[-1] + (1 - rho**2).sqrt() * step)
    return torch.stack(series, dim=1)


SERIES = {
    "stationary": autoregression([0.0, 0.5, 0.9, -0.4]),
    "shifted": autoregression([0.3, 0.3]) + torch.arange(CHAINS)[:, None, None] * torch.tensor([0.5, 0.0]),
    "wider": autoregression([0.3]) * torch.tensor([1.0, 1.0, 1.0, 4.0])[:, None, None],
    "heavy": autoregression([0.2]).exp() ** 3,
    "ties": (autoregression([0.5]) > 1.0).double(),
    "odd": autoregression([0.5], draws=501),
}


@pytest.mark.parametrize("name", SERIES)
def test_against_arviz(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        arviz = pytest.importorskip("arviz")
    series = SERIES[name]
    for quantity in range(series.shape[2]):
        one = series[:, :, quantity].numpy()
        assert float(rhat(series)[quantity]) == pytest.approx(float(arviz.rhat(one)), rel=1e-9)
        # Both stop the sum of autocorrelations where Geyer's sequence ends, with details of their own.
        assert float(bulk_ess(series)[quantity]) == pytest.approx(float(arviz.ess(one, method="bulk")), rel=0.08)
        assert float(mean_ess(series)[quantity]) == pytest.approx(float(arviz.ess(one, method="mean")), rel=0.08)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_effective_sample_size_of_an_autoregression(rho):
    """(1 - rho) / (1 + rho) of the draws; the sum of autocorrelations has a relative error of some percent."""
    series = autoregression([rho], chains=4, draws=4000, seed=1)
    expected = 16000 * (1 - rho) / (1 + rho)
    assert float(mean_ess(series)) == pytest.approx(expected, rel=0.2)
    assert float(bulk_ess(series)) == pytest.approx(expected, rel=0.2)


def test_the_error_of_one_series():
    """sqrt((1 + rho) / (1 - rho) / n) for an autoregression, but never less than that of independent draws."""
    series = autoregression([0.9, -0.5], chains=1, draws=20_000, seed=2)[0]
    assert series_error(series[:, 0]) == pytest.approx((19 / 20_000) ** 0.5, rel=0.25)
    assert series_error(series[:1500, 1]) == pytest.approx(float(series[:1500, 1].std()) / 1500**0.5, rel=1e-9)
    assert series_error(series[:10, 0]) == pytest.approx(float(series[:10, 0].std()) / 10**0.5, rel=1e-9)
    assert series_error(torch.cat([torch.zeros(500), torch.ones(500)])) > 0.25


@pytest.mark.parametrize("draws", [4, 9, 40])
def test_short_chains_have_a_sample_size(draws):
    series = autoregression([0.0, -0.9] * 30, chains=2, draws=draws, seed=3)
    most = 2 * draws * max(1.0, math.log10(2 * draws))
    for sizes in (mean_ess(series), bulk_ess(series)):
        assert bool(((sizes > 0) & (sizes <= most)).all())
    assert bool(torch.isfinite(mean_error(series)).all())


def test_the_standard_error_is_that_of_repetitions():
    errors, means = [], []
    for seed in range(100):
        series = autoregression([0.6], draws=200, seed=seed)
        means.append(float(series.mean()))
        errors.append(float(mean_error(series)))
    spread = float(np.std(means))
    assert spread == pytest.approx(float(np.mean(errors)), rel=4 / math.sqrt(200))  # the spread's own relative error


def test_quantities_that_stand_still():
    series = autoregression([0.5, 0.5, 0.5])
    series[:, :, 1] = 3.0
    series[:, :, 2] = torch.arange(CHAINS, dtype=torch.float64)[:, None]
    values = rhat(series)
    assert float(values[0]) < 1.02
    assert float(values[1]) == 1.0
    assert float(values[2]) == math.inf
    assert float(mean_ess(series)[1]) == CHAINS * DRAWS
    assert float(mean_error(series)[1]) == 0.0
    assert float(bulk_ess(series)[2]) < 2 * CHAINS + 1


def test_many_quantities_at_once():
    series = autoregression([0.1 * (place % 9) for place in range(150)], draws=40)
    torch.testing.assert_close(rhat(series)[100:], rhat(series[:, :, 100:]))
    torch.testing.assert_close(bulk_ess(series)[100:], bulk_ess(series[:, :, 100:]))
