"""Prior log odds per unit."""

import math

import pytest
import torch

from bayes_guided import Architecture, GuidedPrior, IndependentInclusion, NestedWidth, SpikeAndSlabPrior, guidance, priors
from bayes_guided.exceptions import ReadingError
from bayes_guided.priors.log_odds import prior_log_odds
from tests.scenarios import SCENARIOS


@pytest.fixture(scope="module")
def architecture():
    scenario = SCENARIOS[0]
    return Architecture.from_module(scenario.net(), scenario.data()[0][:2])


def test_a_continuous_prior_keeps_odds_that_a_probability_would_lose(architecture):
    prior = GuidedPrior(architecture, priors.GroupLaplace(strength=0.01))
    odds = prior_log_odds(prior, "threshold", tau=1e-9)
    for values in odds.values():
        assert bool((values > 40).all())
        assert bool((values.sigmoid() == 1).all())


def test_odds_are_those_of_the_implied_model_prior(architecture):
    prior = GuidedPrior(architecture, priors.GroupLaplace(strength=3.0), guidance.linear())
    odds = prior_log_odds(prior, "evidence", curvature=50.0)
    for name, survival in prior.model_prior("evidence", curvature=50.0).unit_survival().items():
        torch.testing.assert_close(odds[name].sigmoid(), survival, rtol=1e-12, atol=0)


def test_spike_and_slab_units_have_their_inclusion_odds(architecture):
    costs = {group.name: torch.full((group.size,), 1.5) for group in architecture.groups}
    prior = SpikeAndSlabPrior(architecture, IndependentInclusion(architecture, costs), priors.Normal(strength=1.0))
    for values in prior_log_odds(prior, "inclusion").values():
        torch.testing.assert_close(values, torch.full_like(values, -1.5), rtol=1e-12, atol=1e-12)


def test_nested_units_keep_odds_that_a_probability_would_lose(architecture):
    group = architecture.groups[0]
    law = [math.exp(-100.0), 0.0, *[1.0] * (group.size - 1)]
    width = torch.tensor(law, dtype=torch.float64) / sum(law)
    widths = {g.name: width if g is group else torch.ones(g.size + 1).double() / (g.size + 1) for g in architecture.groups}
    prior = SpikeAndSlabPrior(architecture, NestedWidth.from_law(architecture, widths), priors.Normal(strength=1.0))
    odds = prior_log_odds(prior, "inclusion")[group.name]
    expected = [100.0 + math.log(group.size - 1)] * 2
    torch.testing.assert_close(odds[:2], torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)
    survival = prior.unit_survival()[group.name]
    torch.testing.assert_close(odds[2:].sigmoid(), survival[2:], rtol=1e-12, atol=0)


def test_protected_units_are_certain(architecture):
    group = architecture.groups[0]
    coefficients = {g.name: torch.ones(g.size, dtype=torch.float64) for g in architecture.groups}
    coefficients[group.name][0] = 0.0
    prior = GuidedPrior(architecture, priors.GroupLaplace(strength=3.0), guidance.custom(coefficients, normalise=False))
    odds = prior_log_odds(prior, "evidence", curvature=50.0)[group.name]
    assert math.isinf(float(odds[0]))
    assert bool(torch.isfinite(odds[1:]).all())


def test_a_reading_that_the_prior_lacks_is_refused(architecture):
    prior = GuidedPrior(architecture, priors.GroupLaplace(strength=3.0))
    with pytest.raises(ReadingError, match="inclusion"):
        prior_log_odds(prior, "inclusion")
    with pytest.raises(ReadingError, match="tau"):
        prior_log_odds(prior, "threshold")
