"""The readings of a continuous prior against `theory`, draws of the densities, and their own inverses (P10, P11, P16)."""

import math

import mpmath
import numpy as np
import pytest
import torch

from bayes_guided.analysis.implied import Evidence, Shrinkage, Threshold, reading_of
from bayes_guided.distributions import (
    GroupHorseshoe,
    GroupLaplace,
    GroupSqrtLaplace,
    RowLaplace,
    RowNormal,
    SparseGroupLaplace,
)
from bayes_guided.distributions.base import RowDistribution, SingleRateRow
from bayes_guided.exceptions import ReadingError
from theory import densities, identity, readings, sparse_group

RATES = torch.tensor([0.5, 1.0, 4.0, 30.0], dtype=torch.float64)
FAMILIES = {
    "group_laplace": GroupLaplace,
    "group_sqrt_laplace": GroupSqrtLaplace,
    "laplace": RowLaplace,
    "normal": RowNormal,
    "group_horseshoe": GroupHorseshoe,
}
THRESHOLD = tuple(FAMILIES)
SHRINKAGE = ("group_laplace", "group_horseshoe")
EVIDENCE = ("group_laplace", "group_sqrt_laplace", "laplace", "normal", "sparse_group_laplace")
READINGS = (
    *((Threshold(0.03), family) for family in THRESHOLD),
    *((Shrinkage(700.0), family) for family in SHRINKAGE),
    *((Evidence(700.0), family) for family in EVIDENCE),
)


def density_of(family: str, rates: torch.Tensor, dim: int) -> RowDistribution:
    if family == "sparse_group_laplace":
        return SparseGroupLaplace(rates, 0.7 * dim**0.5 * rates, dim)
    return FAMILIES[family](rates, dim)


def logit(survival: np.ndarray) -> np.ndarray:
    return np.log(survival) - np.log1p(-survival)


@pytest.fixture(autouse=True)
def _fixed_draws():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        yield


# Against theory ------------------------------


@pytest.mark.parametrize("dim", [1, 4, 20])
@pytest.mark.parametrize(
    ("family", "survival"),
    [
        ("group_laplace", readings.group_laplace_survival),
        ("laplace", readings.group_laplace_survival),
        ("normal", readings.gaussian_survival),
        ("group_sqrt_laplace", readings.group_sqrt_laplace_survival),
    ],
)
def test_threshold_is_theorys(family, survival, dim):
    rates = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64) * dim
    found = Threshold(1.3).log_odds(density_of(family, rates, dim))
    np.testing.assert_allclose(torch.sigmoid(found), survival(rates.numpy(), dim, 1.3), rtol=1e-12)


def test_threshold_at_pruning_sizes_puts_no_mass_on_small_models():
    """P10's warning: survival is 1 to double precision, and the log odds still say how far from 1."""
    odds = Threshold(0.01).log_odds(GroupLaplace(torch.tensor([1.0, 30.0, 300.0], dtype=torch.float64), 100))
    assert (torch.sigmoid(odds) == 1).all()
    with mpmath.workdps(60):
        exact = [float(-mpmath.log(mpmath.gammainc(100, 0, x, regularized=True))) for x in (0.01, 0.3, 3.0)]
    np.testing.assert_allclose(odds, exact, rtol=1e-13)


@pytest.mark.parametrize("dim", [1, 5, 30])
def test_shrinkage_is_theorys(dim):
    group = Shrinkage(50.0).log_odds(GroupLaplace(RATES, dim))
    horseshoe = Shrinkage(50.0).log_odds(GroupHorseshoe(RATES, dim))
    survival = readings.group_laplace_shrinkage_survival(RATES.numpy()[:3], dim, 50.0)
    np.testing.assert_allclose(torch.sigmoid(group[:3]), survival, rtol=1e-12)
    exact = logit(readings.horseshoe_shrinkage_survival(50.0**0.5 / RATES.numpy()))
    np.testing.assert_allclose(horseshoe, exact, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dim", [1, 5, 100])
def test_evidence_is_theorys(dim):
    found = Evidence(70.0).log_odds(GroupLaplace(RATES, dim))
    np.testing.assert_allclose(found, identity.evidence_log_odds(RATES.numpy(), dim, 70.0), rtol=1e-12, atol=1e-11)
    neutral = torch.tensor([identity.neutral_rate(dim, 70.0)], dtype=torch.float64)
    assert float(Evidence(70.0).log_odds(GroupLaplace(neutral, dim))[0]) == pytest.approx(0, abs=1e-11)


@pytest.mark.parametrize("dim", [1, 5, 100])
@pytest.mark.parametrize(
    ("family", "log_normalizer"),
    [
        ("group_laplace", densities.group_laplace_log_normalizer),
        ("group_sqrt_laplace", densities.group_sqrt_log_normalizer),
        ("laplace", densities.laplace_log_normalizer),
        ("normal", densities.gaussian_log_normalizer),
        ("sparse_group_laplace", lambda rate, dim: sparse_group.log_normalizer(rate, 0.7 * dim**0.5 * rate, dim)),
    ],
)
def test_evidence_is_the_log_of_volume_times_normaliser(family, log_normalizer, dim):
    found = Evidence(9.0).log_odds(density_of(family, RATES, dim))
    exact = log_normalizer(RATES.numpy(), dim) + dim / 2 * math.log(9 / (2 * math.pi))
    np.testing.assert_allclose(found, exact, rtol=1e-10, atol=1e-9)


# Against draws ------------------------------


def assert_share(inside: torch.Tensor, log_odds: torch.Tensor) -> None:
    """The share of draws is the reading's probability, to four standard errors, unit by unit."""
    probability = torch.sigmoid(log_odds)
    error = (probability * (1 - probability) / len(inside)).sqrt()
    assert ((inside.double().mean(dim=0) - probability).abs() < 4 * error).all()


@pytest.mark.parametrize("family", THRESHOLD)
@pytest.mark.parametrize("dim", [1, 6])
def test_threshold_of_draws(family, dim):
    density = density_of(family, torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64), dim)
    rows = density.sample(torch.Size((100_000,)))
    sizes = rows.abs().sum(dim=-1) if family == "laplace" else rows.norm(dim=-1)
    assert_share(sizes > 1.4, Threshold(1.4).log_odds(density))


@pytest.mark.parametrize("dim", [1, 6])
def test_shrinkage_of_draws(dim):
    """kappa < 1/2 for draws of the scales that the two mixtures are made of."""
    rng, rates, curvature = np.random.default_rng(3), np.array([1.0, 3.0]), 4.0
    laplace = rng.gamma((dim + 1) / 2, 2 / rates**2, size=(100_000, 2))
    horseshoe = (rng.standard_cauchy((100_000, 2)) / rates) ** 2
    for scales, family in ((laplace, GroupLaplace), (horseshoe, GroupHorseshoe)):
        kappa = torch.from_numpy(1 / (1 + curvature * scales))
        assert_share(kappa < 0.5, Shrinkage(curvature).log_odds(family(torch.from_numpy(rates), dim)))


# Inverses ------------------------------


@pytest.mark.parametrize("dim", [1, 9, 100, 2000])
@pytest.mark.parametrize(("reading", "family"), READINGS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_round_trip(reading, family, dim):
    reach = 30.0 if family == "group_horseshoe" else 0.3 * min(dim, 500) * 600**0.5
    wanted = torch.cat([torch.linspace(-reach, reach, 9, dtype=torch.float64), torch.tensor([-1e-3, 1e-3, 0.7, -4.0])])
    rates = torch.linspace(0.5, 40, len(wanted), dtype=torch.float64)
    factor = reading.rate_factor(density_of(family, rates, dim), wanted)
    found = reading.log_odds(density_of(family, factor * rates, dim))
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("reading", "family"), READINGS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_rate_factor_of_its_own_odds_is_one(reading, family):
    density = density_of(family, RATES, 100)
    torch.testing.assert_close(
        reading.rate_factor(density, reading.log_odds(density)), torch.ones(4, dtype=torch.float64), rtol=1e-11, atol=0
    )


@pytest.mark.parametrize(("reading", "family"), READINGS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_float32_densities_are_read_in_float64(reading, family):
    single = reading.log_odds(density_of(family, RATES.float(), 9))
    assert single.dtype == torch.float64
    torch.testing.assert_close(single, reading.log_odds(density_of(family, RATES, 9)), rtol=1e-6, atol=1e-6)
    if family != "sparse_group_laplace":
        torch.testing.assert_close(single, reading.log_odds(density_of(family, RATES, 9)), rtol=1e-14, atol=1e-14)


def test_horseshoe_near_certain_in_both_tails():
    """Where 1 - P is below rounding, the shrinkage odds are those of the small angle."""
    odds = Shrinkage(1.0).log_odds(GroupHorseshoe(torch.tensor([1e-20, 1e20], dtype=torch.float64), 3))
    exact = 20 * math.log(10) + math.log(math.pi / 2)
    np.testing.assert_allclose(odds, [exact, -exact], rtol=1e-13)


# Refusals ------------------------------


@pytest.mark.parametrize(
    ("reading", "family", "reason"),
    [
        (Threshold(0.1), "sparse_group_laplace", "does not depend on the guidance"),
        (Evidence(3.0), "group_horseshoe", "unbounded at zero"),
        *((Shrinkage(3.0), family, "no mixture of normals") for family in EVIDENCE if family != "group_laplace"),
    ],
)
def test_readings_that_do_not_exist_are_refused_with_the_reason(reading, family, reason):
    density = density_of(family, RATES, 3)
    with pytest.raises(ReadingError, match=reason):
        reading.log_odds(density)
    with pytest.raises(ReadingError, match=reason):
        reading.rate_factor(density, torch.zeros(4))


class _Cubic(SingleRateRow):
    """A family that no reading knows: exp(-rate |w|^3) on the line."""

    degree = 3.0

    def penalty(self, value):
        return self.rate * value.abs().pow(3).sum(dim=-1)

    def _log_normalizer(self):
        return math.log(2 * math.gamma(4 / 3)) - self.rate.double().log() / 3


def test_a_family_of_ones_own():
    """It can be read as evidence, which needs its normaliser only, and not by the size of its rows."""
    assert float(Evidence(2 * math.pi).log_odds(_Cubic(RATES, 1))[1]) == pytest.approx(math.log(2 * math.gamma(4 / 3)))
    with pytest.raises(ReadingError, match="_Cubic has no threshold"):
        Threshold(0.1).log_odds(_Cubic(RATES, 1))


@pytest.mark.parametrize(("reading", "family"), [READINGS[0], READINGS[4], READINGS[5], READINGS[7]])
@pytest.mark.parametrize("odds", [math.inf, -math.inf, math.nan])
def test_infinite_odds_are_refused(reading, family, odds):
    with pytest.raises(ReadingError, match="must be finite"):
        reading.rate_factor(density_of(family, RATES, 3), torch.tensor([0.0, 1.0, odds, 2.0]))


@pytest.mark.parametrize(("reading", "family"), [READINGS[0], READINGS[4], READINGS[5], READINGS[7]])
def test_odds_beyond_every_rate_are_refused(reading, family):
    with pytest.raises(ReadingError, match="1e\\+06 nats"):
        reading.rate_factor(density_of(family, RATES, 3), torch.tensor([0.0, 1.0, 1e6, 2.0]))


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
@pytest.mark.parametrize(("reading", "argument"), [(Threshold, "tau"), (Shrinkage, "curvature"), (Evidence, "curvature")])
def test_what_a_reading_needs_must_be_positive(reading, argument, value):
    with pytest.raises(ReadingError, match=argument):
        reading(value)


def test_readings_by_name():
    assert reading_of("threshold", tau=0.1, curvature=3.0) == Threshold(0.1)
    assert reading_of("shrinkage", tau=0.1, curvature=3.0) == Shrinkage(3.0)
    assert reading_of("evidence", curvature=3.0) == Evidence(3.0)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("threshold", {"curvature": 1.0}, "needs tau"),
        ("shrinkage", {"tau": 1.0}, "needs curvature"),
        ("evidence", {}, "needs curvature"),
        ("inclusion", {"tau": 1.0}, "no models in it"),
        ("survival", {"tau": 1.0}, "threshold, shrinkage, evidence"),
        ("threshold", {"tau": -1.0}, "positive finite"),
    ],
)
def test_names_that_cannot_be_read_are_refused(name, arguments, message):
    with pytest.raises(ReadingError, match=message):
        reading_of(name, **arguments)
