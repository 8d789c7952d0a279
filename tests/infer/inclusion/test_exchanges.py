"""Exchanged units of the guide: the likelihood stays, and no order has a smaller divergence."""

from itertools import permutations

import pytest
import torch

from bayes_guided import guidance, likelihoods, priors
from bayes_guided.guides.spike_and_slab import SpikeAndSlabGuide
from bayes_guided.infer.inclusion.likelihood import DrawnNetwork
from bayes_guided.infer.inclusion.objective import StructuredObjective
from bayes_guided.infer.training.batches import as_batches
from bayes_guided.infer.training.loop import Plan
from tests.infer.inclusion.test_likelihood import ARCHITECTURE, INPUTS, NET, TARGETS

RISING = guidance.custom(lambda group: torch.arange(group.size, dtype=torch.float64))
"""The first unit is protected."""
MODELS = {
    "independent": priors.IndependentInclusion.from_guidance(ARCHITECTURE, guidance.linear(), strength=3.0),
    "tilted": priors.TiltedWidth.from_guidance(ARCHITECTURE, guidance.linear(), strength=2.0, widths=priors.geometric(0.4)),
    "shared": priors.TiltedWidth.shared(ARCHITECTURE, guidance.linear(), strength=1.0, sizes=priors.poisson(2.5)),
    "protected": priors.IndependentInclusion.from_guidance(ARCHITECTURE, RISING, strength=3.0),
}


def objective(name: str) -> StructuredObjective:
    """Far from the best order, after a step of Adam; the slab presses on late units harder."""
    likelihood = likelihoods.Normal(0.5)
    pressed = RISING if name == "protected" else guidance.linear()
    prior = priors.SpikeAndSlabPrior(ARCHITECTURE, MODELS[name], priors.Normal(strength=1.0), guidance=pressed)
    guide = SpikeAndSlabGuide(prior, NET, likelihood, start_sd=0.1)
    batches = as_batches((INPUTS, TARGETS), 20, torch.device("cpu"), torch.float64)
    with torch.enable_grad(), torch.random.fork_rng():
        torch.manual_seed(3)
        guide.jitter(3.0)
        for log_sd in guide.slab._log_sds:
            log_sd.data += torch.randn_like(log_sd)
        made = StructuredObjective(
            NET, likelihood, guide, batches, None, plan=Plan(4, 0.01), gradient="enumeration", particles=1
        )
        made.batch_loss(INPUTS, TARGETS).loss.backward()
        made.optimizer.step()
    return made


def negative_log_likelihood(made: StructuredObjective) -> torch.Tensor:
    """At the means, every unit as present as it is: gates at their probabilities."""
    means, inclusion = made.guide.mean(), made.guide.inclusion
    rows = {name: (row * inclusion.survival()[name].unsqueeze(1)).unsqueeze(0) for name, row in means.rows.items()}
    weights = type(means)(rows, means.rest.unsqueeze(0))
    return DrawnNetwork(NET, made.likelihood).nll(weights, None, made.guide, INPUTS, TARGETS)[0]


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_the_order_is_the_best_of_all_and_the_likelihood_does_not_notice(name: str):
    made = objective(name)
    exchanges, guide = made._exchanges, made.guide
    assert exchanges is not None
    assert [group.name for group in exchanges.groups] == ["0", "2"]
    before, likelihood = float(made.divergence(guide.rsample(1))), negative_log_likelihood(made)
    moments = made.optimizer.state[guide.slab._means[0]]["exp_avg"].clone()
    rows = guide.mean().rows["0"].clone()
    exchanges(made.optimizer)
    best = float(made.divergence(guide.rsample(1)))
    assert best < before - 0.1
    torch.testing.assert_close(negative_log_likelihood(made), likelihood, rtol=1e-10, atol=0)
    order = [int((rows == row).all(dim=1).nonzero()) for row in guide.mean().rows["0"]]
    assert torch.equal(made.optimizer.state[guide.slab._means[0]]["exp_avg"], moments[order])
    index = guide.inclusion.guided.index["0"].tolist()
    for places in permutations(index):
        order = torch.arange(4)
        order[index] = torch.tensor(places)
        exchanges._move(exchanges.groups[0], order, made.optimizer)
        assert float(made.divergence(guide.rsample(1))) > best - 1e-9
        exchanges._move(exchanges.groups[0], order.argsort(), made.optimizer)
    assert exchanges.best_order(exchanges.groups[0]) is None


def test_without_prices_and_with_one_slab_for_all_there_is_nothing_to_order():
    prior = priors.SpikeAndSlabPrior(
        ARCHITECTURE, priors.GibbsComplexity(ARCHITECTURE, "macs", beta=0.05), priors.Normal(strength=1.0)
    )
    likelihood = likelihoods.Normal(0.5)
    guide = SpikeAndSlabGuide(prior, NET, likelihood, start_sd=0.1)
    batches = as_batches((INPUTS, TARGETS), 20, torch.device("cpu"), torch.float64)
    made = StructuredObjective(NET, likelihood, guide, batches, None, plan=Plan(1, 0.01), gradient="enumeration", particles=1)
    assert made._exchanges is not None
    assert made._exchanges.groups == []
