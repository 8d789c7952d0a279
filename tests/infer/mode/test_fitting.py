"""Laplace's approximation against linear models, where it is exact, automatic differentiation, and draws."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from torch import nn

from bayes_guided import GuidedPrior, guidance, likelihoods, priors
from bayes_guided.analysis.gaussian_evidence import removal_log_evidence
from bayes_guided.analysis.implied import Evidence
from bayes_guided.analysis.row_shrinkage import row_shrinkage_log_odds
from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ConfigError, CurvatureError, ReadingError
from bayes_guided.infer import LaplaceFit, MAPFit, fit_map, laplace, load_fit
from tests.infer.problems import CLASSES, ConvNet, built, image_data
from tests.scenarios import CORRELATED, ROWS, ROWS_CORRELATED, LinearScenario

LINEAR = pytest.mark.parametrize("scenario", [CORRELATED, ROWS, ROWS_CORRELATED], ids=lambda scenario: scenario.name)
PRIOR = CLASSES.prior(CLASSES.net())
QUICK: dict[str, Any] = {"epochs": 30, "batch_size": 64, "lr": 2e-2, "warmup_steps": 5, "seed": 0}


def map_of(scenario: LinearScenario, weights: priors.WeightPrior | None = None) -> MAPFit:
    family = priors.Normal(strength=0.5 / scenario.slab_variance) if weights is None else weights
    pressed = guidance.linear() if scenario.guided else guidance.constant()
    prior = GuidedPrior(scenario.architecture, family, pressed)
    return fit_map(scenario.net(), prior, scenario.data(), likelihood=scenario.likelihood, **QUICK)


def at_the_map(scenario: LinearScenario, weights: priors.WeightPrior | None = None) -> MAPFit:
    """The MAP to double precision: structures without Newton steps then stand at the same point."""
    fit = map_of(scenario, weights)
    return replace(fit, net=laplace(fit, scenario.data()).net)


@LINEAR
def test_linear_models_are_exact(scenario):
    """The evidence, the posterior and every unit's Bayes factor, though the optimiser stopped early."""
    fit, truth, full = laplace(map_of(scenario), scenario.data()), scenario.truth, scenario.units
    everything = np.ones(full, dtype=bool)
    assert fit.evidence.log_evidence == pytest.approx(truth.log_evidences[-1], abs=1e-9)
    assert fit.decrement is not None
    assert fit.decrement < 1e-9
    mean, covariance = truth.posterior_of(everything)
    np.testing.assert_allclose(fit.posterior.mean, mean, atol=1e-9)
    np.testing.assert_allclose(fit.posterior.covariance_block(torch.arange(len(mean))), covariance, atol=1e-9)
    without = [np.flatnonzero((truth.masks == (np.arange(full) != u)).all(axis=1))[0] for u in range(full)]
    found = fit.removal_evidence("row")["row"][scenario.group]
    expected = truth.log_evidences[-1] - truth.log_evidences[without]
    np.testing.assert_allclose(found.log_bayes_factor, expected, atol=1e-9)
    factors = fit.unit_log_bayes_factors("evidence", curvature=9.0)[scenario.group]
    np.testing.assert_allclose(factors, expected, atol=1e-9)
    assert found.mean_field_gap is not None
    assert "full covariance" in fit.approximation


@pytest.mark.parametrize("weights", [None, priors.GroupLaplace(strength=1.5)], ids=["normal", "group lasso"])
def test_kronecker_factors_are_exact_in_a_linear_layer(weights):
    fit = at_the_map(ROWS_CORRELATED, weights)
    full, factored = (laplace(fit, ROWS_CORRELATED.data(), structure=s) for s in ("full", "kronecker"))
    assert factored.evidence.log_evidence == pytest.approx(full.evidence.log_evidence, abs=1e-9)
    for one, other in zip(*(f.removal_evidence("row")["row"].values() for f in (full, factored)), strict=True):
        torch.testing.assert_close(one.log_bayes_factor, other.log_bayes_factor, equal_nan=True)
        torch.testing.assert_close(one.mean_field_gap, other.mean_field_gap, equal_nan=True)
    for reading in ({"reading": "threshold", "tau": 0.3}, {"reading": "evidence", "curvature": 5.0}):
        torch.testing.assert_close(full.unit_log_odds(**reading), factored.unit_log_odds(**reading), equal_nan=True)


def test_diagonal_is_the_diagonal_and_says_so():
    fit = at_the_map(ROWS_CORRELATED)
    full, diagonal = (laplace(fit, ROWS_CORRELATED.data(), structure=s) for s in ("full", "diagonal"))
    everything = torch.arange(len(full.posterior))
    precision = full.posterior.precision_block(everything).diagonal()
    torch.testing.assert_close(diagonal.posterior.precision_block(everything).diagonal(), precision)
    assert "mean field" in diagonal.approximation
    evidence = diagonal.removal_evidence("row")["row"][ROWS_CORRELATED.group]
    assert evidence.mean_field_gap is None
    assert evidence.approximation == "mean field"


FAMILIES = {
    "group lasso": priors.GroupLaplace(strength=1.0),
    "root": priors.GroupSqrtLaplace(strength=0.1),
    "lasso": priors.Laplace(strength=1.0),
    "sparse group": priors.SparseGroupLaplace(strength=1.0),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_precision_is_the_hessian_of_the_log_joint(family):
    """By automatic differentiation at the MAP, over the weights that are not at a kink; and the MAP is one."""
    fit = laplace(map_of(ROWS, FAMILIES[family]), ROWS.data())
    inputs, targets = ROWS.data()

    def joint(point: torch.Tensor) -> torch.Tensor:
        rows, rest = fit.flat.split(fit.local_prior.weights.index_copy(0, fit.positions, point))
        outputs = torch.func.functional_call(fit.net, fit.architecture.parameters(rows, rest), (inputs,))
        return fit.prior.penalty(rows, rest) - fit.likelihood.log_prob(outputs, targets).sum()

    point = fit.posterior.mean
    everything = torch.arange(len(point))
    torch.testing.assert_close(fit.posterior.precision_block(everything), torch.func.hessian(joint)(point))
    torch.testing.assert_close(torch.func.grad(joint)(point), torch.zeros_like(point), atol=1e-4, rtol=0)


def test_units_at_a_kink_are_outside():
    fit = laplace(map_of(ROWS, priors.GroupLaplace(strength=3.0)), ROWS.data())
    gone = ~fit.rows[ROWS.group].any(dim=1)
    assert 0 < int(gone.sum()) < ROWS.units
    assert fit.num_gone == {ROWS.group: int(gone.sum())}
    assert f"{int(gone.sum())} in {ROWS.group}" in fit.approximation
    assert len(fit.posterior) == int((~gone).sum()) * ROWS.row_dim
    for reading in (
        {"reading": "threshold", "tau": 0.1},
        {"reading": "shrinkage", "curvature": 5.0},
        {"reading": "evidence", "curvature": 5.0},
    ):
        survival = fit.unit_survival(**reading)[ROWS.group]
        assert bool((survival.isnan() == gone).all())
    assert bool((fit.draws(5).rows[ROWS.group][:, gone] == 0).all())


def test_readings_agree_with_draws():
    """Threshold and shrinkage against 20,000 joint draws, four standard errors; masks likewise."""
    fit, n, tau, h = laplace(map_of(ROWS, priors.GroupLaplace(strength=0.7)), ROWS.data()), 20_000, 0.5, 6.0
    rows = fit.draws(n).rows[ROWS.group]
    above = (rows.norm(dim=-1) > tau).double()
    expected = fit.unit_survival("threshold", tau=tau)[ROWS.group]
    assert bool(((above.mean(0) - expected).abs() <= 4 * (expected * (1 - expected) / n).sqrt() + 1e-9).all())
    density = fit.prior.row_priors[ROWS.group].guided_density(torch.empty(0, dtype=torch.float64))
    given = row_shrinkage_log_odds(density, rows, h).sigmoid()
    found = fit.unit_survival("shrinkage", curvature=h)[ROWS.group]
    error = given.std(0) * math.sqrt(1 / n + 1 / 400)
    assert bool(((given.mean(0) - found).abs() < 4 * error).all())
    masks = fit.masks("threshold", n, tau=tau)[ROWS.group]
    assert torch.equal(masks, above.bool())
    with pytest.raises(ReadingError, match="joint models"):
        fit.masks("evidence", 5, curvature=1.0)


@pytest.fixture(scope="module")
def mlp() -> LaplaceFit:
    net = CLASSES.net()
    fit = fit_map(net.double(), PRIOR, CLASSES.data(), likelihood=likelihoods.Categorical(), **QUICK)
    return laplace(fit, CLASSES.data())


def test_removal_by_outgoing_weights_by_hand(mlp):
    """The last layer's prior is normal, so the head's column of a unit has a density at zero of its own."""
    name = mlp.architecture.groups[-1].name
    head = mlp.flat.parameters["layers.2.weight"]
    unit = int(mlp.rows[name].any(dim=1).nonzero()[0])
    place = torch.full((mlp.flat.size,), -1)
    place[mlp.positions] = torch.arange(len(mlp.positions))
    density = len(head) / 2 * math.log(mlp.prior.rest.strength / math.pi)
    expected = -removal_log_evidence(mlp.posterior, place[head[:, unit]], density)
    both = mlp.removal_evidence()
    assert set(both) == {"row", "outgoing"}
    assert float(both["outgoing"][name].log_bayes_factor[unit]) == pytest.approx(float(expected))
    odds = mlp.unit_log_odds("evidence", curvature=40.0)[name][unit]
    prior = mlp.prior.row_priors[name].model_log_odds(Evidence(40.0))[unit]
    assert float(odds) == pytest.approx(float(prior + expected))
    assert "outgoing" in both["outgoing"][name].scope


def test_removal_of_weights_inside_rows_of_a_group_prior(mlp):
    """The first layer's outgoing weights lie in rows of the second: the prior at zero is a ratio of normalisers."""
    first, second = (group.name for group in mlp.architecture.groups)
    unit = int(mlp.rows[first].any(dim=1).nonzero()[0])
    alive = mlp.rows[second].any(dim=1)
    removed = mlp.flat.parameters["layers.1.weight"][alive, unit]
    density = mlp.local_prior.density(mlp.prior.row_priors[second])
    shorter = type(density)(density.rate, density.dim - 1)
    expected = (shorter.log_normalizer - density.log_normalizer)[alive].sum()
    assert mlp.local_prior.log_density_at_zero(removed) == pytest.approx(float(expected))


def test_the_prior_of_all_weights_is_the_priors_own_density():
    prior = PRIOR
    fit = fit_map(CLASSES.net().double(), prior, CLASSES.data(), **(QUICK | dict[str, Any](epochs=1, lr=1e-4)))
    local = laplace(fit, CLASSES.data(), structure="diagonal").local_prior
    rows, rest = prior.architecture.rows(fit.net), prior.architecture.rest_vector(fit.net)
    assert local.log_density() == pytest.approx(float(prior.log_prob(rows, rest)), abs=1e-8)


@pytest.mark.parametrize("structure", ["full", "kronecker", "diagonal"])
def test_saving(structure, tmp_path):
    net = CLASSES.net()
    fitted = fit_map(net, CLASSES.prior(net), CLASSES.data(), **QUICK)
    fit = laplace(fitted, CLASSES.data(), structure=structure)
    fit.save(tmp_path)
    read = load_fit(tmp_path, CLASSES.net(seed=5))
    assert isinstance(read, LaplaceFit)
    assert read.approximation == fit.approximation
    assert read.evidence == fit.evidence
    assert read.decrement == fit.decrement
    for name, odds in fit.unit_log_odds("threshold", tau=0.1).items():
        torch.testing.assert_close(read.unit_log_odds("threshold", tau=0.1)[name], odds, equal_nan=True, rtol=0, atol=0)
    for name, rows in fit.draws(3).rows.items():
        assert torch.equal(read.draws(3).rows[name], rows)


def test_norms_share_a_full_block_beside_the_kronecker_factors():
    data = image_data()
    net = built(ConvNet)
    prior = GuidedPrior(Architecture.from_module(net, data[0][:2]), priors.GroupLaplace(strength=0.5), guidance.linear())
    fit = laplace(fit_map(net, prior, data, **QUICK), data, structure="kronecker")
    assert fit.posterior.approximation == "independent blocks (Kronecker factors, full covariance)"
    assert len(fit.positions.unique()) == len(fit.positions) == int(fit.local_prior.free.sum())
    assert fit.curvature["others"].shape == (len(fit.curvature["others.places"]),) * 2
    for name, found in fit.removal_evidence("row")["row"].items():
        assert bool((found.log_bayes_factor.isnan() == ~fit.rows[name].any(dim=1)).all())


def test_what_cannot_be_asked():
    fit = map_of(ROWS, priors.Laplace(strength=1.0))
    with pytest.raises((ConfigError, TypeCheckError), match="diagonal"):
        laplace(fit, ROWS.data(), structure="low rank")  # type: ignore[arg-type]
    with pytest.raises(CurvatureError, match='structure="full"'):
        laplace(fit, ROWS.data(), structure="kronecker").posterior  # noqa: B018
    with pytest.raises(ReadingError, match="no closed form"):
        laplace(fit, ROWS.data()).unit_survival("threshold", tau=0.1)
    wide = nn.Sequential(nn.Linear(5, 2000), nn.ReLU(), nn.Linear(2000, 3))
    prior = GuidedPrior(Architecture.from_module(wide, torch.zeros(2, 5)), priors.Normal(strength=1.0))
    with pytest.raises(CurvatureError, match="8192"):
        laplace(fit_map(wide, prior, CLASSES.data(), **(QUICK | dict[str, Any](epochs=1))), CLASSES.data())
