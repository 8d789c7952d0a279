"""fit_mcmc against posteriors that are known exactly: linear regressions, and one unit by quadrature."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, stats

import bayes_guided as bg
from bayes_guided.analysis.convergence import mean_error
from bayes_guided.infer import MCMCFit
from tests.scenarios import CORRELATED, NESTED, ROWS, TWINS, LinearScenario
from theory import horseshoe


def assert_means(series: torch.Tensor, expected: np.ndarray, slack: float = 0.0) -> None:
    """Means of (chains, draws, quantities) within four Monte Carlo standard errors."""
    distance = (series.double().flatten(0, 1).mean(dim=0) - torch.from_numpy(np.asarray(expected))).abs()
    error = mean_error(series)
    assert bool((distance <= 4 * error + slack).all()), (distance / error, distance)


def regression_fit(scenario: LinearScenario, prior: Any, **settings: Any) -> MCMCFit:
    return bg.fit_mcmc(scenario.net(), prior, scenario.data(), likelihood=scenario.likelihood, **settings)


def test_nuts_on_a_linear_regression_has_the_posteriors_mean_and_covariance():
    """The slab on all rows: the full model's normal posterior. The head is frozen and stays."""
    fit = regression_fit(CORRELATED, CORRELATED.prior.slab_prior, chains=2, warmup=60, draws=80, seed=1)
    mean, covariance = CORRELATED.truth.posterior_of(np.ones(CORRELATED.units, dtype=bool))
    rows = fit.samples.rows[CORRELATED.group].flatten(2)
    centred = rows - torch.from_numpy(mean)
    assert_means(rows, mean)
    pairs = torch.triu_indices(CORRELATED.units, CORRELATED.units)
    assert_means(centred[..., pairs[0]] * centred[..., pairs[1]], covariance[pairs[0], pairs[1]])
    beyond = stats.norm(mean, np.diag(covariance) ** 0.5)
    expected = beyond.sf(0.4) + beyond.cdf(-0.4)
    found = fit.unit_survival("threshold", tau=0.4)[CORRELATED.group]
    low, high = fit.survival_interval("threshold", tau=0.4, level=0.9999)  # pyright: ignore[reportGeneralTypeIssues]
    assert bool(
        ((low[CORRELATED.group] <= torch.from_numpy(expected)) & (torch.from_numpy(expected) <= high[CORRELATED.group])).all()
    )
    assert bool(((low[CORRELATED.group] <= found) & (found <= high[CORRELATED.group])).all())
    assert torch.equal(fit.net.net.weight, torch.ones_like(fit.net.net.weight))  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("scenario", [TWINS, ROWS, NESTED], ids=lambda s: s.name)
def test_inclusion_probabilities_of_a_spike_and_slab_are_exact(scenario):
    """Twins, rows of several weights, nested widths; the rows' first two moments over all models with them."""
    fit = regression_fit(scenario, scenario.prior, chains=2, warmup=60, draws=60, seed=2)
    truth, group = scenario.truth, scenario.group
    odds, masks = fit.samples.log_odds, fit.samples.masks
    assert odds is not None
    assert masks is not None
    rare = 4 / len(fit.samples)  # a probability this close to 0 or 1 may not show in so few draws
    assert_means(odds[group].sigmoid(), truth.inclusion(), slack=rare)
    assert_means(masks[group].double(), truth.inclusion(), slack=rare)
    mean, covariance = truth.posterior()
    rows = fit.samples.rows[group].flatten(2)
    assert_means(rows, mean, slack=rare)
    assert_means(rows.square(), np.diag(covariance) + mean**2, slack=rare)
    assert torch.equal((rows.unflatten(2, (scenario.units, -1)) != 0).any(dim=-1), masks[group])
    found = fit.unit_survival()[group]
    torch.testing.assert_close(found, odds[group].sigmoid().mean(dim=(0, 1)))
    torch.testing.assert_close(fit.unit_log_odds("inclusion")[group].sigmoid(), found)


# One weight under a prior with a cusp or a pole, by quadrature ------------------------------


def two_units(weights: Any, warmup: int, draws: int) -> tuple[MCMCFit, Any]:
    """Two gates on orthogonal inputs, whose weights are independent given the data, and the likelihood of the first weight."""
    first = np.linspace(-1, 1, 12)
    inputs = np.stack([first, np.abs(first) - np.abs(first).mean()], axis=1)
    targets = 0.35 * first + 0.4 * np.random.default_rng(1).normal(size=12)
    scenario = LinearScenario("two", inputs, present=(0,), noise_scale=0.4)
    prior = bg.GuidedPrior(scenario.architecture, weights=weights)
    data = torch.from_numpy(inputs), torch.from_numpy(targets)
    settings = {"chains": 2, "warmup": warmup, "draws": draws, "seed": 3, "max_tree_depth": 4}
    fit = bg.fit_mcmc(scenario.net(), prior, data, likelihood=scenario.likelihood, **settings)

    def likelihood(weight: float) -> float:
        return float(np.exp(-0.5 * np.sum((targets - weight * first) ** 2) / 0.4**2))

    return fit, likelihood


def test_one_unit_under_the_group_laplace():
    strength, curvature, tau = 2.0, 20.0, 0.2
    fit, likelihood = two_units(bg.priors.GroupLaplace(strength=strength), 60, 120)

    def integral(value: Any) -> float:
        def integrand(weight: float) -> float:
            return value(weight) * likelihood(weight) * float(np.exp(-strength * abs(weight)))

        return integrate.quad(integrand, -6, 6, points=[-tau, 0, tau], limit=200)[0]

    def mean_of(value: Any) -> float:
        return integral(value) / integral(lambda weight: 1.0)

    rows = fit.samples.rows["inputs"][:, :, 0]
    assert_means(rows, np.array([mean_of(lambda w: w)]))
    assert_means(rows.square(), np.array([mean_of(lambda w: w * w)]))
    assert_means((rows.abs() > tau).double(), np.array([mean_of(lambda w: float(abs(w) > tau))]))

    def scale_is_large(weight: float) -> float:
        """P(s > 1/h | w): s | w has density proportional to s^(-1/2) exp(-w^2 / 2s - strength^2 s / 2)."""
        law = stats.geninvgauss(0.5, strength * abs(weight), scale=abs(weight) / strength)
        return float(law.sf(1 / curvature))

    expected = mean_of(scale_is_large)
    low, high = fit.survival_interval("shrinkage", curvature=curvature, level=0.9999)  # pyright: ignore[reportGeneralTypeIssues]
    assert float(low["inputs"][0]) <= expected <= float(high["inputs"][0])
    assert float(high["inputs"][0] - low["inputs"][0]) < 0.15
    odds = fit.unit_log_odds("shrinkage", curvature=curvature)["inputs"]
    torch.testing.assert_close(odds.sigmoid(), fit.unit_survival("shrinkage", curvature=curvature)["inputs"])


def test_one_unit_under_the_horseshoe():
    """Its density has a pole at zero, which the chain must not be stuck at."""
    fit, likelihood = two_units(bg.priors.GroupHorseshoe(strength=1.0), 40, 60)

    def mass(low: float, high: float) -> float:
        def density(u: float) -> float:  # over log |w|, where the pole is none
            weight = np.exp(u)
            prior = np.exp(float(horseshoe.log_density(weight, 1.0, 1)))
            return prior * weight * (likelihood(weight) + likelihood(-weight))

        return integrate.quad(density, np.log(low), np.log(high), limit=400)[0]

    tau = 0.2
    expected = mass(tau, 50.0) / (mass(1e-12, tau) + mass(tau, 50.0))
    beyond = (fit.samples.rows["inputs"][:, :, 0].abs() > tau).double()
    assert_means(beyond, np.array([expected]))
