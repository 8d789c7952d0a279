"""E_q[-log prior] against draws of q, its bound, and its gradient against finite differences."""

import pytest
import torch

from bayes_guided import guidance, priors
from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ConfigError, NoDensityError
from bayes_guided.guides import Guide
from bayes_guided.infer.svi.expected_penalty import ExpectedPenalty
from bayes_guided.priors import GuidedPrior
from tests.guides.guided_weights import moved_guide, small_net

FAMILIES = {
    "normal": priors.Normal(2.0),
    "laplace": priors.Laplace(2.0),
    "group": priors.GroupLaplace(2.0),
    "sparse": priors.SparseGroupLaplace(2.0, mix=0.3),
    "sqrt": priors.GroupSqrtLaplace(2.0),
    "horseshoe": priors.GroupHorseshoe(2.0),
}
EXACT = ("normal", "laplace", "horseshoe")


def prior_of(family: str, **settings) -> GuidedPrior:
    architecture = Architecture.from_module(small_net(), torch.zeros(2, 3).double())
    return GuidedPrior(
        architecture, weights=FAMILIES[family], guidance=settings.pop("guidance", guidance.linear()), **settings
    )


def total(expected: ExpectedPenalty, guide: Guide) -> torch.Tensor:
    drawn = guide.rsample(1)[0] if expected.needs_draws else None
    return expected.penalty(guide.moments(), drawn) + expected.constant + expected.base(guide.moments())


def by_draws(prior: GuidedPrior, guide: Guide, n: int = 20_000) -> tuple[float, float]:
    with torch.no_grad():
        drawn = guide.rsample(n, torch.Generator().manual_seed(0))
        values = -prior.rest_distribution(drawn.rest).log_prob(drawn.rest)
        for name, rows in drawn.rows.items():
            values = values - prior.distribution(name, rows).log_prob(rows).sum(dim=1)
    return float(values.mean()), float(values.std() / n**0.5)


@pytest.mark.parametrize("protects", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_exact_expectation_is_that_of_draws(family, protects):
    chosen = guidance.step(free=1) if protects else guidance.linear()
    prior, guide = prior_of(family, guidance=chosen), moved_guide("mean_field")
    expected = ExpectedPenalty(prior, guide, "exact")
    mean, error = by_draws(prior, guide)
    if family == "horseshoe":
        found = torch.stack([total(expected, guide).detach() for _ in range(600)])
        assert abs(float(found.mean()) - mean) < 4 * (error**2 + float(found.var()) / 600) ** 0.5
    else:
        assert abs(float(total(expected, guide).detach()) - mean) < 4 * error


@pytest.mark.parametrize("name", ["mean_field", "row_scale", "low_rank", "full"])
@pytest.mark.parametrize("family", ["group", "sparse", "sqrt"])
def test_bound_is_above_the_expectation_and_near_it(family, name):
    prior, guide = prior_of(family), moved_guide(name)
    mean, error = by_draws(prior, guide)
    bound = float(total(ExpectedPenalty(prior, guide, "bound"), guide).detach())
    assert mean - 4 * error < bound < mean + 0.2 * abs(mean) + 2


@pytest.mark.parametrize("norm", ["bound", "exact"])
@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "horseshoe"])
def test_gradients_are_those_of_finite_differences(family, norm):
    expected, guide = ExpectedPenalty(prior_of(family), moved := moved_guide("mean_field"), norm), moved
    total(expected, guide).backward()
    generator, step = torch.Generator().manual_seed(0), 1e-5
    for parameter in guide.parameters():
        assert parameter.grad is not None
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        slope = float((parameter.grad * direction).sum())
        with torch.no_grad():
            parameter += step * direction
            above = float(total(expected, guide))
            parameter -= 2 * step * direction
            below = float(total(expected, guide))
            parameter += step * direction
        assert (above - below) / (2 * step) == pytest.approx(slope, rel=1e-6, abs=1e-6)


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="independent"):
        ExpectedPenalty(prior_of("group"), moved_guide("full"), "exact")
    architecture = Architecture.from_module(small_net(), torch.zeros(2, 3).double())
    with pytest.raises(NoDensityError, match="TreeGroupLaplace"):
        ExpectedPenalty(GuidedPrior(architecture, weights=priors.TreeGroupLaplace(1.0)), moved_guide("mean_field"))


def test_the_description_names_the_bound():
    guide = moved_guide("mean_field")
    assert "Jensen" in ExpectedPenalty(prior_of("group"), guide).description
    assert ExpectedPenalty(prior_of("group"), guide, "exact").description == ""
    assert ExpectedPenalty(prior_of("normal"), guide).description == ""
    assert "draws" in ExpectedPenalty(prior_of("horseshoe"), guide).description
