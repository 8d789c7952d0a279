"""Guided against unguided regularisers: the choice and the differences, the quick form, and what the README says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

import bayes_guided as bg
from experiments.conjunction.pairs import MARGIN, Handed, Interval, compare, error_difference, front
from experiments.conjunction.problems import load
from experiments.conjunction.regularisers import NAMES, REGULARISERS
from experiments.conjunction.run import STUDY

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def path(sizes: list[int], validation: list[float], test: list[float], **case: Any) -> dict[str, Any]:
    return case | {"parameters": sizes, "validation_error": validation, "test_error": test, "place": [0.5] * len(sizes)}


DENSE = path([1000], [0.02], [0.03])


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")
def test_quick_measures_every_regulariser_in_both_forms_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = {file: file.read_bytes() for file in STUDY.here.iterdir() if file.is_file()}
    assert STUDY.main(["--quick", "--data-dir", str(SHARED)]) == 0
    printed = capsys.readouterr().out
    assert all(f"| {name} | 1 |" in printed for name in NAMES.values())
    assert before == {file: file.read_bytes() for file in STUDY.here.iterdir() if file.is_file()}


def test_the_interval_is_that_of_scipy() -> None:
    differences = [0.3, -0.1, 0.25, 0.6, 0.2]
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    interval = Interval.of(differences)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert [Interval(mean, 1.0).sign for mean in (-2.0, 0.5, 2.0)] == [-1, 0, 1]
    assert Interval.of([0.3]).sign == 0


def test_the_smallest_network_within_the_margin_is_handed_over_whatever_its_test_error() -> None:
    sizes, validation = [800, 500, 300, 100], [0.01, 0.02 + MARGIN, 0.04, 0.5]
    for test in ([0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]):
        assert Handed.of(path(sizes, validation, test), DENSE) == Handed(500, test[1], 0.5, found=True)
    assert Handed.of(path(sizes, [0.031] * 4, [0.1] * 4), DENSE) == Handed(1000, 0.03, 0.5, found=False)


def test_a_front_drops_what_a_smaller_network_beats_on_validation() -> None:
    sizes, errors = front(path([400, 100, 200, 300], [0.03, 0.1, 0.05, 0.06], [1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_allclose(np.exp(sizes), [100, 200, 400])
    assert errors == [2.0, 3.0, 1.0]


def test_the_difference_at_equal_size_is_the_area_between_the_fronts() -> None:
    guided = path([100, 200, 500, 900], [0.4, 0.3, 0.2, 0.2], [0.4, 0.25, 0.2, 0.9])  # the last network is beaten
    unguided = path([150, 700, 1000], [0.3, 0.2, 0.1], [0.5, 0.3, 0.1])
    grid = np.linspace(np.log(150), np.log(900), 200_001)
    ours = np.interp(grid, np.log([100, 200, 500]), [0.4, 0.25, 0.2])
    other = np.interp(grid, np.log([150, 700, 1000]), [0.5, 0.3, 0.1])
    assert error_difference(guided, unguided) == pytest.approx(float((ours - other).mean()), abs=1e-6)
    assert error_difference(guided, guided) == 0
    assert error_difference(path([10, 20], [0.2, 0.1], [0.2, 0.1]), unguided) is None
    assert error_difference(path([], [], []), unguided) is None


def test_only_seeds_with_both_forms_and_the_dense_network_are_compared() -> None:
    def row(seed: int, regulariser: str, guidance: str, size: int) -> dict[str, Any]:
        return path([size], [0.02], [0.03], data="digits", seed=seed, regulariser=regulariser, guidance=guidance)

    rows = [row(seed, "dense", "constant", 1000) for seed in (0, 1, 2)]
    rows += [row(seed, "l1", "constant", 400) for seed in (0, 1, 3)] + [
        row(seed, "l1", "linear", 200) for seed in (0, 1, 2, 3)
    ]
    (found,) = compare(rows)
    assert (found.data, found.regulariser) == ("digits", "l1")
    assert [network.parameters for network in found.guided] == [200, 200]
    assert (np.exp(found.size.mean), found.size.half) == pytest.approx((0.5, 0.0))
    assert found.error_at_equal_size is None


def test_both_forms_start_from_the_same_weights_and_every_network_is_the_one_described(tmp_path: Path) -> None:
    settings, _ = STUDY.config(quick=True)
    problem = load("digits", 0, settings, tmp_path)
    one, other = (problem.network(batch_norm=False).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    parts = [problem.training[0], problem.validation[0], problem.test[0]]
    assert [len(part) for part in parts] == [1150, 288, 359]
    found = REGULARISERS["l2"].find(problem, 30.0, "linear")
    assert len(found) == 2
    sizes = [sub.num_parameters for _, sub in found]
    assert sizes == sorted(sizes, reverse=True)
    for net, sub in found:
        rows = sub.architecture.rows(net)
        for name, mask in sub.masks.items():
            norms = rows[name].norm(dim=1)
            assert float(norms[mask].min()) > float(norms[~mask].max() if (~mask).any() else 0)
        small = bg.reduce(net, sub)
        assert sum(weights.numel() for weights in small.parameters()) == sub.num_parameters


def test_slimming_presses_on_the_norms_alone(tmp_path: Path) -> None:
    settings, _ = STUDY.config(quick=True)
    ((net, sub),) = REGULARISERS["slimming"].find(load("digits", 0, settings, tmp_path), 1000.0, "constant")
    scales = [layer.weight for layer in net.modules() if isinstance(layer, torch.nn.BatchNorm1d)]
    assert sub.num_units < sub.architecture.num_units
    for scale, mask in zip(scales, sub.masks.values(), strict=True):
        assert torch.equal(scale == 0, ~mask) or int(mask.sum()) == 1


def holm(p_values: dict[tuple[str, str], float], level: float = 0.05) -> set[tuple[str, str]]:
    """The hypotheses that Holm's procedure rejects."""
    rejected = set()
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p * (len(p_values) - rank) > level:
            break
        rejected.add(name)
    return rejected


def _p_value(differences: list[float]) -> float:
    """Of Student's test, two-sided; 1 where there is no difference at all."""
    values = np.asarray(differences)
    error = values.std(ddof=1) / len(values) ** 0.5
    return 2 * float(stats.t.sf(abs(values.mean()) / error, len(values) - 1)) if error else 1.0


def test_what_the_readme_says() -> None:
    rows = STUDY.load()
    found = {(one.data, one.regulariser): one for one in compare(rows)}
    assert set(found) == {(data, name) for data in ("digits", "fashion-mnist") for name in NAMES}
    assert all(len(one.guided) == len(one.unguided) == len(one.at_equal_size) == 5 for one in found.values())
    sizes = {name: one.size for name, one in found.items()}
    errors = {name: Interval.of(one.at_equal_size) for name, one in found.items()}
    assert all(
        interval.sign <= 0 for one in found.values() for interval in (one.size, one.error, Interval.of(one.at_equal_size))
    )
    assert sum(size.mean < 0 for size in sizes.values()) == 16
    smaller = {name for name, size in sizes.items() if size.sign < 0}
    assert smaller == {("digits", name) for name in ("l2", "slimming", "tree_group_lasso")} | {
        ("fashion-mnist", name) for name in ("group_lasso", "sparse_group_lasso")
    }
    assert all(0.4 < np.exp(sizes[name].mean) < 0.6 for name in smaller)
    better = {name for name, error in errors.items() if error.sign < 0}
    points = {"l1": 1.0, "group_lasso": 0.7, "sparse_group_lasso": 0.5, "slimming": 0.5, "tree_group_lasso": 0.4}
    assert better == {("fashion-mnist", name) for name in points}
    assert all(round(-100 * errors["fashion-mnist", name].mean, 1) == value for name, value in points.items())
    assert all(-0.003 <= errors["fashion-mnist", name].mean <= -0.0015 for name in ("l2", "group_half", "l0"))
    halves = [error.half for (data, _), error in errors.items() if data == "digits"]
    assert [round(100 * half, 1) for half in (min(halves), max(halves))] == [0.4, 1.3]
    p_of_error = {name: _p_value(one.at_equal_size) for name, one in found.items()}
    assert holm(p_of_error) == {("fashion-mnist", name) for name in ("l1", "group_lasso", "sparse_group_lasso")}
    log_ratios = {
        name: [float(np.log(ours.parameters / other.parameters)) for ours, other in zip(one.guided, one.unguided, strict=True)]
        for name, one in found.items()
    }
    assert holm({name: _p_value(ratios) for name, ratios in log_ratios.items()}) == set()
    fashion = [one for one in found.values() if one.data == "fashion-mnist"]
    missed = [sum(not network.found for one in fashion for network in getattr(one, form)) for form in ("unguided", "guided")]
    assert missed[0] > missed[1]
    never = found["fashion-mnist", "spike_and_slab"]
    assert not any(network.found for network in [*never.guided, *never.unguided])
    left_out = {form: sum(row["left_out"] for row in rows if row["guidance"] == form) for form in ("constant", "linear")}
    assert left_out == {"constant": 17, "linear": 0}
    assert sum(row["cpu_seconds"] for row in rows) / 60 == pytest.approx(16, abs=0.5)
