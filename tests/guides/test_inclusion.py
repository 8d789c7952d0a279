"""Every family of q(m) against the sum over all its masks, and KL(q || p) against the same sum for every prior."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from bayes_guided import guidance
from bayes_guided.exceptions import ConfigError
from bayes_guided.guides.hard_concrete import hard_concrete
from bayes_guided.guides.inclusion import BernoulliInclusion, GatedInclusion
from bayes_guided.guides.inclusion_law import inclusion_for
from bayes_guided.guides.inclusion_prior import ListedLogPrior, SampledLogPrior, expected_log_prior
from bayes_guided.guides.width import NestedInclusion
from bayes_guided.guides.width_tilted import TiltedInclusion
from bayes_guided.priors import (
    CumulativeShrinkage,
    GibbsComplexity,
    IndependentInclusion,
    NestedWidth,
    TiltedWidth,
    geometric,
    poisson,
)
from tests.priors.every_mask import mlp_architecture

ARCHITECTURE = mlp_architecture(4, 3)
STEP = guidance.step(1)
POSSIBLE = torch.tensor([False, True, True, False, True, True])
LAWS = {
    "bernoulli": lambda: BernoulliInclusion(5),
    "nested": lambda: NestedInclusion(POSSIBLE),
    "tilted": lambda: TiltedInclusion(POSSIBLE),
}
PRIORS = {
    "independent": IndependentInclusion.from_guidance(ARCHITECTURE, STEP, strength=1.5),
    "nested": NestedWidth.from_guidance(ARCHITECTURE, guidance.linear(), strength=0.6).condition(min_width=1),
    "tilted": TiltedWidth.from_guidance(ARCHITECTURE, STEP, strength=0.7, widths=geometric(0.4)),
    "conditioned": IndependentInclusion.from_guidance(ARCHITECTURE, guidance.linear(), strength=1.5).condition(min_width=1),
    "shared": TiltedWidth.shared(ARCHITECTURE, STEP, strength=1.0, sizes=poisson(2.5)),
    "shared, at least one": TiltedWidth.shared(ARCHITECTURE, STEP, strength=1.0, sizes=poisson(2.5)).condition(min_width=2),
    "cumulative": CumulativeShrinkage.from_guidance(ARCHITECTURE, STEP, strength=0.5),
    "cumulative, at least one": CumulativeShrinkage.from_concentration(ARCHITECTURE, 2.0).condition(min_width=1),
    "gibbs": GibbsComplexity(ARCHITECTURE, "macs", beta=0.05),
    "mdl": GibbsComplexity(ARCHITECTURE, "mdl", beta=1.0),
    "custom": GibbsComplexity(ARCHITECTURE, lambda widths: (widths["0"] * widths["2"]).sqrt(), beta=0.4),
}


def moved(law, seed=0):
    """The law at random parameters, far from its start."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        law.jitter(2.0)
        for parameter in law.parameters():
            parameter.data += 0.1 * torch.randn(parameter.shape)
    return law


def moved_inclusion(models):
    inclusion = inclusion_for(models)
    for seed, law in enumerate(inclusion.blocks()):
        moved(law, seed)
    return inclusion


@pytest.mark.parametrize("name", LAWS)
def test_probabilities_sum_to_one_and_give_all_other_numbers(name):
    law = moved(LAWS[name]())
    masks = law.every_mask()
    assert len(masks) <= law.num_masks
    p = law.log_prob(masks).exp()
    torch.testing.assert_close(p.sum(), torch.tensor(1.0, dtype=torch.float64), rtol=1e-12, atol=0)
    survival = p @ masks.double()
    torch.testing.assert_close(law.survival(), survival, rtol=1e-12, atol=0)
    sure = survival > 1 - 1e-12  # the first unit, where no possible width is 0
    assert bool((law.log_odds()[sure] > 30).all())
    torch.testing.assert_close(law.log_odds()[~sure], torch.logit(survival)[~sure], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(law.entropy(), -(p * p.log()).sum(), rtol=1e-12, atol=0)
    widths = torch.zeros(6, dtype=torch.float64).index_add(0, masks.sum(dim=1), p)
    torch.testing.assert_close(law.log_width_law().exp(), widths, rtol=1e-10, atol=1e-15)
    assert torch.equal(law.mode(), masks[p.argmax()])


@pytest.mark.parametrize("name", LAWS)
def test_draws_and_relaxed_gates_have_the_marginals(name):
    law, n = moved(LAWS[name]()), 40_000
    masks = law.sample(n, torch.Generator().manual_seed(2)).double()
    survival = law.survival().detach()
    error = 4 * (survival * (1 - survival) / n).sqrt() + 1e-12
    assert ((masks.mean(dim=0) - survival).abs() < error).all()
    if isinstance(law, GatedInclusion):
        with torch.random.fork_rng():
            torch.manual_seed(1)
            gates = law.relaxed(n).detach()
        assert (((gates > 0).double().mean(dim=0) - survival).abs() < error).all()
        assert float(gates.min()) >= 0
        assert float(gates.max()) <= 1
    if name != "bernoulli":
        assert bool(POSSIBLE[masks.sum(dim=1).long()].all())


@pytest.mark.parametrize("name", LAWS)
def test_log_odds_are_right_in_far_tails(name):
    law = LAWS[name]()
    with torch.no_grad():
        if isinstance(law, NestedInclusion):
            law.set_to(torch.linspace(80.0, -80.0, 6, dtype=torch.float64))
        for parameter in law.parameters():
            parameter.copy_(torch.linspace(8.0, -8.0, len(parameter)))
    odds = law.log_odds()
    assert bool(torch.isfinite(odds).all())
    assert float(odds.detach().min()) < -50
    if name == "bernoulli":
        torch.testing.assert_close(odds, torch.linspace(80.0, -80.0, 5, dtype=torch.float64), rtol=1e-6, atol=0)
    if name == "nested":
        weights = np.where(POSSIBLE.numpy(), np.linspace(80.0, -80.0, 6), -np.inf)
        wanted = [np.logaddexp.reduce(weights[u:]) - np.logaddexp.reduce(weights[:u]) for u in range(1, 6)]
        np.testing.assert_allclose(odds.detach().numpy()[1:], wanted[1:], rtol=1e-6)


def test_the_law_of_a_concrete_gate_is_the_stretched_and_cut_one():
    """P(z > 0), P(z < 1) and the law between, which is logistic in the logit of the unstretched gate (P17)."""
    odds = torch.tensor([0.8], dtype=torch.float64)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        z = hard_concrete(odds, 50_000)[:, 0].numpy()
    log_alpha = 0.8 + 2 / 3 * np.log(0.1 / 1.1)

    def below(value):
        s = (value + 0.1) / 1.2
        return 1 / (1 + np.exp(-(2 / 3 * np.log(s / (1 - s)) - log_alpha)))

    between = z[(z > 0) & (z < 1)]
    low, high = below(0.0), below(1.0)
    assert abs((z == 0).mean() - low) < 4 * (low * (1 - low) / len(z)) ** 0.5
    assert abs((z == 1).mean() - (1 - high)) < 4 * (high * (1 - high) / len(z)) ** 0.5
    assert kstest(between, lambda value: (below(value) - low) / (high - low)).pvalue > 1e-3


@pytest.mark.parametrize("name", PRIORS)
def test_the_divergence_from_the_prior_is_the_sum_over_all_models(name):
    models = PRIORS[name]
    inclusion = moved_inclusion(models)
    term = expected_log_prior(inclusion, models)
    assert term.exact
    masks = inclusion.every_model()
    log_q = inclusion.log_prob(masks)
    log_p = models.log_prob_masks(inclusion.complete_masks(masks))
    torch.testing.assert_close(log_q.exp().sum().item(), 1.0, rtol=1e-12, atol=0)
    torch.testing.assert_close(term(inclusion), log_q.exp() @ log_p, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(inclusion.entropy(), -(log_q.exp() @ log_q), rtol=1e-10, atol=1e-12)
    if not inclusion.is_gated:
        return
    closed = torch.autograd.grad(term(inclusion), list(inclusion.parameters()), allow_unused=True)
    listed = torch.autograd.grad(ListedLogPrior(models)(inclusion), list(inclusion.parameters()))
    for gradient, wanted in zip(closed, listed, strict=True):
        torch.testing.assert_close(torch.zeros_like(wanted) if gradient is None else gradient, wanted, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", ["shared", "cumulative", "gibbs"])
def test_the_estimate_from_draws_and_its_gradient_are_unbiased(name):
    models = PRIORS[name]
    inclusion = moved_inclusion(models)
    for parameter in inclusion.parameters():  # no model so rare that its share would wait for more draws
        parameter.data *= 0.3
    parameters = list(inclusion.parameters())
    exact = ListedLogPrior(models)(inclusion)
    wanted = torch.cat(torch.autograd.grad(exact, parameters))
    sampled, found = SampledLogPrior(models), []
    with torch.random.fork_rng():
        torch.manual_seed(4)
        for _ in range(150):
            value = sampled(inclusion)
            found.append(torch.cat([value.detach()[None], *torch.autograd.grad(value, parameters)]))
    draws = torch.stack(found)
    error = draws.std(dim=0) / len(draws) ** 0.5
    wanted = torch.cat([exact.detach()[None], wanted])
    assert bool(((draws.mean(dim=0) - wanted).abs() < 4.5 * error + 1e-9).all())


@pytest.mark.parametrize("name", PRIORS)
def test_numbers_per_group_count_protected_units(name):
    models = PRIORS[name]
    inclusion = moved_inclusion(models)
    masks = inclusion.every_model()
    p = inclusion.log_prob(masks).exp().detach()
    for group, mask in inclusion.complete_masks(masks).items():
        torch.testing.assert_close(inclusion.survival()[group].detach(), p @ mask.double(), rtol=1e-10, atol=1e-14)
        law = torch.zeros(mask.shape[1] + 1, dtype=torch.float64).index_add(0, mask.sum(dim=1), p)
        torch.testing.assert_close(inclusion.log_width_pmf(group).exp().detach(), law, rtol=1e-9, atol=1e-14)
        if models.protected is not None and bool(models.protected[group].any()):
            assert bool(mask[:, models.protected[group]].all())
            assert bool((inclusion.log_odds()[group][models.protected[group]] == torch.inf).all())


def test_a_prior_that_no_family_can_follow_is_refused():
    sizes = torch.tensor([0.0, 0.0, 0.0, 0.3, 0.0, 0.3, 0.2, 0.2])
    models = TiltedWidth.shared(ARCHITECTURE, guidance.linear(), strength=1.0, sizes=sizes)
    gaps = inclusion_for(models)
    drawn = gaps.complete_masks(gaps.sample(200, torch.Generator().manual_seed(0)))
    assert set(sum(mask.sum(dim=1) for mask in drawn.values()).tolist()) <= {3, 5, 6, 7}
    with pytest.raises(ConfigError, match="minimum widths"):
        inclusion_for(models.condition(min_width=1))
