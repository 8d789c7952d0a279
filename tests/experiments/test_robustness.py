"""The robustness experiment: its data, its choice of strength, its tables, its sweep, and what its README says."""

from itertools import pairwise
from pathlib import Path
from statistics import mean

import pytest
import torch
from torch.distributions import Normal

from bayes_guided.config import RunConfig
from bayes_guided.sweep import load_sweep
from experiments.robustness.fits import changed, chosen
from experiments.robustness.grid import (
    BASE,
    CHOSEN,
    CLASSES,
    EPOCHS,
    FASHION,
    FIXED,
    LR,
    NOISE,
    STARTS,
    STEPS,
    STRENGTH,
    TEACHER,
    cases,
)
from experiments.robustness.problems import images, taught
from experiments.robustness.run import STUDY
from experiments.robustness.tables import levels
from experiments.robustness.tables import taught as taught_rows
from experiments.study import Row

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
needs_images = pytest.mark.skipif(not (SHARED / "mnist").is_dir(), reason="the images of ../shared/data are not here")
SETTINGS, GRID = STUDY.config(quick=False)
ROWS = STUDY.load()


@needs_images
def test_quick_measures_every_kind_of_case_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in STUDY.here.iterdir() if path.is_file()}
    assert STUDY.main(["--quick", "--data-dir", str(SHARED)]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in (STARTS, f"{NOISE}, strength {CHOSEN}", CLASSES, FASHION, STEPS, "teacher of 4"))
    assert before == {path: path.read_bytes() for path in STUDY.here.iterdir() if path.is_file()}


@needs_images
def test_images_are_of_the_classes_and_test_labels_are_right() -> None:
    clean, noisy = (images(SHARED, "mnist", classes=4, samples=2000, noise=noise, seed=3) for noise in (0.0, 0.4))
    assert clean.num_classes == 4
    assert clean.train_y.unique().tolist() == clean.test_y.unique().tolist() == [0, 1, 2, 3]
    assert torch.equal(clean.train_x, noisy.train_x)
    assert torch.equal(clean.test_y, noisy.test_y)
    assert int((clean.train_y != noisy.train_y).sum()) == 800
    assert len(clean.train_x) == 2000
    assert 3500 < len(clean.test_x) < 4500  # MNIST has 892 to 1135 test images a digit


def test_a_teacher_s_target_is_that_of_orthogonal_units_with_the_noise_asked_for() -> None:
    sizes = {"features": 20, "samples": 20_000, "test_samples": 5000}
    clean, noisy = (taught(8, noise=noise, seed=1, **sizes) for noise in (0.0, 0.5))
    assert clean.train_y.mean().abs() < 1e-5
    assert clean.train_y.std() == pytest.approx(1.0, abs=1e-4)
    assert torch.equal(clean.test_y, noisy.test_y)
    added = noisy.train_y - clean.train_y
    assert added.std() == pytest.approx(0.5, abs=4 * 0.5 / (2 * 20_000) ** 0.5)
    # In the span of the eight directions every direction matters alike, outside it none does: E[y x] has norm
    # sqrt(8) * (1/2) / sqrt(8 var relu), since E[relu(z) z] = 1/2, and it lies in that span.
    relu_variance = 0.5 - 1 / (2 * torch.pi)
    slope = (clean.train_y[:, None] * clean.train_x).mean(dim=0).norm()
    assert slope == pytest.approx(0.5 / relu_variance**0.5, abs=0.05)
    # All curvature lies in those directions: E[y (x x' - I)] has E[relu(z)(z^2 - 1)] = phi(0) in each, signs alternating.
    second = (clean.train_y[:, None, None] * (clean.train_x[:, :, None] * clean.train_x[:, None, :])).mean(dim=0)
    values = torch.linalg.eigvalsh(second)
    height = float(Normal(0.0, 1.0).log_prob(torch.tensor(0.0)).exp()) / (8 * relu_variance) ** 0.5
    assert torch.allclose(values[:4], torch.full((4,), -height), atol=0.08)
    assert torch.allclose(values[-4:], torch.full((4,), height), atol=0.08)
    assert values[4:-4].abs().max() < 0.08 < height


def test_the_strength_chosen_is_the_largest_within_a_standard_error_of_the_best() -> None:
    best = torch.tensor([0.0, 1.0, 0.0, 1.0])  # mean 0.5, standard error sqrt(1/3) / 2 = 0.289
    losses = [torch.full((4,), 0.6), best, torch.full((4,), 0.78), torch.full((4,), 0.80)]
    assert chosen(losses, [1.0, 3.0, 10.0, 30.0]) == 10.0
    assert chosen(losses[:2], [3.0, 1.0]) == 3.0


def test_a_case_changes_its_factor_alone() -> None:
    base = SETTINGS["images"]
    for case in cases(GRID):
        options = changed(case, SETTINGS)
        names = {
            STRENGTH: {"strength"},
            LR: {"lr"},
            EPOCHS: {"batch_size"},
            STEPS: {"batch_size", "epochs", "refit_epochs"},
        }.get(case["factor"], set())
        expected = SETTINGS["teacher"] if case["factor"] == TEACHER else base
        assert {name for name in expected if options[name] != expected[name]} == names
        if case["factor"] == STEPS:
            steps = [size["epochs"] * (10_000 / size["batch_size"]) for size in (options, base)]
            assert steps[0] == pytest.approx(steps[1])


def test_a_factor_s_levels_have_the_base_setting_with_the_same_seeds() -> None:
    case = {"noise": 0.0, "strength": FIXED, "lambda": 3.0, "lr": 1, "batch_size": 256}
    rows = [case | {"factor": BASE, "level": 0, "seed": seed} for seed in (0, 1, 2)]
    rows += [case | {"factor": STRENGTH, "level": 1.0, "lambda": 1.0, "seed": seed} for seed in (0, 1)]
    rows += [case | {"factor": CLASSES, "level": 2, "seed": 0}]
    rows += [case | {"factor": NOISE, "level": 0.0, "strength": CHOSEN, "seed": seed} for seed in (0, 1)]
    rows += [case | {"factor": CLASSES, "level": 4, "strength": CHOSEN, "seed": 1}]
    assert [(level, [row["seed"] for row in group]) for level, group in levels(rows, STRENGTH).items()] == [
        (1.0, [0, 1]),
        (3.0, [0, 1]),
    ]
    assert [(level, len(group)) for level, group in levels(rows, CLASSES).items()] == [(2, 1), (10, 1)]
    assert [(level, len(group)) for level, group in levels(rows, CLASSES, CHOSEN).items()] == [(4, 1), (10, 1)]


@needs_images
def test_the_sweep_loads_and_its_first_trial_is_a_run() -> None:
    sweep = load_sweep(STUDY.here / "sweep.yaml", data_dir=SHARED)
    first = sweep.run_config(sweep.config.point(0), name="0000")
    assert isinstance(first, RunConfig)
    assert (sweep.config.num_trials, first.prior.strength, first.fit.arguments["lr"], first.seed) == (63, 1.0, 1e-3, 0)
    strengths = sweep.config.space["prior.strength"].values
    assert max(strengths) / min(strengths) == 1000


# What the README says of the stored results.


def _mean_widths(groups: dict[float, list[Row]], layer: int) -> list[float]:
    return [mean(row["widths"][layer] for row in group) for group in groups.values()]


def _mean_errors(groups: dict[float, list[Row]]) -> list[float]:
    return [100 * mean(row["test_error"] for row in group) for group in groups.values()]


def _by_seed(group: list[Row]) -> dict[int, Row]:
    return {row["seed"]: row for row in group}


@pytest.mark.parametrize("factor", [CLASSES, FASHION])
def test_at_a_fixed_strength_both_layers_are_wider_with_more_classes(factor: str) -> None:
    groups = levels(ROWS, factor)
    assert list(groups) == [2, 4, 6, 10]
    two, *_, ten = (_by_seed(group) for group in groups.values())
    assert all(ten[seed]["widths"][layer] > 3 * two[seed]["widths"][layer] for seed in two for layer in (0, 1))
    for layer in (0, 1):
        means = _mean_widths(groups, layer)
        assert means == sorted(means)


def test_fashion_is_harder_but_not_wider() -> None:
    mnist, fashion = levels(ROWS, CLASSES)[10], levels(ROWS, FASHION)[10]
    assert mean(row["test_error"] for row in fashion) > 2.9 * mean(row["test_error"] for row in mnist)
    for layer in (0, 1):
        assert mean(row["widths"][layer] for row in fashion) < mean(row["widths"][layer] for row in mnist)


def test_at_a_fixed_strength_wrong_labels_do_not_widen_the_network() -> None:
    groups = levels(ROWS, NOISE)
    assert list(groups) == [0.0, 0.1, 0.2, 0.3, 0.4]
    first, second = (_mean_widths(groups, layer) for layer in (0, 1))
    assert max(first) - first[0] < 3.1
    assert first[-1] < first[0]
    assert second == sorted(second, reverse=True)
    errors = _mean_errors(groups)
    assert errors == sorted(errors)
    assert errors[0] < 5
    assert 11 < errors[-1] < 12


def test_a_chosen_strength_rises_with_wrong_labels_and_the_width_falls() -> None:
    groups = levels(ROWS, NOISE, CHOSEN)
    assert list(groups) == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert all(row["lambda"] <= 1 for row in groups[0.0])
    assert all(row["lambda"] == 30 for row in groups[0.4])
    strengths = [mean(row["lambda"] for row in group) for group in groups.values()]
    assert strengths == sorted(strengths)
    for layer in (0, 1):
        widths = _mean_widths(groups, layer)
        assert widths == sorted(widths, reverse=True)
    assert _mean_widths(groups, 0)[0] > 7 * _mean_widths(groups, 0)[-1]
    gains = [chosen - fixed for chosen, fixed in zip(_mean_errors(groups), _mean_errors(levels(ROWS, NOISE)), strict=True)]
    assert -0.9 < gains[0] < -0.7
    assert all(0.1 <= round(gain, 2) <= 0.5 for gain in gains[1:])
    macs = [[mean(row["macs"] for row in group) for group in levels(ROWS, NOISE, how).values()] for how in (CHOSEN, FIXED)]
    saved = [round(100 * (1 - chosen / fixed)) for chosen, fixed in zip(*macs, strict=True)][1:]
    assert (min(saved), max(saved)) == (31, 65)


def test_the_width_follows_the_teacher_s_at_every_noise() -> None:
    for how in (FIXED, CHOSEN):
        groups = taught_rows(ROWS, how)
        for noise in {noise for noise, _ in groups}:
            found = [_by_seed(groups[noise, units]) for units in (2, 4, 8, 16)]
            for few, many in pairwise(found):
                assert all(many[seed]["widths"] >= few[seed]["widths"] for seed in few)
                assert sum(row["widths"][0] for row in many.values()) > sum(row["widths"][0] for row in few.values())


def test_at_a_fixed_strength_noise_takes_units_away_and_16_of_the_noisiest_are_not_found() -> None:
    groups = taught_rows(ROWS)
    for units in (2, 4, 8, 16):
        quiet, noisy = (_by_seed(groups[noise, units]) for noise in (0.05, 0.8))
        assert all(noisy[seed]["widths"] < quiet[seed]["widths"] for seed in quiet)
    assert all(9 <= row["widths"][0] <= 10 and row["test_error"] > 0.38 for row in groups[0.8, 16])
    assert all(units <= row["widths"][0] for (noise, units), group in groups.items() if noise <= 0.2 for row in group)


def test_with_a_chosen_strength_the_teacher_s_width_is_found_to_within_three_units_from_noise_of_a_fifth() -> None:
    groups = taught_rows(ROWS, CHOSEN)
    excess = {key: [row["widths"][0] - key[1] for row in group] for key, group in groups.items()}
    assert all(0 <= more <= 1 for (noise, _), group in excess.items() if noise == 0.2 for more in group)
    assert all(0 <= more <= 3 for (noise, _), group in excess.items() if noise == 0.8 for more in group)
    assert all(0 <= more <= 5 for group in excess.values() for more in group)
    exact = [more == 0 for (noise, _), group in excess.items() if noise == 0.2 for more in group]
    assert (sum(exact), len(exact)) == (9, 12)
    largest = [row["lambda"] == 300 for units in (2, 4, 8, 16) for row in groups[0.05, units]]
    assert (sum(largest), len(largest)) == (9, 12)
    # At noise 0.8 the choice has found the 16 units that the fixed strength lost, at a lower error.
    fixed, picked = (_by_seed(taught_rows(ROWS, how)[0.8, 16]) for how in (FIXED, CHOSEN))
    assert all(picked[seed]["test_error"] < fixed[seed]["test_error"] for seed in fixed)


def test_three_decades_of_strength_and_sixteenfold_learning_rates() -> None:
    strengths, rates = levels(ROWS, STRENGTH), levels(ROWS, LR)
    assert list(strengths) == [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]
    assert list(rates) == [0.001, 0.002, 0.004, 0.008, 0.016]
    for groups, ratios in ((strengths, (13, 5)), (rates, (1.8, 1.7))):
        for layer, ratio in enumerate(ratios):
            widths = _mean_widths(groups, layer)
            assert widths == sorted(widths, reverse=True)
            assert widths[0] / widths[-1] > ratio
    errors = _mean_errors(strengths)
    assert errors == sorted(errors)
    assert max(_mean_errors(rates)) - min(_mean_errors(rates)) < 0.65


def test_the_batch_changes_the_width_less_at_equal_steps() -> None:
    epochs, steps = (levels(ROWS, factor) for factor in (EPOCHS, STEPS))
    assert list(epochs) == list(steps) == [64, 128, 256, 512, 1024]
    assert _mean_widths(epochs, 0)[-1] / _mean_widths(epochs, 0)[0] > 1.5
    assert _mean_widths(epochs, 1)[-1] / _mean_widths(epochs, 1)[0] > 1.8
    falling = _mean_widths(steps, 0)
    assert falling == sorted(falling, reverse=True)
    assert 1.3 < falling[0] / falling[-1] < 1.45
    assert max(_mean_widths(steps, 1)) / min(_mean_widths(steps, 1)) < 1.2


def test_seeds_move_the_width_by_a_tenth() -> None:
    base = [row for row in ROWS if row["factor"] == BASE]
    assert len(base) == 5
    for layer in (0, 1):
        widths = [row["widths"][layer] for row in base]
        assert max(abs(width / mean(widths) - 1) for width in widths) < 0.1


def test_where_the_strength_is_chosen_two_classes_need_far_fewer_units_than_ten() -> None:
    groups = levels(ROWS, CLASSES, CHOSEN)
    two, ten = _by_seed(groups[2]), _by_seed(groups[10])
    assert two.keys() == ten.keys() == {0, 1, 2}
    assert all(6 * two[seed]["widths"][0] < ten[seed]["widths"][0] for seed in two)
    assert all(2 * two[seed]["widths"][1] <= ten[seed]["widths"][1] for seed in two)
    means = [mean(row["widths"][0] for row in group) for group in groups.values()]
    assert means == sorted(means)
    assert (min(row["widths"][0] for row in groups[6]), max(row["widths"][0] for row in groups[6])) == (19, 67)
    fashion = [row["widths"][0] for row in levels(ROWS, FASHION, CHOSEN)[10]]
    assert (min(fashion), max(fashion)) == (12, 84)
