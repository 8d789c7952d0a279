"""Margins of a fitted MAP: against theory in a convex problem, and against what the fit does when guidance changes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from bayes_guided import GuidedPrior, guidance, priors
from bayes_guided.exceptions import ReadingError
from bayes_guided.infer import MAPFit, fit_map, laplace, margins
from tests.scenarios import ROWS, ROWS_CORRELATED
from theory.survival_numbers import critical_rate

from .problems import CLASSES

QUICK: dict[str, Any] = {"epochs": 300, "batch_size": 64, "lr": 2e-2, "warmup_steps": 5, "seed": 0}


def prior_of(strength: float, coefficients: torch.Tensor | None = None, scenario=ROWS_CORRELATED) -> GuidedPrior:
    pressed = torch.ones(scenario.units) if coefficients is None else coefficients
    given = guidance.custom({scenario.group: pressed}, normalise=False)
    return GuidedPrior(scenario.architecture, priors.GroupLaplace(strength=strength), given)


def fitted(prior: GuidedPrior, scenario=ROWS_CORRELATED) -> MAPFit:
    fit = fit_map(scenario.net(), prior, scenario.data(), likelihood=scenario.likelihood, **QUICK)
    return replace(fit, net=laplace(fit, scenario.data()).net)


def test_a_convex_problem_against_theory():
    """theory solves the group lasso again without each unit, gone units free to come back."""
    scenario, fit = ROWS, fitted(prior_of(2.0, scenario=ROWS), ROWS)
    gram = scenario.design.T @ scenario.design / scenario.noise_scale**2
    linear = scenario.design.T @ scenario.targets.ravel() / scenario.noise_scale**2
    rates = fit.prior.row_priors[scenario.group].rates.numpy()
    exact = [critical_rate(gram, linear, rates, scenario.row_dim, unit) for unit in range(scenario.units)]
    found = margins(fit, scenario.data())
    assert "fitted again" in found.approximation
    alive = found.alive[scenario.group]
    assert 0 < int(alive.sum()) < scenario.units
    np.testing.assert_allclose(found.critical_rate[scenario.group], exact, rtol=1e-4)
    assert torch.equal(found.margin[scenario.group] > 1, alive)


@pytest.mark.parametrize("factor", [0.97, 1.03])
def test_guidance_beyond_the_margin_decides_otherwise(factor):
    found = margins(fitted(prior_of(1.5)), ROWS_CORRELATED.data())
    name = ROWS_CORRELATED.group
    for unit in range(ROWS_CORRELATED.units):
        pressed = torch.ones(ROWS_CORRELATED.units, dtype=torch.float64)
        pressed[unit] = found.margin[name][unit] * factor
        again = fitted(prior_of(1.5, pressed))
        assert bool(again.rows[name][unit].any()) == (factor < 1), unit


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
