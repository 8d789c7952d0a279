"""What a fit of a spike and slab answers, saves, and leaves alone."""

from functools import cache
from typing import Any

import numpy as np
import pyro
import pytest
import torch
from torch import nn

import bayes_guided as bg
from bayes_guided import guidance, likelihoods, priors
from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import CheckpointError, ConfigError, ReadingError
from bayes_guided.infer.inclusion.fitting import fit_inclusion
from bayes_guided.infer.inclusion.result import InclusionFit
from tests.infer.problems import CLASSES, LEARNED_NOISE, same_bits, state

BUDGET: dict[str, Any] = {"epochs": 4, "batch_size": 30, "lr": 0.05, "seed": 5, "allow_empty": True, "progress": False}
PRIORS = {
    "independent": lambda a: priors.IndependentInclusion.from_guidance(a, guidance.step(2), strength=1.0),
    "nested": lambda a: priors.NestedWidth.from_guidance(a, guidance.step(2), strength=0.2),
    "complexity": lambda a: priors.GibbsComplexity(a, "parameters", beta=0.02),
}


def spike_and_slab(net: nn.Module, name: str, example: torch.Tensor) -> priors.SpikeAndSlabPrior:
    architecture = Architecture.from_module(net, example[:2])
    models = PRIORS[name](architecture)
    slab = guidance.constant() if models.protected is None else guidance.step(2)
    return priors.SpikeAndSlabPrior(architecture, models, priors.GroupLaplace(strength=2.0), guidance=slab)


@cache
def fitted(name: str) -> InclusionFit:
    """Regression with a learned noise, float32."""
    net, data = LEARNED_NOISE.net(), LEARNED_NOISE.data()
    prior = spike_and_slab(net, name, data[0])
    return fit_inclusion(
        net, prior, data, likelihood=likelihoods.Normal(), validation=LEARNED_NOISE.data(20, seed=1), **BUDGET
    )


@pytest.mark.parametrize("name", PRIORS)
def test_draws_are_zero_where_a_unit_is_absent_and_protected_units_never_are(name):
    fit, n = fitted(name), 3000
    draws = fit.draws(n)
    assert draws.masks is not None
    survival = fit.unit_survival("inclusion")
    for group, mask in draws.masks.items():
        assert torch.equal((draws.rows[group] != 0).any(dim=2), mask)
        p = survival[group].numpy()
        error = 4.5 * np.sqrt(p * (1 - p) / n) + 1e-9
        assert (np.abs(mask.double().mean(dim=0).numpy() - p) < error).all()
        np.testing.assert_allclose(p, torch.sigmoid(fit.unit_log_odds("inclusion")[group]), rtol=1e-12)
        law = fit.width_pmf(group)
        np.testing.assert_allclose(law.sum(), 1, rtol=1e-12)
        np.testing.assert_allclose(law @ torch.arange(len(law)).double(), p.sum(), rtol=1e-9)
        if name != "complexity":
            assert bool(mask[:, :2].all())
            assert bool((survival[group][:2] == 1).all())
            assert bool((fit.unit_log_bayes_factors("inclusion")[group][:2] == 0).all())
    if name == "nested":
        assert all(bool((mask[:, 2:-1] | ~mask[:, 3:]).all()) for mask in draws.masks.values())
    assert draws.noise_scale is not None
    assert bool((draws.noise_scale > 0).all())
    assert torch.equal(draws.rest, fit.draws(n).rest)  # the fit's own seed: draws repeat
    masks = fit.masks("inclusion", 50)
    assert all(mask.shape == (50, fit.architecture.group(group).size) for group, mask in masks.items())


@pytest.mark.parametrize("name", PRIORS)
def test_it_predicts_reduces_and_comes_back_from_its_file(name, tmp_path):
    fit, (inputs, targets) = fitted(name), LEARNED_NOISE.data(20, seed=2)
    evaluation = fit.evaluate((inputs, targets), draws=20)
    assert evaluation.error < 2
    small, sub = fit.reduce(), fit.sub_architecture()
    torch.testing.assert_close(small(inputs), fit.net(inputs), rtol=1e-4, atol=1e-5)
    assert sum(parameter.numel() for parameter in small.parameters()) <= sub.num_parameters + 1
    for group, rows in fit.rows.items():
        assert torch.equal((rows != 0).any(dim=1).cpu() & ~sub.masks[group], torch.zeros_like(sub.masks[group]))
    fit.save(tmp_path)
    again = bg.load_fit(tmp_path, LEARNED_NOISE.net(seed=9))
    assert isinstance(again, InclusionFit)
    assert same_bits(again.net, fit.net)
    assert again.approximation == fit.approximation
    assert again.restarts == fit.restarts
    assert float(again.bound.value) == float(fit.bound.value)
    one, other = fit.draws(7), again.draws(7)
    for group in one.rows:
        assert torch.equal(one.rows[group], other.rows[group])
    assert torch.equal(one.rest, other.rest)
    assert torch.equal(fit.predict(inputs, draws=5), again.predict(inputs, draws=5))


def test_a_refit_trains_the_reduced_network_alone_and_comes_back_from_its_file(tmp_path):
    net, data = LEARNED_NOISE.net(), LEARNED_NOISE.data()
    prior = spike_and_slab(net, "independent", data[0])
    settings = {"likelihood": likelihoods.Normal(), "refit_epochs": 30, **BUDGET, "lr": 0.01}
    fit = fit_inclusion(net, prior, data, **settings)
    plain = fit_inclusion(net, prior, data, **settings | {"refit_epochs": 0})
    assert same_bits(fit.guide, plain.guide)
    assert same_bits(fit.net, plain.net)
    assert fit.refit is not None
    small = fit.reduce()
    assert [p.shape for p in fit.refit.net.parameters()] == [p.shape for p in small.parameters()]
    start, end = (mean_squared_error(part, data) for part in (small, fit.refit.net))
    assert len(fit.refit.history) == 30
    assert end < start
    torch.testing.assert_close(fit.predict(data[0], refit=True), fit.refit.net(data[0])[:, 0], rtol=1e-6, atol=1e-6)
    assert fit.evaluate(data, refit=True).error == fit.evaluate(data, refit=True, draws=3).error
    fit.save(tmp_path)
    again = bg.load_fit(tmp_path, LEARNED_NOISE.net(seed=9))
    assert isinstance(again, InclusionFit)
    assert again.refit is not None
    assert same_bits(again.refit.net, fit.refit.net)
    assert same_bits(again.refit.likelihood, fit.refit.likelihood)
    assert again.refit.history == fit.refit.history
    with pytest.raises(ConfigError, match="refit_epochs"):
        plain.evaluate(data, refit=True)


def mean_squared_error(net: nn.Module, data: tuple[torch.Tensor, torch.Tensor]) -> float:
    with torch.no_grad():
        return float((net(data[0]).flatten() - data[1].flatten()).square().mean())


def test_its_reading_is_inclusion_and_no_other():
    with pytest.raises(ReadingError, match="inclusion"):
        fitted("nested").unit_survival("threshold", tau=0.1)
    assert fitted("nested").readings == ("inclusion",)


def test_fits_beside_each_other_and_a_users_pyro_model_do_not_touch():
    """A fit gives the same bits alone and after another, the user's parameter store and network stay as they are."""
    net, data = CLASSES.net(), CLASSES.data()
    before = state(net)
    pyro.clear_param_store()
    pyro.param("users", torch.tensor(3.0))
    prior = spike_and_slab(net, "independent", data[0])
    first = fit_inclusion(net, prior, data, **BUDGET)
    fit_inclusion(net, spike_and_slab(net, "nested", data[0]), data, **BUDGET | {"seed": 6})
    second = fit_inclusion(net, prior, data, **BUDGET)
    assert same_bits(first.guide, second.guide)
    assert dict(pyro.get_param_store()).keys() == {"users"}
    pyro.clear_param_store()
    after = state(net)
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_frozen_weights_of_the_rest_stay_and_have_no_divergence():
    net = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    net[2].weight.requires_grad_(False)
    net[2].bias.requires_grad_(False)
    data = tuple(part.double() for part in LEARNED_NOISE.data())
    fit = fit_inclusion(net, spike_and_slab(net, "independent", data[0]), data, likelihood=likelihoods.Normal(0.5), **BUDGET)
    rest = fit.architecture.rest_vector(net)
    assert torch.equal(fit.draws(4).rest, rest.expand(4, -1))
    assert torch.equal(fit.net[2].weight, net[2].weight)
    assert float(fit.guide.other_divergence()) == 0
    assert fit.net[0].weight.dtype == torch.float64


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    net, data = CLASSES.net(), CLASSES.data()
    prior = spike_and_slab(net, "nested", data[0])
    fit_inclusion(net, prior, data, checkpoint=tmp_path, **BUDGET)
    with pytest.raises(CheckpointError, match="particles"):
        fit_inclusion(net, prior, data, checkpoint=tmp_path, particles=2, **BUDGET)
