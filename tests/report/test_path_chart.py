"""Where the runs of a path stand in its chart."""

import math
from pathlib import Path

import pytest

from bayes_guided.report import ReportedRun, read_reported
from bayes_guided.report.path_chart import BOTTOM, HEIGHT, LEFT, RIGHT, WIDTH, path_of
from tests.report.conftest import STRENGTHS


@pytest.fixture(scope="module")
def runs(folders: dict[str, Path]) -> list[ReportedRun]:
    return read_reported([folders[name] for name in STRENGTHS])


def test_points_stand_in_order_of_strength_on_a_logarithmic_axis(runs: list[ReportedRun]) -> None:
    path = path_of(runs)
    assert path is not None
    assert [runs[point.run].name for point in path.points] == ["weak", "middle", "strong"]
    span = WIDTH - LEFT - RIGHT
    for point in path.points:
        part = math.log(point.strength / 0.1) / math.log(3.0 / 0.1)
        assert point.x == pytest.approx(LEFT + part * span, abs=0.01)


def test_heights_are_in_proportion_to_the_metrics(runs: list[ReportedRun]) -> None:
    path = path_of(runs)
    assert path is not None
    ordered = [runs[point.run] for point in path.points]
    chosen = path.panels[0].lines[0]
    assert chosen.values == tuple(run.metrics.units_after for run in ordered)
    before = path.panels[0].lines[1]
    assert before.values == tuple(float(run.comparison.dataset["prior_effective_size"]) for run in ordered)
    floor = HEIGHT - BOTTOM
    scales = [
        (floor - height) / value for line in (chosen, before) for value, height in zip(line.values, line.heights, strict=True)
    ]
    assert scales == pytest.approx([scales[0]] * len(scales), rel=0.01)
    assert path.panels[1].lines[0].values == tuple(run.metrics.test_error for run in ordered)


def test_no_path_where_more_differs_than_strength(runs: list[ReportedRun], svi: ReportedRun) -> None:
    assert path_of(runs[:1]) is None
    assert path_of([runs[0], runs[0]]) is None
    assert path_of([runs[0], svi]) is None
