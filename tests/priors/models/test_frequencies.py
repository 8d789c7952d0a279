"""Frequencies in draws against the exact laws."""

import pytest
import torch

import bayes_guided as bg
from bayes_guided.priors import geometric
from bayes_guided.priors.models.frequencies import estimate_from_draws
from tests.scenarios import MLP

PRIOR = bg.TiltedWidth.shared(MLP.architecture(MLP.net()), bg.guidance.linear(), strength=1.0, sizes=geometric(3))


def test_estimate_from_draws_is_within_its_errors() -> None:
    """Every frequency within five standard errors: there are a few dozen of them."""
    found = estimate_from_draws(PRIOR, 20_000, torch.Generator().manual_seed(0))
    pairs = [(found.size_pmf, PRIOR.size_pmf())]
    for name, survival in PRIOR.unit_survival().items():
        pairs += [(found.unit_survival[name], survival), (found.width_pmf[name], PRIOR.width_pmf(name))]
    for estimate, exact in pairs:
        sampling_error = (exact * (1 - exact) / 20_000).sqrt()
        assert bool(((estimate.value - exact).abs() <= 5 * sampling_error + 1e-12).all())
        assert bool((estimate.standard_error <= 1.2 * sampling_error + 1e-3).all())
    assert float(found.size_pmf.value.sum()) == pytest.approx(1.0)


def test_draws_in_several_parts_are_all_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bayes_guided.priors.models.frequencies.CHUNK", 70)
    found = estimate_from_draws(PRIOR, 100, torch.Generator().manual_seed(0))
    for pmf in (found.size_pmf, *found.width_pmf.values()):
        assert float(pmf.value.sum()) == pytest.approx(1.0)
