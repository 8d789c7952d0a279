"""R-hat and effective sample sizes against ArviZ, against an autoregression whose sample size is known, and by simulation."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from bayes_guided.analysis.convergence import bulk_ess, mean_error, mean_ess, rhat, series_ess

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


def test_one_series_is_worth_at_most_its_draws():
    series = autoregression([0.9, -0.5], chains=1, draws=8000, seed=2)[0]
    assert series_ess(series[:, 0]) == pytest.approx(8000 / 19, rel=0.35)
    assert series_ess(series[:, 1]) == 8000.0
    assert series_ess(series[:10, 0]) == 10.0
    assert series_ess(torch.cat([torch.zeros(500), torch.ones(500)])) < 4


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
