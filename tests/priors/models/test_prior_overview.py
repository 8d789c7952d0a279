"""An overview holds the prior's own numbers, and where there are none, estimates within their errors or the reason."""

from collections.abc import Iterator

import pytest
import torch

import bayes_guided as bg
from bayes_guided.exceptions import ExactLimitError
from bayes_guided.priors import ModelPrior, geometric, overview, poisson
from bayes_guided.priors.models import cumulative_shrinkage as shrinkage_module
from bayes_guided.priors.models import gibbs as gibbs_module
from bayes_guided.priors.models.frequencies import LAW_DRAWS
from tests.scenarios import MLP, RESIDUAL

NET = MLP.architecture(MLP.net())
PRIORS: dict[str, ModelPrior] = {
    "independent": bg.IndependentInclusion.from_guidance(NET, bg.guidance.linear(), strength=1.0),
    "nested": bg.NestedWidth.from_guidance(NET, bg.guidance.step(2), strength=0.3),
    "shrinkage": bg.CumulativeShrinkage.from_guidance(NET, bg.guidance.linear(), strength=0.3),
    "gibbs": bg.GibbsComplexity(NET, "parameters", beta=0.05),
    "tilted": bg.TiltedWidth.from_guidance(NET, bg.guidance.linear(), strength=1.0, widths=poisson(3)),
    "shared": bg.TiltedWidth.shared(NET, bg.guidance.linear(), strength=1.0, sizes=geometric(3)),
    "conditioned": bg.CumulativeShrinkage.from_guidance(NET, bg.guidance.linear(), strength=0.3).condition(min_width=2),
}


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("name", PRIORS)
def test_exact_answers_are_the_priors_own(name: str) -> None:
    prior = PRIORS[name]
    found = overview(prior, models=5)
    assert found.unit_survival.value is not None
    for group, survival in prior.unit_survival().items():
        torch.testing.assert_close(found.unit_survival.value[group], survival, rtol=0, atol=0)
        law = found.width_laws[group].value
        assert law is not None
        torch.testing.assert_close(law.pmf, prior.width_pmf(group), rtol=0, atol=0)
        assert law.mean == pytest.approx(float(survival.sum()), abs=1e-10)
    assert found.size_law.value is not None
    torch.testing.assert_close(found.size_law.value.pmf, prior.size_pmf(), rtol=0, atol=0)
    assert found.entropy.value == float(prior.entropy())
    assert found.most_probable.value is not None
    assert [value for _, value in found.most_probable.value] == [value for _, value in prior.most_probable(5)]
    answers = [found.unit_survival, *found.width_laws.values(), found.size_law, found.entropy, found.most_probable]
    assert all((answer.error, answer.note) == (0.0, "") for answer in answers)


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Limits of cumulative shrinkage that four units exceed."""
    monkeypatch.setattr(shrinkage_module, "MAX_LAW_UNITS", 4)
    monkeypatch.setattr(shrinkage_module, "MAX_ENTROPY_UNITS", 4)
    return iter(())


@pytest.mark.usefixtures("small_limits")
def test_wide_shrinkage_is_estimated_where_it_is_too_wide() -> None:
    exact = PRIORS["shrinkage"]
    prior = bg.CumulativeShrinkage.from_guidance(NET, bg.guidance.linear(), strength=0.3)
    wide, narrow = (group.name for group in sorted(NET.groups, key=lambda group: -group.size))
    found = overview(prior, generator=generator())
    law, size = found.width_laws[wide], found.size_law
    for answer in (law, size, found.entropy):
        assert answer.note.startswith("estimated from")
        assert answer.error > 0
    assert found.width_laws[narrow].note == ""
    assert found.unit_survival.note == ""
    assert found.most_probable.value is None
    assert "512" not in found.most_probable.note
    assert "most probable masks" in found.most_probable.note
    assert law.value is not None
    assert law.value.mean == pytest.approx(float(exact.unit_survival()[wide].sum()), abs=4 * law.value.sd / LAW_DRAWS**0.5)
    with pytest.raises(ExactLimitError):
        prior.entropy()
    assert found.entropy.value == pytest.approx(EXACT_ENTROPY, abs=4 * found.entropy.error)


@pytest.mark.usefixtures("small_limits")
def test_an_entropy_that_would_take_minutes_is_not_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bayes_guided.priors.models.prior_overview.MAX_ENTROPY_PAIRS", 52 * 29)
    found = overview(PRIORS["shrinkage"], generator=generator())
    assert found.entropy.value is None
    assert "summed over all masks" in found.entropy.note


@pytest.mark.usefixtures("small_limits")
def test_what_cannot_even_be_drawn_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shrinkage_module, "MAX_CONDITIONED_COST", 10)
    prior = bg.CumulativeShrinkage.from_guidance(NET, bg.guidance.linear(), strength=0.3).condition(min_width=2)
    found = overview(prior, generator=generator())
    for answer in (found.unit_survival, *found.width_laws.values(), found.size_law, found.entropy, found.most_probable):
        assert answer.value is None
        assert answer.note


def test_gibbs_without_an_exact_method_runs_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    net = RESIDUAL.architecture(RESIDUAL.net())
    exact = bg.GibbsComplexity(net, "mdl", beta=1.0)
    laws = {group.name: exact.width_pmf(group.name) for group in net.groups}
    monkeypatch.setattr(gibbs_module, "forest", lambda *_: None)
    monkeypatch.setattr(gibbs_module, "MAX_COMBINATIONS", 1)
    found = overview(bg.GibbsComplexity(net, "mdl", beta=1.0), generator=generator())
    for name, pmf in laws.items():
        answer = found.width_laws[name]
        assert answer.value is not None
        assert "Markov chains (R-hat" in answer.note
        assert float((answer.value.pmf - pmf).abs().max()) <= 5 * answer.error
    assert found.unit_survival.value is not None
    assert found.entropy.value is None
    assert found.most_probable.value is None
    assert "too many to list" in found.entropy.note


EXACT_ENTROPY = float(PRIORS["shrinkage"].entropy())
