"""q(K) in closed form, against the sum over all widths; and when it moves."""

import math

import pytest
import torch

from bayes_guided.guides.spike_and_slab import SpikeAndSlabGuide
from bayes_guided.infer.inclusion.likelihood import DrawnNetwork
from bayes_guided.infer.inclusion.width_updates import WidthUpdates
from bayes_guided.infer.training.batches import as_batches
from bayes_guided.infer.training.loop import Plan
from tests.scenarios import NESTED


def updates(plan: Plan) -> WidthUpdates:
    net = NESTED.net()
    guide = SpikeAndSlabGuide(NESTED.prior, net, NESTED.likelihood, start_sd=0.1)
    batches = as_batches(NESTED.data(), 1000, torch.device("cpu"), torch.float64)
    return WidthUpdates(DrawnNetwork(net, NESTED.likelihood), guide, batches, plan)


def expected_scores(update: WidthUpdates) -> torch.Tensor:
    """log p(K) + E_q log p(D | K) - KL, from the moments of a linear model; all units' rows are N(0.3, 0.1^2)."""
    design, target = (torch.as_tensor(part) for part in (NESTED.design, NESTED.targets))
    noise, slab = NESTED.noise_scale**2, NESTED.slab_variance
    scores = []
    for width in range(NESTED.units + 1):
        residual = target - 0.3 * design[:, :width].sum(dim=1)
        expected = residual.square().sum() + 0.01 * design[:, :width].square().sum()
        likelihood = -0.5 * (len(target) * math.log(2 * math.pi * noise) + expected / noise)
        row = 0.5 * ((0.01 + 0.09) / slab - 1 - math.log(0.01 / slab))
        scores.append(likelihood - width * row + math.log(NESTED.width_pmf[width]))
    return torch.stack(scores)


def test_the_scores_of_widths_are_the_bound_and_the_law_its_softmax():
    update = updates(Plan(10, 0.01))
    wanted = expected_scores(update)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = torch.stack([update.scores(0) for _ in range(50)])
    differences = found - found.mean(dim=1, keepdim=True) - (wanted - wanted.mean())
    assert bool((differences.mean(dim=0).abs() < 4 * differences.std(dim=0) / 50**0.5).all())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        update(1.0)
    torch.testing.assert_close(update.guide.inclusion.blocks()[0].log_width_law(), found[0].log_softmax(dim=0))


def test_it_is_uniform_until_the_divergence_has_its_weight_and_then_cools():
    update = updates(Plan(10, 0.01, ramp_epochs=2.0))
    update(0.1)
    law = update.guide.inclusion.blocks()[0].log_width_law()
    torch.testing.assert_close(law.exp(), torch.full((7,), 1 / 7, dtype=torch.float64))
    assert update.temperature(0.2) == pytest.approx(15)
    assert update.temperature(0.4) == pytest.approx(15**0.5)
    assert update.temperature(0.6) == update.temperature(1.0) == 1
    assert updates(Plan(10, 0.01, ramp_epochs=10.0)).temperature(1.0) == 1
