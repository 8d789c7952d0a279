"""The divergences of the structured guide and of guided L0 against their definitions."""

import math

import pytest
import torch
from scipy.special import expit
from torch import nn
from torch.distributions import Normal, kl_divergence

from bayes_guided import guidance, likelihoods, priors
from bayes_guided.architecture import Architecture
from bayes_guided.guides.spike_and_slab import SpikeAndSlabGuide
from bayes_guided.infer.inclusion.objective import GuidedL0Objective, StructuredObjective
from bayes_guided.infer.training.batches import as_batches
from bayes_guided.infer.training.loop import Plan
from tests.infer.problems import built

NET = built(lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))).double()
INPUTS = torch.randn(12, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
ARCHITECTURE = Architecture.from_module(NET, INPUTS[:2])
MODELS = priors.IndependentInclusion.from_guidance(ARCHITECTURE, guidance.linear(), strength=1.3)


def normal(mean, sd):
    """In float64, whatever it is given."""
    return Normal(torch.as_tensor(mean, dtype=torch.float64), torch.as_tensor(sd, dtype=torch.float64))


def objective_of(kind, slab, *, noise=None):
    prior = priors.SpikeAndSlabPrior(ARCHITECTURE, MODELS, slab, rest=priors.Normal(strength=0.7))
    likelihood = likelihoods.Normal(noise).double()
    guide = SpikeAndSlabGuide(prior, NET, likelihood, start_sd=0.3, points=kind is GuidedL0Objective)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        guide.jitter(1.5)
    batches = as_batches((INPUTS, INPUTS[:, 0]), 6, torch.device("cpu"), torch.float64)
    return kind(NET, likelihood, guide, batches, None, plan=Plan(1, 0.01), gradient="enumeration", particles=1)


def test_guided_l0_charges_exactly_the_expected_cost():
    """sum_u c_u q_u, and nothing else but the ridge of the rest (P11 ii, P21)."""
    objective = objective_of(GuidedL0Objective, priors.GroupLaplace(strength=3.0), noise=0.5)
    guide = objective.guide
    survival = guide.inclusion.survival()
    cost = sum(float((MODELS.costs[name] * survival[name].detach()).sum()) for name in survival)
    ridge = 0.7 * float(guide.mean().rest.square().sum())
    assert float(objective.divergence(guide.rsample(1)).detach()) == pytest.approx(cost + ridge, rel=1e-13)


def test_guided_l0_is_the_divergence_without_entropy_and_constant():
    """KL(Bern q || Bern sigma(-c)) = c q - H(q) + log(1 + e^-c) for every unit (P21)."""
    inclusion = objective_of(GuidedL0Objective, priors.Normal(strength=1.0)).guide.inclusion
    total = 0.0
    for name, odds in inclusion.log_odds().items():
        q, p = expit(odds.detach().numpy()), expit(-MODELS.costs[name].numpy())
        for a, b, c in zip(q, p, MODELS.costs[name].tolist(), strict=True):
            divergence = a * math.log(a / b) + (1 - a) * math.log((1 - a) / (1 - b))
            entropy = -a * math.log(a) - (1 - a) * math.log(1 - a)
            assert divergence == pytest.approx(c * a - entropy + math.log1p(math.exp(-c)), rel=1e-10)
            total += entropy
    assert float(inclusion.entropy().detach()) == pytest.approx(total, rel=1e-12)


def test_the_divergence_is_that_of_models_and_rows_weighted_by_their_presence():
    """Normal slab and learned noise: everything is a divergence of normals and of Bernoullis."""
    objective = objective_of(StructuredObjective, priors.Normal(strength=1.1))
    guide, total = objective.guide, 0.0
    means, sds = guide.slab.means, guide.slab.sds
    slab_sd = (2 * 1.1) ** -0.5
    for name, odds in guide.inclusion.log_odds().items():
        q, p = torch.sigmoid(odds), torch.sigmoid(-MODELS.costs[name])
        rows = kl_divergence(normal(means.rows[name], sds.rows[name]), normal(0.0, slab_sd)).sum(dim=1)
        models = q * (q / p).log() + (1 - q) * ((1 - q) / (1 - p)).log()
        total += float((q * rows + models).detach().sum())
    total += float(kl_divergence(normal(means.rest, sds.rest), normal(0.0, (2 * 0.7) ** -0.5)).detach().sum())
    assert guide.noise is not None
    noise = normal(guide.noise.mean, guide.noise.log_sd.exp())
    total += float(kl_divergence(noise, normal(0.0, 1.0)).detach())
    assert float(objective.divergence(guide.rsample(1)).detach()) == pytest.approx(total, rel=1e-10)


def test_other_slabs_are_estimated_without_bias():
    """A Laplace slab with a known divergence: E|w| of a normal."""
    objective = objective_of(StructuredObjective, priors.Laplace(strength=2.0), noise=0.5)
    guide = objective.guide
    drawn = guide.rsample(4000, torch.Generator().manual_seed(4))
    for name, values in guide.row_divergences(drawn).items():
        mean, sd = guide.slab.means.rows[name].detach(), guide.slab.sds.rows[name].detach()
        folded = sd * math.sqrt(2 / math.pi) * (-0.5 * (mean / sd) ** 2).exp() + mean * torch.erf(mean / sd / 2**0.5)
        wanted = (-normal(mean, sd).entropy() - math.log(2.0 / 2) + 2.0 * folded).sum(dim=1)
        error = 4.5 * values.detach().std(dim=0) / 4000**0.5
        assert bool(((values.detach().mean(dim=0) - wanted).abs() < error).all())


def test_the_divergence_is_warmed_up_by_the_weight_that_the_loop_sets():
    objective = objective_of(StructuredObjective, priors.Normal(strength=1.0), noise=0.5)
    losses = []
    for weight in (0.0, 0.25, 1.0):
        objective.optimizer.param_groups[0]["strength_scale"] = weight
        with torch.random.fork_rng():
            torch.manual_seed(0)
            batch = objective.batch_loss(INPUTS[:6], INPUTS[:6, 0])
        losses.append(float((batch.loss - batch.nll).detach()))
    divergence = float(objective.divergence(objective.guide.rsample(1)).detach())
    assert losses == pytest.approx([0.0, 0.25 * divergence / 12, divergence / 12], rel=1e-10)
