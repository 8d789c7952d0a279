"""The density that chains walk on against the Pyro model, which is the definition, and against the exact linear posterior."""

import copy
import math

import pyro
import pytest
import torch
from pyro import poutine
from torch import nn

from bayes_guided import GuidedPrior, guidance, likelihoods, priors
from bayes_guided.architecture import Architecture
from bayes_guided.infer.mcmc.potential import Posterior, WeightSpace
from bayes_guided.models import BayesianNetwork
from tests.infer.problems import built, same_bits
from tests.scenarios import ALL_FAMILIES, MLP, RESIDUAL, SCENARIOS


def posterior_of(scenario, weights=None, likelihood=None, dtype=torch.float64, **settings):
    net = scenario.net(dtype).eval()
    prior = GuidedPrior(
        scenario.architecture(net), weights or priors.GroupLaplace(strength=0.5), guidance.linear(), **settings
    )
    return net, prior, Posterior(net, prior, likelihood or scenario.likelihood, *scenario.data(dtype))


def log_joint(net: nn.Module, prior: GuidedPrior, posterior: Posterior, vector: torch.Tensor, data) -> float:
    """By Pyro: the trace of the model conditioned on what the vector holds."""
    model = BayesianNetwork(net, prior, likelihoods.Categorical())
    values = {f"rows.{name}": rows for name, rows in posterior.space.rows(vector).items()}
    values["rest"] = posterior.space.rest(vector)
    trace = poutine.trace(poutine.condition(model, data=values)).get_trace(*data)
    return float(trace.log_prob_sum())


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
@pytest.mark.parametrize("penalised", ["row", "norm"])
def test_it_is_the_pyro_models_density(scenario, penalised):
    net, prior, posterior = posterior_of(scenario, penalised=penalised)
    for scale in (0.0, 0.3):
        vector = posterior.space.base + scale * torch.randn(posterior.space.base.shape, dtype=torch.float64)
        expected = log_joint(net, prior, posterior, vector, scenario.data())
        assert float(posterior.log_prob(vector)) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_its_gradient_is_finite_differences(family):
    posterior = posterior_of(MLP, ALL_FAMILIES[family])[2]
    assert torch.autograd.gradcheck(posterior.log_prob, posterior.space.base.clone().requires_grad_(), atol=1e-5)


def test_masks_zero_the_rows_in_the_likelihood_alone():
    net, _, posterior = posterior_of(MLP)
    vector = posterior.space.base
    masks = {name: torch.arange(len(rows)) % 2 == 0 for name, rows in posterior.space.rows(vector).items()}
    cut = copy.deepcopy(net)
    rows = {name: row * masks[name][:, None] for name, row in posterior.space.rows(vector).items()}
    posterior.prior.architecture.write_rows(cut, rows)
    inputs, labels = MLP.data()
    expected = -nn.functional.cross_entropy(cut(inputs), labels, reduction="sum")
    assert float(posterior.log_likelihood(vector, masks)) == pytest.approx(float(expected.detach()), rel=1e-12)


def test_a_learned_noise_is_standard_normal_in_its_logarithm():
    """LogNormal(0, 1) in the scale is Normal(0, 1) in its logarithm: the prior's own part of the density."""
    net = built(lambda: nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))).double()
    inputs, targets = torch.randn(7, 2, dtype=torch.float64), torch.randn(7, dtype=torch.float64)
    prior = GuidedPrior(Architecture.from_module(net, inputs), priors.Normal(strength=1.0))
    posterior = Posterior(net, prior, likelihoods.Normal(), inputs, targets)
    base = posterior.space.base
    for log_scale in (-1.3, 0.0, 0.8):
        vector = torch.cat([base[:-1], base.new_tensor([log_scale])])
        known = Posterior(net, prior, likelihoods.Normal(scale=math.exp(log_scale)), inputs, targets)
        difference = float(posterior.log_prob(vector) - known.log_prob(base[:-1]))
        assert difference == pytest.approx(-0.5 * log_scale**2, abs=1e-9)


def test_frozen_parameters_stay_where_they_are():
    net = MLP.net()
    net[0].weight.requires_grad_(False)
    net[4].bias.requires_grad_(False)
    architecture = MLP.architecture(net)
    space = WeightSpace.of(architecture, net, likelihoods.Categorical())
    assert len(space.base) - len(space.free) == net[0].weight.numel() + net[4].bias.numel()
    moved = space.whole(torch.full((len(space.free),), 9.0, dtype=torch.float64))
    parameters = architecture.parameters(space.rows(moved), space.rest(moved))
    for name, parameter in net.named_parameters():
        wanted = torch.full_like(parameter, 9.0) if parameter.requires_grad else parameter.detach()
        assert torch.equal(parameters[name], wanted)


def test_the_network_is_used_in_evaluation_mode_and_not_changed():
    net = RESIDUAL.net().train()
    before = copy.deepcopy(net)
    prior = GuidedPrior(RESIDUAL.architecture(net), priors.Normal(strength=1.0))
    posterior = Posterior(copy.deepcopy(net), prior, RESIDUAL.likelihood, *RESIDUAL.data())
    posterior.log_prob(posterior.space.base.clone().requires_grad_()).backward()
    inputs, labels = RESIDUAL.data()
    expected = -nn.functional.cross_entropy(net.eval()(inputs), labels, reduction="sum")
    assert float(posterior.log_likelihood(posterior.space.base)) == pytest.approx(float(expected.detach()), rel=1e-12)
    assert same_bits(net, before)
    assert not pyro.get_param_store().keys()


def test_prior_draws_fill_the_vector_in_its_dtype():
    for dtype in (torch.float32, torch.float64):
        posterior = posterior_of(MLP, dtype=dtype)[2]
        drawn = posterior.sample_prior()
        assert drawn.shape == posterior.space.base.shape
        assert drawn.dtype == dtype
