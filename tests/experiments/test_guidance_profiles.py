"""The comparison of guidance profiles: its profiles, its fronts and intervals, its quick form, and what its README says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import special, stats

import bayes_guided as bg
from bayes_guided.priors import TiltedWidth, uniform
from bayes_guided.sweep import load_sweep
from experiments.guidance_profiles.fronts import (
    AS_REDUCED,
    EXCESS,
    ON_TEST,
    REFITTED,
    Factor,
    Size,
    at_level,
    between_levels,
    factor_of,
    front,
    log_ratios,
    size_at,
)
from experiments.guidance_profiles.profiles import DENSE, PROFILES, build
from experiments.guidance_profiles.run import STUDY

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
ROWS = STUDY.load()


@pytest.fixture(scope="module")
def architecture() -> bg.Architecture:
    return bg.Architecture.from_module(bg.nets.mlp(16, [12, 9], outputs=3), torch.zeros(2, 16))


def _row(error: float, parameters: int, *, collapsed: bool = False) -> dict[str, Any]:
    return {
        "validation_error": error,
        "parameters": parameters,
        "widths": [parameters, 4],
        "test_error": 2 * error,
        "collapsed": collapsed,
    }


@pytest.mark.skipif(not (SHARED / "mnist").is_dir(), reason="the images of ../shared/data are not here")
def test_quick_measures_two_data_sets_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in STUDY.here.iterdir() if path.is_file()}
    assert STUDY.main(["--quick", "--data-dir", str(SHARED)]) == 0
    printed = capsys.readouterr().out
    assert all(f"| {name}, " in printed for name in ("mnist", "digits"))
    assert before == {path: path.read_bytes() for path in STUDY.here.iterdir() if path.is_file()}


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_press_equally_hard_in_the_mean(profile: str, architecture: bg.Architecture) -> None:
    coefficients = build(profile, architecture, 0).coefficients(architecture)
    assert float(torch.cat(list(coefficients.values())).mean()) == pytest.approx(1, abs=1e-12)


def test_shuffled_guidance_is_linear_guidance_in_another_order(architecture: bg.Architecture) -> None:
    linear = build("linear", architecture, 0).coefficients(architecture)
    orders = [build("linear, shuffled", architecture, seed).coefficients(architecture) for seed in (0, 1, 1)]
    for name, values in linear.items():
        assert all(torch.equal(order[name].sort().values, values) for order in orders)
        assert not torch.equal(orders[0][name], orders[1][name])
        assert torch.equal(orders[1][name], orders[2][name])


def test_cost_aware_guidance_is_in_proportion_to_what_a_unit_costs(architecture: bg.Architecture) -> None:
    first, second = build("cost-aware", architecture, 0).coefficients(architecture).values()
    assert torch.equal(first, first[0].expand(12))
    # A unit of the first layer has 16 weights and a bias in and 9 weights out; of the second 12 and 1 in and 3 out.
    assert float(first[0] / second[0]) == pytest.approx(26 / 16)


def test_tilted_guidance_has_the_shape_under_which_a_row_survives_as_often_as_its_unit(architecture: bg.Architecture) -> None:
    prior = TiltedWidth.from_guidance(architecture, bg.guidance.linear(), strength=10.0, widths=uniform(minimum=1))
    survival = prior.unit_survival()
    for group in architecture.groups:
        rates = special.gammainccinv(group.row_dim, survival[group.name].numpy())
        found = build("tilted", architecture, 0).coefficients(architecture)[group.name].numpy()
        np.testing.assert_allclose(found, rates / rates.mean(), rtol=1e-8)


def test_a_front_has_what_no_other_beats() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(40, 2, generator=generator).tolist()
    rows = [_row(round(error, 1), round(20 * size)) for error, size in values]

    def beaten(row: dict[str, Any]) -> bool:
        ours = (row["validation_error"], row["parameters"])
        theirs = [(other["validation_error"], other["parameters"]) for other in rows]
        return any(error <= ours[0] and size <= ours[1] and (error, size) != ours for error, size in theirs)

    expected = {(row["validation_error"], row["parameters"]) for row in rows if not beaten(row)}
    found = [(row["validation_error"], row["parameters"]) for row in front(rows)]
    assert found == sorted(expected)
    assert front([_row(0.1, 5), _row(0.2, 1, collapsed=True)]) == [_row(0.1, 5)]


def test_sizes_lie_on_the_line_between_neighbours_and_nowhere_else() -> None:
    points = front([_row(0.1, 1000), _row(0.3, 10), _row(0.5, 1)])
    between = size_at(points, 0.15)
    assert between is not None
    assert between.parameters == pytest.approx(1000**0.75 * 10**0.25)
    assert between.widths == pytest.approx((between.parameters, 4))
    assert between.test_error == pytest.approx(0.3)
    assert [size.parameters for level in (0.1, 0.3, 0.5) if (size := size_at(points, level))] == pytest.approx([1000, 10, 1])
    assert size_at(points, 0.09) is None
    assert size_at(points, 0.51) is None
    assert size_at([], 0.1) is None


def test_factors_are_of_pairs_with_the_interval_of_a_paired_t_test() -> None:
    mine, other = [120.0, 90.0, 75.0], [100.0, 100.0, 50.0]

    def of_seeds(values: list[float | None]) -> dict[int, Size | None]:
        return {seed: None if value is None else Size(value, (1.0,), 0.1) for seed, value in enumerate(values)}

    logs = log_ratios(of_seeds([*mine, 5.0, None]), of_seeds([*other, None, 1.0]))
    assert list(logs) == [0, 1, 2]
    factor = factor_of(list(logs.values()))
    assert factor is not None
    assert factor.interval is not None
    expected = stats.ttest_rel(np.log(mine), np.log(other)).confidence_interval()
    assert factor.pairs == 3
    assert np.log(factor.interval) == pytest.approx([expected.low, expected.high])
    assert np.log(factor.ratio) == pytest.approx(np.mean(np.log(mine) - np.log(other)))
    assert factor_of([np.log(0.5)]) == Factor(0.5, None, 1)
    assert factor_of([]) is None


def test_fronts_that_are_a_factor_apart_are_so_at_every_error_and_in_the_mean() -> None:
    """Two seeds in which the profile's networks have 0.6 and 0.5 times the parameters of constant guidance's."""
    rows = []
    for seed, share in enumerate((0.6, 0.5)):
        rows.append(_row(0.02, 10**9) | {"dataset": "mnist", "seed": seed, "profile": DENSE})
        for profile, times in (("constant", 1.0), ("linear", share)):
            for error, size in ((0.022, 90_000), (0.026, 40_000), (0.031, 10_000)):
                rows.append(_row(error, round(times * size)) | {"dataset": "mnist", "seed": seed, "profile": profile})
    expected = np.sqrt(0.6 * 0.5)
    found = [at_level(rows, "mnist", "linear", 0.025), between_levels(rows, "mnist", "linear")]
    assert [factor.ratio for factor in found if factor] == pytest.approx([expected, expected])
    assert all(factor.pairs == 2 for factor in found if factor)


def test_every_profile_has_come_equally_far_wherever_it_stops() -> None:
    _, grid = STUDY.config(quick=False)
    cases = STUDY.cases(grid)
    seeds = [case["seed"] for case in cases]
    assert seeds == sorted(seeds)
    assert len(cases) == sum(
        len(part["seeds"]) * (1 + sum(map(len, part["profiles"].values()))) for part in grid["datasets"].values()
    )
    for stop in range(len(cases)):
        done = cases[: stop + 1]
        now = [case["profile"] for case in done if (case["dataset"], case["seed"]) == (done[-1]["dataset"], done[-1]["seed"])]
        counts = [now.count(profile) for profile in grid["datasets"][done[-1]["dataset"]]["profiles"]]
        assert max(counts) - min(counts) <= 1


def test_the_sweep_is_one_that_can_be_begun() -> None:
    sweep = load_sweep(STUDY.here / "sweep.yaml")
    assert sweep.config.num_trials == 9 * 7 * 5
    first, last = (sweep.run_config(sweep.config.point(place), name="trial") for place in (0, sweep.config.num_trials - 1))
    assert (first.seed, first.prior.strength, first.prior.guidance.profile) == (0, 1.0, "constant")
    assert (last.seed, last.prior.strength, last.prior.guidance.profile) == (8, 64.0, "cost")


RISING = ("exponential", "linear", "polynomial")


def _between(dataset: str, profile: str, error: str, other: str = "constant") -> Factor:
    factor = between_levels(ROWS, dataset, profile, error, other)
    assert factor is not None
    return factor


def _range(dataset: str, profiles: tuple[str, ...], error: str) -> tuple[float, float]:
    ratios = [round(_between(dataset, profile, error).ratio, 2) for profile in profiles]
    return min(ratios), max(ratios)


def _leaves_out_1(factor: Factor) -> bool:
    assert factor.interval is not None
    return not factor.interval[0] <= 1 <= factor.interval[1]


def test_what_the_readme_says_of_guidance_within_layers() -> None:
    by_validation = {name: _range(name, RISING, REFITTED) for name in EXCESS}
    assert by_validation == {"mnist": (0.76, 0.81), "fashion-mnist": (0.55, 0.77), "digits": (0.79, 0.87)}
    by_test = {name: _range(name, RISING, ON_TEST) for name in EXCESS}
    assert by_test == {"mnist": (0.9, 0.99), "fashion-mnist": (0.56, 0.77), "digits": (0.85, 0.94)}
    apart = {
        error: {(name, profile) for name in EXCESS for profile in RISING if _leaves_out_1(_between(name, profile, error))}
        for error in (REFITTED, ON_TEST)
    }
    assert apart[REFITTED] == {("digits", "linear"), ("digits", "polynomial")}
    assert apart[ON_TEST] == {("fashion-mnist", "polynomial"), ("digits", "linear"), ("digits", "polynomial")}


def test_what_the_readme_says_of_profiles_that_make_no_difference() -> None:
    for profile, expected in (("tilted", (0.88, 0.99)), ("cost-aware", (0.93, 0.99))):
        ranges = [_range(name, (profile,), REFITTED)[0] for name in EXCESS]
        assert (min(ranges), max(ranges)) == expected
        assert not any(_leaves_out_1(_between(name, profile, error)) for name in EXCESS for error in (REFITTED, ON_TEST))
    before = _between("mnist", "cost-aware", AS_REDUCED)
    assert (round(before.ratio, 2), _leaves_out_1(before)) == (0.85, True)
    shuffled = [_between("digits", "linear, shuffled", error) for error in (REFITTED, ON_TEST)]
    assert [round(factor.ratio, 2) for factor in shuffled] == [0.74, 0.73]
    chance = _between("digits", "linear, shuffled", REFITTED, "linear")
    assert (round(chance.ratio, 2), _leaves_out_1(chance)) == (0.88, False)


def test_what_the_readme_says_of_refits_intervals_and_lost_layers() -> None:
    assert [round(_between("digits", "linear", error).ratio, 2) for error in (AS_REDUCED, REFITTED)] == [0.69, 0.84]
    shown = [
        _between(name, profile, error)
        for name in EXCESS
        for profile in ("tilted", *RISING, "cost-aware")
        for error in (AS_REDUCED, REFITTED, ON_TEST)
    ]
    assert (len(shown), sum(map(_leaves_out_1, shown))) == (45, 13)
    lost = {(row["dataset"], row["profile"], row["strength"]) for row in ROWS if row["collapsed"]}
    flat = {("digits", profile, 24.0) for profile in ("constant", "tilted", "cost-aware")}
    assert lost == {*flat, ("digits", "exponential", 48.0)}
    assert all(row["collapsed"] for row in ROWS if (row["dataset"], row["profile"], row["strength"]) in lost)


def test_dense_images_networks_are_whole() -> None:
    """On digits a unit may be dead at the start, and even next to no strength takes it."""
    dense = [row for row in ROWS if row["profile"] == DENSE]
    assert len(dense) == 3 + 3 + 10
    assert all(row["widths"] == [300, 100] for row in dense if row["dataset"] != "digits")
    assert all(row["widths"][0] >= 60 and row["widths"][1] >= 30 for row in dense if row["dataset"] == "digits")
