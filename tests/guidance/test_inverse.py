"""From wanted survivals and widths to guidance, and exactly back."""

import pytest
import torch
from torch import Tensor

import bayes_guided as bg
from bayes_guided.exceptions import ReadingError, SurvivalError, WidthLawError
from theory import readings

CASES = [
    (bg.priors.GroupLaplace(strength=3.0), "threshold", {"tau": 1.1}),
    (bg.priors.GroupLaplace(strength=3.0), "shrinkage", {"curvature": 100.0}),
    (bg.priors.GroupLaplace(strength=3.0), "evidence", {"curvature": 100.0}),
    (bg.priors.SparseGroupLaplace(strength=2.0, mix=0.3), "evidence", {"curvature": 50.0}),
    (bg.priors.GroupSqrtLaplace(strength=1.0), "threshold", {"tau": 0.5}),
    (bg.priors.GroupSqrtLaplace(strength=1.0), "evidence", {"curvature": 10.0}),
    (bg.priors.Normal(strength=2.0), "threshold", {"tau": 1.0}),
    (bg.priors.Normal(strength=2.0), "evidence", {"curvature": 10.0}),
    (bg.priors.Laplace(strength=1.0), "threshold", {"tau": 3.0}),
    (bg.priors.GroupHorseshoe(strength=1.0), "threshold", {"tau": 1.0}),
    (bg.priors.GroupHorseshoe(strength=1.0), "shrinkage", {"curvature": 100.0}),
]


@pytest.fixture(scope="module")
def architecture() -> bg.Architecture:
    return bg.Architecture.from_module(bg.nets.mlp(5, (12, 7), outputs=2), torch.zeros(2, 5))


def _survivals(architecture: bg.Architecture) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        group.name: 0.02 + 0.96 * torch.rand(group.size, generator=generator, dtype=torch.float64)
        for group in architecture.groups
    }


@pytest.mark.parametrize(("weights", "reading", "needs"), CASES)
def test_survivals_come_back_exactly(architecture: bg.Architecture, weights, reading: str, needs: dict) -> None:
    wanted = _survivals(architecture)
    guidance = bg.guidance.from_survival(wanted, weights, reading=reading, **needs)
    prior = bg.GuidedPrior(architecture, weights=weights, guidance=guidance)
    found = prior.model_prior(reading, **needs).unit_survival()
    for name, values in wanted.items():
        torch.testing.assert_close(found[name], values, rtol=0, atol=1e-11)


@pytest.mark.parametrize(("weights", "reading", "needs"), CASES)
@pytest.mark.parametrize("profile", [bg.guidance.constant(), bg.guidance.linear(), bg.guidance.step(2)])
def test_mean_widths_come_back_exactly(architecture, weights, reading: str, needs: dict, profile) -> None:
    wanted = {"layers.0": 9.5, "layers.1": 2.75}
    guidance = bg.guidance.from_width(wanted, weights, reading=reading, profile=profile, **needs)
    prior = bg.GuidedPrior(architecture, weights=weights, guidance=guidance)
    models = prior.model_prior(reading, **needs)
    for name, width in wanted.items():
        assert float(models.unit_survival()[name].sum()) == pytest.approx(width, abs=1e-9)
        pmf = models.width_pmf(name)
        assert float(pmf @ torch.arange(len(pmf), dtype=pmf.dtype)) == pytest.approx(width, abs=1e-9)
    shapes = profile.coefficients(architecture)
    for name, values in guidance.coefficients(architecture).items():
        kept = shapes[name] > 0
        torch.testing.assert_close(
            values[kept] / shapes[name][kept], (values[kept] / shapes[name][kept])[:1].expand(kept.sum())
        )


def test_the_threshold_inverse_is_theorys(architecture: bg.Architecture) -> None:
    wanted = _survivals(architecture)
    weights = bg.priors.GroupLaplace(strength=2.0)
    found = bg.guidance.from_survival(wanted, weights, reading="threshold", tau=0.7).coefficients(architecture)
    for group in architecture.groups:
        rates = readings.group_laplace_rate(wanted[group.name].numpy(), group.row_dim, 0.7)
        torch.testing.assert_close(found[group.name] * 2.0 * group.row_dim**0.5, torch.from_numpy(rates), rtol=1e-9, atol=0)


def test_readings_that_do_not_exist_are_refused_at_once() -> None:
    sparse = bg.priors.SparseGroupLaplace(strength=1.0)
    with pytest.raises(ReadingError, match="needs tau"):
        bg.guidance.from_survival({}, sparse, reading="threshold")
    with pytest.raises(ReadingError, match='no reading "map"'):
        bg.guidance.from_width({}, sparse, reading="map")


def test_sparse_group_has_no_threshold_guidance(architecture: bg.Architecture) -> None:
    sparse = bg.priors.SparseGroupLaplace(strength=1.0)
    guidance = bg.guidance.from_survival(_survivals(architecture), sparse, reading="threshold", tau=1.0)
    with pytest.raises(ReadingError, match="does not depend on the guidance"):
        guidance.coefficients(architecture)


@pytest.mark.parametrize("bad", [0.0, 1.0, -0.1, float("nan")])
def test_survivals_outside_the_open_interval_are_refused(architecture: bg.Architecture, bad: float) -> None:
    wanted = _survivals(architecture)
    wanted["layers.1"][3] = bad
    guidance = bg.guidance.from_survival(wanted, bg.priors.Normal(1.0), reading="evidence", curvature=1.0)
    with pytest.raises(SurvivalError, match=r"'layers.1', unit 3"):
        guidance.coefficients(architecture)


def test_missing_groups_and_wrong_lengths_are_refused(architecture: bg.Architecture) -> None:
    weights = bg.priors.Normal(1.0)
    missing = bg.guidance.from_survival({"layers.0": torch.full((12,), 0.5)}, weights, reading="evidence", curvature=1.0)
    with pytest.raises(SurvivalError, match=r"layers\.1"):
        missing.coefficients(architecture)
    wanted = _survivals(architecture) | {"layers.1": torch.full((6,), 0.5)}
    with pytest.raises(SurvivalError, match=r"\(7,\)"):
        bg.guidance.from_survival(wanted, weights, reading="evidence", curvature=1.0).coefficients(architecture)


@pytest.mark.parametrize("width", [0.0, 7.0, -1.0, 8.0, float("nan")])
def test_widths_that_cannot_be_attained_are_refused(architecture: bg.Architecture, width: float) -> None:
    wanted = {"layers.0": 6.0, "layers.1": width}
    guidance = bg.guidance.from_width(wanted, bg.priors.GroupLaplace(1.0), reading="evidence", curvature=10.0)
    with pytest.raises(WidthLawError, match=r"layers\.1"):
        guidance.coefficients(architecture)


def test_the_inverse_can_be_spread_across_groups(architecture: bg.Architecture) -> None:
    guidance = bg.guidance.from_width(
        {"layers.0": 6.0, "layers.1": 3.0}, bg.priors.GroupLaplace(1.0), reading="evidence", curvature=10.0
    )
    doubled = guidance.across({"layers.1": 2.0}).coefficients(architecture)
    torch.testing.assert_close(doubled["layers.1"], 2 * guidance.coefficients(architecture)["layers.1"])
    torch.testing.assert_close(
        guidance.group_factors(architecture), torch.stack([v.mean() for v in guidance.coefficients(architecture).values()])
    )
