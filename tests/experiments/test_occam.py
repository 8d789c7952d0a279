"""Occam: exact evidences against theory, symmetries that no data break, the quick form, and what the README claims."""

import math
from pathlib import Path
from statistics import mean, median

import numpy as np
import pytest
import torch

from experiments.cases import Row
from experiments.occam.exact import GROUP, Evidences, ModelPosterior, architecture_of
from experiments.occam.laws import exact_means, kind_of_unit, mean_width, of_part, overruled_from
from experiments.occam.model_priors import FAMILIES, independent
from experiments.occam.regression import Regression, features
from experiments.occam.run import STUDY
from experiments.occam.single_widths import best_width, bounds_of, prior_of, reachable
from experiments.occam.tables import unit_log_bayes_factors
from theory.linear_models import LinearModels, independent_log_prior, nested_log_prior

SHARED = Path(__file__).parents[3] / "shared" / "data"
UNITS, SLAB = 5, 0.25


@pytest.fixture(scope="module")
def data() -> Regression:
    """Five units, the fourth a copy of the first."""
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(40, 3, dtype=torch.float64, generator=generator)
    design = features(inputs, UNITS, [3], {4: 1}, generator)
    targets = design[:, 1] - 0.4 * design[:, 0] + 0.6 * torch.randn(40, dtype=torch.float64, generator=generator)
    return Regression(design, targets, 0.6)


def _theory(data: Regression, log_prior: np.ndarray) -> LinearModels:
    variances = np.full(UNITS, SLAB)
    return LinearModels(data.design.numpy(), data.targets.numpy(), range(UNITS), variances, data.noise_scale**2, log_prior)


@pytest.mark.parametrize("factor", [0.0, 1.0, 10.0])
@pytest.mark.parametrize("family", ["independent", "nested"])
def test_exact_posteriors_are_those_of_theory(data: Regression, family: str, factor: float) -> None:
    prior = FAMILIES[family](architecture_of(UNITS), 2.0, factor)
    posterior = ModelPosterior(Evidences(data, SLAB), prior)
    if family == "independent":
        costs = independent(architecture_of(UNITS), 2.0, factor).costs[GROUP]
        oracle = _theory(data, independent_log_prior(-costs.numpy()))
    else:
        oracle = _theory(data, nested_log_prior(prior.width_pmf(GROUP).numpy()))
    np.testing.assert_allclose(posterior.evidences.log_evidence.numpy(), oracle.log_evidences, atol=1e-8)
    np.testing.assert_allclose(posterior.width_law.numpy(), oracle.width_pmf(), atol=1e-10)
    assert posterior.log_evidence == pytest.approx(oracle.log_evidence, abs=1e-8)
    possible = np.isfinite(oracle.log_posterior)
    after, before = oracle.log_posterior[possible], oracle.log_prior[possible]
    assert posterior.divergence == pytest.approx(float(np.exp(after) @ (after - before)), abs=1e-8)


def test_fit_and_occam_factor_of_the_nested_path_are_its_evidences(data: Regression) -> None:
    evidences = Evidences(data, SLAB)
    for width in range(UNITS + 1):
        nested = (evidences.masks == (torch.arange(UNITS) < width)).all(dim=1)
        parts = evidences.parts(torch.arange(width))
        assert parts.log_evidence == pytest.approx(float(evidences.log_evidence[nested]), abs=1e-8)
        assert parts.log_occam <= 0


@pytest.mark.parametrize("cases", [2, 10, 40])
def test_no_data_move_the_odds_between_twins(data: Regression, cases: int) -> None:
    prior = independent(architecture_of(UNITS), 2.0, 10.0)
    posterior = ModelPosterior(Evidences(data.first(cases), SLAB), prior)
    masks, costs = posterior.evidences.masks, prior.costs[GROUP]
    only = [posterior.probabilities[masks[:, a] & ~masks[:, b]].sum() for a, b in ((3, 0), (0, 3))]
    assert float((only[0] / only[1]).log()) == pytest.approx(float(costs[0] - costs[3]), abs=1e-8)


def test_single_units_have_the_bayes_factors_of_their_removal(data: Regression) -> None:
    evidences = Evidences(data, SLAB)
    without = torch.cat(
        [evidences.log_evidence[(evidences.masks == (torch.arange(UNITS) != u)).all(dim=1)] for u in range(UNITS)]
    )
    torch.testing.assert_close(evidences.unit_log_bayes_factors, evidences.log_evidence[-1] - without)


def test_the_three_priors_have_the_same_expected_width_and_tilted_and_nested_the_same_law() -> None:
    architecture = architecture_of(12)
    laws = {name: family(architecture, 4.0, 1.0).width_pmf(GROUP) for name, family in FAMILIES.items()}
    for law in laws.values():
        assert mean_width(law.tolist()) == pytest.approx(4.0, abs=1e-6)
    torch.testing.assert_close(laws["tilted"], laws["nested"])
    for factor in (0.0, 10.0):
        here = {name: FAMILIES[name](architecture, 4.0, factor).width_pmf(GROUP) for name in ("tilted", "nested")}
        torch.testing.assert_close(here["tilted"], here["nested"])


def test_features_are_standardised_and_twins_are_copies() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(500, 2, dtype=torch.float64, generator=generator)
    plain = features(inputs, 4, [], {}, torch.Generator().manual_seed(1))
    found = features(inputs, 4, [2], {4: 1}, torch.Generator().manual_seed(1))
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(4, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(found.square().mean(dim=0), torch.ones(4, dtype=torch.float64))
    assert torch.equal(found[:, 3], found[:, 0])
    assert torch.equal(found[:, 0], plain[:, 0])
    # The needless unit has the same values, at other cases.
    torch.testing.assert_close(found[:, 1].sort().values, plain[:, 1].sort().values)
    assert abs(float(found[:, 1] @ plain[:, 1])) / 500 < 4 / 500**0.5


def test_kinds_of_units() -> None:
    settings = {"twins": {"9": 2}, "needless": [4, 10]}
    assert [kind_of_unit(unit, settings) for unit in (1, 2, 4, 9, 10)] == ["needed", "twins", "needless", "twins", "needless"]


def test_overruled_from_is_the_last_n_at_which_the_prior_still_counts() -> None:
    def row(n: int, seed: int, guided: float) -> Row:
        laws = {0.0: [0.0, 0.0, 1.0], 1.0: [guided, 0.0, 1 - guided]}
        found = [{"factor": factor, "width_law": law} for factor, law in laws.items()]
        return {"part": "uci", "n": n, "seed": seed, "posteriors": {"nested": found}}

    rows = [row(10, 0, 0.0), row(10, 1, 0.0), row(100, 0, 0.0), row(100, 1, 0.9), row(1000, 0, 0.1), row(1000, 1, 0.0)]
    assert overruled_from(rows, "nested", 1.0, within=1.0) == 1000
    assert overruled_from(rows, "nested", 1.0, within=0.1) is None
    assert overruled_from(rows, "nested", 1.0, within=2.0) == 10


def test_the_best_width_and_the_reachable_bound_weigh_widths_and_models_by_their_priors() -> None:
    fits = [{"part": "mnist", "factor": 1.0, "prior_width_law": [0.2, 0.4, 0.4, 0.0]}]
    bounds = {1: -100.0, 2: -95.0, 3: -94.5}
    for factor in (1.0, 10.0):
        prior = prior_of(fits, "independent", factor)
        costs = independent(architecture_of(3), 1.2, factor).costs[GROUP].tolist()
        nothing = -sum(math.log1p(math.exp(-cost)) for cost in costs)
        expected = max(bound + nothing - sum(costs[:width]) for width, bound in bounds.items())
        assert reachable(bounds, prior) == pytest.approx(expected, abs=1e-9)
        law = prior.width_pmf(GROUP)
        joint = {width: math.exp(bound + 100) * float(law[width]) for width, bound in bounds.items()}
        assert best_width(bounds, prior) == max(joint, key=lambda width: joint[width])
    assert [best_width(bounds, prior_of(fits, "nested", factor)) for factor in (1.0, 10.0)] == [2, 1]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the data sets of ../shared/data are not here")
def test_the_quick_form_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert STUDY.main(["--quick", "--data-dir", str(SHARED)]) == 0
    printed = capsys.readouterr().out
    assert "| nested | ×1 | 2.00 |" in printed
    assert "| 50 | tilted ×1 | 2.0 |" in printed


@pytest.fixture(scope="module")
def exact() -> list[Row]:
    return of_part(STUDY.load(), "uci")


def test_needed_units_gain_in_proportion_to_n_and_needless_ones_lose_half_its_logarithm(exact: list[Row]) -> None:
    middle = {
        (kind, n): median(unit_log_bayes_factors(of_part(exact, "uci", data="power-plant", n=n), kind))
        for kind in ("needed", "needless")
        for n in (100, 7700)
    }
    assert round(middle["needed", 100], 1) == 0.6
    assert round(middle["needed", 7700]) == 96
    assert round(middle["needless", 100], 1) == -1.9
    assert round(middle["needless", 7700], 1) == -4.3
    assert middle["needless", 100] - middle["needless", 7700] == pytest.approx(0.5 * math.log(77), abs=0.3)


def test_a_second_twin_is_never_refused_by_more_than_half_log_two(exact: list[Row]) -> None:
    lowest = min(value for value in unit_log_bayes_factors(exact, "twins"))
    assert -0.5 * math.log(2) <= lowest < -0.34


@pytest.mark.parametrize(
    ("family", "factor", "data", "expected"),
    [
        ("independent", 1.0, "power-plant", 1000),
        ("independent", 10.0, "power-plant", 7700),
        ("nested", 1.0, "power-plant", 30),
        ("nested", 10.0, "power-plant", 3000),
        *((family, 100.0, data, None) for family in FAMILIES for data in ("power-plant", "concrete")),
    ],
)
def test_stronger_guidance_lasts_longer(exact: list[Row], family: str, factor: float, data: str, expected: int | None) -> None:
    assert overruled_from(of_part(exact, "uci", data=data), family, factor, within=1.0) == expected


def test_the_nested_prior_takes_needless_units_along(exact: list[Row]) -> None:
    last = of_part(exact, "uci", data="power-plant", n=7700)
    assert {family: round(mean(exact_means(last, family, 0.0)), 1) for family in FAMILIES} == {
        "independent": 8.2,
        "tilted": 8.6,
        "nested": 11.7,
    }


def test_guidance_times_100_costs_what_the_readme_says() -> None:
    settings, _ = STUDY.config(quick=False)
    costs = independent(architecture_of(12), settings["uci"]["mean_width"], 100.0).costs[GROUP]
    assert [round(float(cost)) for cost in (costs.min(), costs.max())] == [11, 132]


@pytest.fixture(scope="module")
def fits() -> list[Row]:
    return of_part(STUDY.load(), "mnist")


def _svi(fits: list[Row], value: str, n: int, family: str, factor: float = 1.0) -> list[float]:
    rows = of_part(fits, "mnist", n=n, prior=family, factor=factor)
    return [mean_width(row["width_law"]) if value == "width" else row[value] for row in rows]


def test_the_best_single_width_rises_with_n_and_ends_any_prior(fits: list[Row]) -> None:
    rows = of_part(STUDY.load(), "bound")
    bounds = {n: bounds_of(rows, n) for n in (100, 1000, 10000, 60000)}
    assert [max(bounds[n], key=lambda width: bounds[n][width]) for n in (100, 1000, 60000)] == [2, 8, 32]
    # As many equal modes as there are orders of the units do not change which is best.
    for n, best in {100: 2, 1000: 8, 60000: 32}.items():
        assert max(bounds[n], key=lambda width: bounds[n][width] + math.lgamma(width + 1)) == best
    errors = {row["width"]: row["bound_error"] for row in of_part(rows, "bound", n=10000)}
    assert all(bounds[10000][32] - bounds[10000][k] < 2 * math.hypot(errors[32], errors[k]) for k in (8, 16))
    priors = [(family, factor) for factor in (1.0, 30.0) for family in ("independent", "nested")]
    chosen = {n: [best_width(bounds[n], prior_of(fits, *prior)) for prior in priors] for n in bounds}
    assert chosen == {100: [2] * 4, 1000: [8] * 4, 10000: [16, 32, 8, 16], 60000: [32] * 4}
    law = prior_of(fits, "independent", 30.0).log_width_pmf(GROUP)
    assert round(float(law.max() - law[32])) == 1011
    assert bounds[100][2] < -100 * math.log(10)


def test_svi_tells_tilted_and_nested_apart_which_no_data_can(fits: list[Row]) -> None:
    tilted, nested = (_svi(fits, "width", 1000, family) for family in ("tilted", "nested"))
    assert min(tilted) > max(nested)
    assert [round(mean(widths), 1) for widths in (tilted, nested)] == [12.0, 5.3]
    divergences = [mean(_svi(fits, "divergence", 1000, family)) for family in ("independent", "tilted", "nested")]
    assert [round(value) for value in divergences] == [26, 32, 3]


def test_svi_widths_rise_with_n_and_its_bounds_fall_short(fits: list[Row]) -> None:
    for family, ends in {"independent": [3.7, 17.9], "nested": [3.7, 35.7]}.items():
        assert [round(mean(_svi(fits, "width", n, family)), 1) for n in (100, 60000)] == ends
    bounds = of_part(STUDY.load(), "bound")
    for n, family, factor in {(row["n"], row["prior"], row["factor"]) for row in fits}:
        known = reachable(bounds_of(bounds, n), prior_of(fits, family, factor))
        assert mean(_svi(fits, "bound", n, family, factor)) < known
    strong = reachable(bounds_of(bounds, 1000), prior_of(fits, "independent", 30.0))
    assert round((strong - mean(_svi(fits, "bound", 1000, "independent", 30.0))) / 1000, 2) == 0.42
    assert round(mean(_svi(fits, "divergence", 1000, "independent", 30.0))) == 418
    pairs = [_svi(fits, "width", 1000, "independent", factor) for factor in (1.0, 30.0)]
    assert [round(mean(widths), 1) for widths in pairs] == [8.3, 8.3]
