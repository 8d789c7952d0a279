"""Margins of a fitted MAP: against theory in a convex problem, and against what the fit does when guidance changes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from bayes_guided import GuidedPrior, guidance, priors
from bayes_guided.exceptions import ReadingError
from bayes_guided.infer import MAPFit, fit_map, laplace, margins
from tests.infer.problems import CLASSES
from tests.scenarios import ROWS, ROWS_CORRELATED, LinearScenario
from theory.group_lasso import solve
from theory.survival_numbers import critical_rate

QUICK: dict[str, Any] = {"epochs": 100, "batch_size": 64, "lr": 2e-2, "warmup_steps": 5, "seed": 0}


def prior_of(strength: float, scenario: LinearScenario = ROWS_CORRELATED) -> GuidedPrior:
    return GuidedPrior(scenario.architecture, priors.GroupLaplace(strength=strength))


def fitted(prior: GuidedPrior, scenario: LinearScenario = ROWS_CORRELATED) -> MAPFit:
    fit = fit_map(scenario.net(), prior, scenario.data(), likelihood=scenario.likelihood, **QUICK)
    return replace(fit, net=laplace(fit, scenario.data()).net)


def convex(scenario: LinearScenario) -> tuple[np.ndarray, np.ndarray]:
    """The summed negative log likelihood's Hessian and minus its gradient at zero."""
    target = scenario.targets.ravel()
    return scenario.design.T @ scenario.design / scenario.noise_scale**2, scenario.design.T @ target / scenario.noise_scale**2


@pytest.mark.parametrize("scenario", [ROWS, ROWS_CORRELATED], ids=lambda scenario: scenario.name)
def test_a_convex_problem_against_theory(scenario):
    """theory solves the group lasso again without each unit, gone units free to come back; and at rates beyond the margin."""
    fit = fitted(prior_of(2.0 if scenario is ROWS else 1.5, scenario=scenario), scenario)
    gram, linear = convex(scenario)
    rates = fit.prior.row_priors[scenario.group].rates.numpy()
    exact = [critical_rate(gram, linear, rates, scenario.row_dim, unit) for unit in range(scenario.units)]
    found = margins(fit, scenario.data())
    assert "fitted again" in found.approximation
    alive, margin = found.alive[scenario.group], found.margin[scenario.group]
    assert 0 < int(alive.sum()) < scenario.units
    np.testing.assert_allclose(found.critical_rate[scenario.group], exact, rtol=1e-5)
    assert torch.equal(margin > 1, alive)
    for unit in range(scenario.units):
        for factor in (0.99, 1.01):
            moved = rates.copy()
            moved[unit] *= float(margin[unit]) * factor
            assert (np.linalg.norm(solve(gram, linear, moved, scenario.row_dim)[unit]) > 0) == (factor < 1), unit


def test_local_margins_are_labelled_and_near():
    fit = fitted(prior_of(1.5))
    exact, local = (margins(fit, ROWS_CORRELATED.data(), refit=refit) for refit in (True, False))
    assert "local" in local.approximation
    name = ROWS_CORRELATED.group
    gone = ~local.alive[name]
    torch.testing.assert_close(exact.margin[name][gone], local.margin[name][gone])
    assert bool((local.margin[name][~gone] > 1).all())


@pytest.mark.parametrize("weights", [priors.Laplace(strength=1.0), priors.SparseGroupLaplace(strength=1.0)])
def test_other_kinks(weights):
    prior = GuidedPrior(ROWS.architecture, weights)
    fit = fitted(prior, ROWS)
    found = margins(fit, ROWS.data())
    assert torch.equal(found.margin[ROWS.group] > 1, found.alive[ROWS.group])


def test_relu_units_and_protected_ones():
    net = CLASSES.net()
    architecture = CLASSES.prior(net).architecture
    coefficients = {name: values.clone() for name, values in guidance.linear().coefficients(architecture).items()}
    coefficients["layers.0"][0] = 0.0
    prior = GuidedPrior(architecture, priors.GroupLaplace(strength=1.0), guidance.custom(coefficients, normalise=False))
    fit = fit_map(net, prior, CLASSES.data(), **(QUICK | dict[str, Any](epochs=60)))
    found = margins(fit, CLASSES.data(), refit=False)
    assert float(found.margin["layers.0"][0]) == float("inf")
    for name, margin in found.margin.items():
        alive, protected = found.alive[name], prior.row_priors[name].protected
        assert bool((margin[~alive & ~protected] == 0).all()), "a ReLU unit at zero has no gradient (P28)"
        assert bool((margin[alive] > 0).all())


def test_penalties_without_a_kink_have_no_margin():
    fit = fitted(GuidedPrior(ROWS.architecture, priors.Normal(strength=1.0)), ROWS)
    with pytest.raises(ReadingError, match="P17"):
        margins(fit, ROWS.data())
