"""The guidance found has the mean width that was wanted: checked on the prior itself, built anew."""

import pytest
import torch

import bayes_guided as bg
from bayes_guided.exceptions import WidthLawError
from bayes_guided.priors.models.wanted_guidance import guidance_of_hazard, guidance_of_independent, guidance_of_weights
from tests.scenarios import MLP, RESIDUAL

NET = MLP.architecture(MLP.net())
FIRST, SECOND = (group.name for group in NET.groups)
WANTED = {FIRST: 2.5, SECOND: 1.25}
PROFILES = {
    "linear": bg.guidance.linear(),
    "one protected": bg.guidance.step(1),
    "across": bg.guidance.linear().across({FIRST: 3.0}),
}


def mean_widths(prior: bg.priors.ModelPrior) -> dict[str, float]:
    """From the law of the width, by another way than the sum of survivals."""
    widths = {}
    for group in prior.architecture.groups:
        pmf = prior.width_pmf(group.name)
        widths[group.name] = float(pmf @ torch.arange(len(pmf), dtype=torch.float64))
    return widths


@pytest.mark.parametrize("profile", PROFILES)
def test_costs_of_independent_units(profile: str) -> None:
    guidance = PROFILES[profile]
    found = guidance_of_independent(NET, guidance, WANTED)
    prior = bg.IndependentInclusion.from_guidance(NET, guidance.across(found.strengths), strength=1.0)
    assert mean_widths(prior) == pytest.approx(WANTED, abs=1e-10)
    assert found.mean_widths == pytest.approx(WANTED, abs=1e-10)
    for name, values in found.values.items():
        torch.testing.assert_close(values, prior.costs[name])


@pytest.mark.parametrize("profile", PROFILES)
def test_hazard_of_nested_and_shrinking_units(profile: str) -> None:
    guidance = PROFILES[profile]
    found = guidance_of_hazard(NET, guidance, WANTED)
    for kind in (bg.NestedWidth, bg.CumulativeShrinkage):
        prior = kind.from_guidance(NET, guidance.across(found.strengths), strength=1.0)
        assert mean_widths(prior) == pytest.approx(WANTED, abs=1e-10)
    assert found.mean_widths == pytest.approx(WANTED, abs=1e-10)


@pytest.mark.parametrize("wanted", [1e-6, 5.999999])
def test_hazard_of_extreme_widths(wanted: float) -> None:
    found = guidance_of_hazard(NET, bg.guidance.linear(), {FIRST: wanted, SECOND: 2.0})
    assert found.mean_widths[FIRST] == pytest.approx(wanted, rel=1e-8)


@pytest.mark.parametrize(
    ("reading", "numbers"),
    [("evidence", {"curvature": 50.0}), ("shrinkage", {"curvature": 50.0}), ("threshold", {"tau": 0.4})],
)
def test_strengths_of_a_continuous_prior(reading: str, numbers: dict[str, float]) -> None:
    prior = bg.GuidedPrior(NET, bg.priors.GroupLaplace(strength=2.0), bg.guidance.linear())
    found = guidance_of_weights(prior, WANTED, reading=reading, **numbers)
    guidance = bg.guidance.linear().across(found.strengths)
    again = bg.GuidedPrior(NET, bg.priors.GroupLaplace(strength=1.0), guidance).model_prior(reading, **numbers)
    assert mean_widths(again) == pytest.approx(WANTED, abs=1e-8)
    assert found.mean_widths == pytest.approx(WANTED, abs=1e-8)


@pytest.mark.parametrize("solve", [guidance_of_independent, guidance_of_hazard])
def test_widths_out_of_range_are_refused(solve: object) -> None:
    assert callable(solve)
    most = 3.0 if solve is guidance_of_independent else 6.0
    for wanted in (most, -1.0, 0.0):
        with pytest.raises(WidthLawError, match=f"between 0 and {most:g}"):
            solve(NET, bg.guidance.linear(), {FIRST: wanted, SECOND: 1.0})
    with pytest.raises(WidthLawError, match="one for every group"):
        solve(NET, bg.guidance.linear(), {FIRST: 1.0})
    with pytest.raises(WidthLawError, match="between 2 and"):
        solve(NET, bg.guidance.step(2), {FIRST: 2.0, SECOND: 2.5})


def test_norms_alone_are_refused() -> None:
    net = RESIDUAL.architecture(RESIDUAL.net())
    prior = bg.GuidedPrior(net, bg.priors.GroupLaplace(strength=2.0), penalised="norm")
    with pytest.raises(WidthLawError, match="whole rows"):
        guidance_of_weights(prior, {group.name: 1.0 for group in net.groups}, reading="evidence", curvature=10.0)
