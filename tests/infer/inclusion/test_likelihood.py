"""The four estimators of the expected likelihood against the sum over all models."""

import copy

import pytest
import torch
from torch import nn

from bayes_guided import guidance, likelihoods, priors
from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ConfigError
from bayes_guided.guides.spike_and_slab import SpikeAndSlabGuide
from bayes_guided.infer.inclusion.likelihood import DrawnNetwork, ExpectedLikelihood, choose_gradient
from tests.infer.problems import ConvNet, built, image_data

NET = built(lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))).double()
INPUTS = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TARGETS = INPUTS[:, 0].sin()
ARCHITECTURE = Architecture.from_module(NET, INPUTS[:2])


def guide_of(models, likelihood):
    """A guide of the network, at odds where every model counts."""
    guide = SpikeAndSlabGuide(
        priors.SpikeAndSlabPrior(ARCHITECTURE, models, priors.Normal(strength=1.0)), NET, likelihood, start_sd=0.1
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for law in guide.inclusion.blocks():
            law.jitter(1.0)
    return guide


def estimate(guide, likelihood, gradient, seed):
    """Value and gradients with respect to q(m) and to the rows, from the same draw of the weights at every seed."""
    generator = torch.Generator().manual_seed(3)
    drawn, scales = guide.rsample(2, generator), guide.noise_scale(2, generator)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        value, _ = ExpectedLikelihood(DrawnNetwork(NET, likelihood), guide, gradient)(drawn, scales, INPUTS, TARGETS)
    means = list(guide.slab.parameters())[:2]
    found = torch.autograd.grad(value, [*guide.inclusion.parameters(), *means])
    return torch.cat([value.detach()[None], *(part.flatten() for part in found)])


def by_hand(guide, likelihood):
    """sum over models of q(m) times the mean negative log likelihood, model after model through the network itself."""
    generator = torch.Generator().manual_seed(3)
    drawn, scales = guide.rsample(2, generator), guide.noise_scale(2, generator)
    masks = guide.inclusion.every_model()
    weight, total = guide.inclusion.log_prob(masks).exp().detach(), 0.0
    filled = guide.inclusion.complete_masks(masks)
    for model, probability in enumerate(weight.tolist()):
        for particle in range(2):
            net = copy.deepcopy(NET)
            rows = {name: row[particle] * filled[name][model][:, None] for name, row in drawn.rows.items()}
            ARCHITECTURE.write_rows(net, rows, drawn.rest[particle])
            noise = likelihood if scales is None else likelihoods.Normal(scale=float(scales[particle].detach()))
            total -= probability / 2 * float(noise.log_prob(net(INPUTS), TARGETS).mean().detach())
    return total


@pytest.mark.parametrize("noise", [0.5, None])
def test_enumeration_is_the_sum_over_all_models(noise):
    likelihood = likelihoods.Normal(noise).double()
    guide = guide_of(priors.IndependentInclusion.from_guidance(ARCHITECTURE, guidance.step(1), strength=1.0), likelihood)
    found = estimate(guide, likelihood, "enumeration", 0)
    torch.testing.assert_close(float(found[0]), by_hand(guide, likelihood), rtol=1e-10, atol=0)


def test_drawn_outputs_have_the_expectation_of_drawn_weights():
    """Of one model and a network of one layer of units, whose outputs given the inputs are independent across cases."""
    likelihood = likelihoods.Normal(0.5)
    guide = guide_of(priors.NestedWidth.from_guidance(ARCHITECTURE, guidance.linear(), strength=0.5), likelihood)
    for law in guide.inclusion.blocks():
        law.set_to(torch.where(torch.arange(law.units + 1) == 2, 0.0, -1e3).double())
    network, drawn, values = DrawnNetwork(NET, likelihood), guide.rsample(1), {}
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(5)
        local = ExpectedLikelihood(network, guide, "draws")
        values["outputs"] = torch.stack([local(drawn, None, INPUTS, TARGETS)[0] for _ in range(400)])
        exact = ExpectedLikelihood(network, guide, "enumeration")
        values["weights"] = torch.stack([exact(guide.rsample(1), None, INPUTS, TARGETS)[0] for _ in range(400)])
    error = sum(float(found.var()) / 400 for found in values.values()) ** 0.5
    assert abs(float(values["outputs"].mean() - values["weights"].mean())) < 4 * error
    assert float(values["outputs"].std()) < float(values["weights"].std())


def test_block_by_block_is_unbiased_in_value_and_gradients():
    likelihood = likelihoods.Normal(0.5)
    guide = guide_of(priors.NestedWidth.from_guidance(ARCHITECTURE, guidance.linear(), strength=0.5), likelihood)
    exact = estimate(guide, likelihood, "enumeration", 0)
    draws = torch.stack([estimate(guide, likelihood, "widths", seed) for seed in range(80)])
    error = draws.std(dim=0) / len(draws) ** 0.5
    assert bool(((draws.mean(dim=0) - exact).abs() < 4.5 * error + 1e-9).all())
    assert bool((error > 0).any())


def test_relaxed_gates_that_are_sure_give_the_model_itself():
    likelihood = likelihoods.Normal(0.5)
    guide = guide_of(priors.IndependentInclusion.from_guidance(ARCHITECTURE, guidance.linear(), strength=1.0), likelihood)
    with torch.no_grad():
        for law in guide.inclusion.blocks():
            for parameter in law.parameters():
                parameter.copy_(torch.where(torch.arange(law.units) % 2 == 0, 50.0, -50.0))
        for log_sd in guide.slab._log_sds:  # outputs are drawn here and weights there
            log_sd.fill_(-30.0)
    torch.testing.assert_close(
        estimate(guide, likelihood, "hard_concrete", 0)[0],
        estimate(guide, likelihood, "enumeration", 0)[0],
        rtol=1e-10,
        atol=0,
    )


def test_the_estimator_is_chosen_by_size_and_a_wish_that_is_too_dear_is_refused():
    few = guide_of(
        priors.IndependentInclusion.from_guidance(ARCHITECTURE, guidance.linear(), strength=1.0), likelihoods.Normal()
    )
    wide_net = built(lambda: nn.Sequential(nn.Linear(3, 40), nn.Tanh(), nn.Linear(40, 30), nn.Tanh(), nn.Linear(30, 1)))
    wide = Architecture.from_module(wide_net, torch.zeros(2, 3))

    def inclusion(models):
        prior = priors.SpikeAndSlabPrior(wide, models, priors.Normal(strength=1.0))
        return SpikeAndSlabGuide(prior, wide_net, likelihoods.Normal(), start_sd=0.1).inclusion

    independent = inclusion(priors.IndependentInclusion.from_guidance(wide, guidance.linear(), strength=1.0))
    nested = inclusion(priors.NestedWidth.from_guidance(wide, guidance.linear(), strength=0.1))
    assert choose_gradient(None, few.inclusion, NET, 1e3) == "enumeration"
    assert choose_gradient(None, nested, wide_net, 1e3) == "widths"
    assert choose_gradient(None, nested, wide_net, 1e9) == "draws"
    assert choose_gradient(None, independent, wide_net, 1e3) == "hard_concrete"
    assert choose_gradient("hard_concrete", few.inclusion, NET, 1e3) == "hard_concrete"
    for gradient in ("enumeration", "widths"):
        with pytest.raises(ConfigError, match="hard_concrete"):
            choose_gradient(gradient, independent, wide_net, 1e3)
    with pytest.raises(ConfigError, match="draws"):
        choose_gradient("enumeration", nested, wide_net, 1e3)
    for gradient, law in (("hard_concrete", nested), ("draws", independent)):
        with pytest.raises(ConfigError, match=f'gradient="{gradient}": under this prior'):
            choose_gradient(gradient, law, wide_net, 1e3)


def test_networks_with_buffers_run_draw_by_draw_and_are_never_enumerated():
    net = built(ConvNet)
    images, labels = image_data()
    architecture = Architecture.from_module(net, images[:2])
    models = priors.IndependentInclusion.from_guidance(architecture, guidance.linear(), strength=1.0)
    prior = priors.SpikeAndSlabPrior(architecture, models, priors.Normal(strength=1.0))
    guide = SpikeAndSlabGuide(prior, net, likelihoods.Categorical(), start_sd=0.01)
    assert choose_gradient(None, guide.inclusion, net, 1.0) == "hard_concrete"
    with pytest.raises(ConfigError, match=r"limit is 1024|buffers"):
        choose_gradient("enumeration", guide.inclusion, net, 1.0)
    drawn = guide.rsample(3, torch.Generator().manual_seed(0))
    net.eval()
    nll, error = DrawnNetwork(net, likelihoods.Categorical()).nll(drawn, None, guide, images, labels)
    assert nll.shape == error.shape == (3,)
    single = copy.deepcopy(net)
    architecture.write_rows(single, {name: row[1] for name, row in drawn.rows.items()}, drawn.rest[1])
    torch.testing.assert_close(nll[1], nn.functional.cross_entropy(single(images), labels))
