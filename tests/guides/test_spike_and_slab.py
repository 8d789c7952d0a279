"""The structured guide: what is drawn, what stays, and what is refused."""

import pytest
import torch
from torch import nn

from bayes_guided import guidance, likelihoods, priors
from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ConfigError
from bayes_guided.guides.spike_and_slab import SpikeAndSlabGuide
from tests.infer.problems import built


def network() -> nn.Module:
    return built(lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)))


def guide_of(net: nn.Module, **settings) -> SpikeAndSlabGuide:
    architecture = Architecture.from_module(net, torch.zeros(2, 3))
    models = priors.IndependentInclusion.from_guidance(architecture, guidance.step(1), strength=1.0)
    prior = priors.SpikeAndSlabPrior(architecture, models, priors.Normal(strength=1.0), guidance=guidance.step(1))
    return SpikeAndSlabGuide(prior, net, likelihoods.Normal(), start_sd=0.2, **settings)


def test_it_starts_at_the_networks_weights_with_every_unit_likely():
    net = network()
    guide = guide_of(net)
    drawn = guide.rsample(4000, torch.Generator().manual_seed(0))
    rows = guide.prior.architecture.rows(net)["0"]
    torch.testing.assert_close(drawn.rows["0"].mean(dim=0), rows, atol=4 * 0.2 / 4000**0.5, rtol=0)
    torch.testing.assert_close(drawn.rows["0"].std(dim=0), torch.full_like(rows, 0.2), atol=0.015, rtol=0)
    survival = guide.inclusion.survival()["0"].detach()
    assert float(survival[0]) == 1  # protected
    assert bool((survival[1:] > 0.85).all())
    assert bool(guide.most_probable()["0"].all())


def test_frozen_weights_of_the_rest_are_drawn_as_they_are():
    net = network()
    net[2].bias.requires_grad_(False)
    guide = guide_of(net)
    drawn = guide.rsample(5)
    parameters = guide.prior.architecture.parameters({name: row[1] for name, row in drawn.rows.items()}, drawn.rest[1])
    assert torch.equal(parameters["2.bias"], net[2].bias)
    assert not torch.equal(parameters["2.weight"], net[2].weight)


def test_points_are_the_means_and_a_masked_row_is_zero():
    guide = guide_of(network(), points=True)
    drawn = guide.rsample(3)
    assert torch.equal(drawn.rows["0"], guide.mean().rows["0"].expand(3, -1, -1))
    masked = guide.masked(drawn, {"0": torch.tensor([[1.0, 0.0, 0.5, 1.0]]).expand(3, -1)})
    assert torch.equal(masked.rows["0"][:, 1], torch.zeros(3, 4))
    assert torch.equal(masked.rows["0"][:, 2], 0.5 * drawn.rows["0"][:, 2])
    scales = guide.noise_scale(2)
    assert scales is not None
    assert torch.equal(scales.detach(), torch.ones(2))


def test_units_with_frozen_weights_are_refused_by_name():
    net = network()
    net[0].bias.requires_grad_(False)
    with pytest.raises(ConfigError, match=r"'0' are frozen.*protect"):
        guide_of(net)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_it_lives_on_the_networks_device():
    guide = guide_of(network().cuda())
    assert guide.rsample(2).rows["0"].is_cuda
    assert guide.inclusion.relaxed(2)[0].is_cuda
    assert guide.inclusion.survival()["0"].is_cuda
