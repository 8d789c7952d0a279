"""The final bound where q is the posterior: it is the log evidence, and its standard error is its error."""

import math

import numpy as np
import torch
from torch import nn

from bayes_guided import likelihoods, priors
from bayes_guided.architecture import Architecture
from bayes_guided.guides.inclusion import SPEED
from bayes_guided.guides.spike_and_slab import SpikeAndSlabGuide
from bayes_guided.infer.inclusion.elbo import final_bound
from bayes_guided.infer.inclusion.objective import StructuredObjective
from bayes_guided.infer.training.batches import as_batches
from bayes_guided.infer.training.loop import Plan
from theory.spike_slab_vi import exact_inclusion

CURVATURE, COST, DIM = 100.0, 2.0, 10
EFFECTS = (0.4, 0.75)


def exact_objective() -> StructuredObjective:
    """Two units whose problems are independent (P29), and the guide that is their posterior."""
    net = nn.Sequential(nn.Linear(DIM, 2, bias=False), nn.Linear(2, 2, bias=False)).double()
    with torch.no_grad():
        net[1].weight.copy_(torch.eye(2))
    net[1].weight.requires_grad_(False)
    architecture = Architecture.from_module(net, torch.zeros(2, DIM, dtype=torch.float64))
    models = priors.IndependentInclusion(architecture, {"0": torch.full((2,), COST)})
    weights = torch.zeros(2, DIM, dtype=torch.float64)
    weights[:, 0] = torch.tensor(EFFECTS)
    inputs = CURVATURE**0.5 * torch.eye(DIM, dtype=torch.float64)
    likelihood = likelihoods.Normal(1.0)
    prior = priors.SpikeAndSlabPrior(architecture, models, priors.Normal(strength=0.5))
    guide = SpikeAndSlabGuide(prior, net, likelihood, start_sd=(1 + CURVATURE) ** -0.5)
    odds = torch.logit(torch.tensor([exact_inclusion(effect, CURVATURE, 1.0, DIM, COST) for effect in EFFECTS]).double())
    with torch.no_grad():
        guide.slab.means.rows["0"].copy_(weights * CURVATURE / (1 + CURVATURE))
        next(guide.inclusion.blocks()[0].parameters()).copy_(odds / SPEED)
    batches = as_batches((inputs, inputs @ weights.T), 4, torch.device("cpu"), torch.float64)
    settings = {"plan": Plan(1, 0.01), "gradient": "enumeration", "particles": 1}
    return StructuredObjective(net, likelihood, guide, batches, None, **settings)


def log_evidence() -> float:
    """Each unit: present, targets N(0, 1 + 100) along ten directions; absent, N(0, 1)."""
    total = 0.0
    for effect in EFFECTS:
        squares = CURVATURE * effect**2
        absent = -0.5 * DIM * math.log(2 * math.pi) - squares / 2
        present = -0.5 * DIM * math.log(2 * math.pi * (1 + CURVATURE)) - squares / (2 * (1 + CURVATURE))
        prior = 1 / (1 + math.exp(COST))
        total += float(np.logaddexp(math.log1p(-prior) + absent, math.log(prior) + present))
    return total


def test_the_bound_is_tight_where_the_guide_is_the_posterior():
    bound = final_bound(exact_objective(), 400, seed=1)
    assert abs(float(bound.value) - log_evidence()) < 4 * float(bound.standard_error)
    assert float(bound.standard_error) < 0.3


def test_the_same_seed_gives_the_same_draws_and_torchs_generator_stays():
    objective, before = exact_objective(), torch.get_rng_state()
    first, second = final_bound(objective, 20, seed=3), final_bound(objective, 20, seed=3)
    assert torch.equal(first.value, second.value)
    assert not torch.equal(first.value, final_bound(objective, 20, seed=4).value)
    assert torch.equal(torch.get_rng_state(), before)
