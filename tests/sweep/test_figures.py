"""What the figures of a sweep draw."""

from typing import Any

import numpy as np
import pytest

from bayes_guided.sweep import Trial
from bayes_guided.sweep.figures import front, importances, paths

OBJECTIVES = {"test_nll": "minimize", "parameters_after": "minimize"}


def trial(number: int, results: tuple[float, ...], state: str = "complete", **values: Any) -> Trial:
    return Trial(number, values, state, dict(zip(OBJECTIVES, results, strict=False)), None, 1.0)


TRIALS = [
    trial(0, (3.0, 10.0), strength=0.1, net="a"),
    trial(1, (1.0, 30.0), strength=10.0, net="b"),
    trial(2, (4.0, 40.0), strength=1.0, net="a"),
    trial(3, (), "failed", strength=1.0, net="c"),
]


def test_front_is_joined_from_left_to_right() -> None:
    ax = front(TRIALS, [TRIALS[0], TRIALS[1]], OBJECTIVES)
    every, best = ax.lines
    assert np.asarray(every.get_xydata()).tolist() == [[3.0, 10.0], [1.0, 30.0], [4.0, 40.0]]
    assert np.asarray(best.get_xydata()).tolist() == [[1.0, 30.0], [3.0, 10.0]]
    assert [text.get_text() for text in ax.texts] == ["1", "0"]


@pytest.mark.parametrize(("direction", "expected"), [("minimize", [3.0, 1.0, 1.0]), ("maximize", [3.0, 3.0, 4.0])])
def test_one_objective_shows_the_best_so_far(direction: str, expected: list[float]) -> None:
    ax = front(TRIALS, [TRIALS[1]], {"test_nll": direction})
    assert np.asarray(ax.lines[1].get_ydata()).tolist() == expected


def test_paths_have_a_panel_for_each_objective_and_setting() -> None:
    axes = paths(TRIALS, [TRIALS[1]], list(OBJECTIVES)).axes
    assert [(ax.get_xlabel(), ax.get_ylabel()) for ax in axes] == [
        (key, name) for name in OBJECTIVES for key in ("strength", "net")
    ]
    assert [ax.get_xscale() for ax in axes] == ["log", "linear"] * 2
    assert [text.get_text() for text in axes[1].get_xticklabels()] == ["a", "b"]
    assert [float(np.asarray(line.get_ydata())[0]) for line in axes[2].lines] == [10.0, 30.0, 40.0]


def test_importances_are_bars_in_per_cent() -> None:
    ax = importances({"test_nll": {"strength": 0.75, "net": 0.25}, "parameters_after": {"net": 1.0}})
    assert [bar.get_width() for bar in ax.patches] == [75.0, 25.0, 0.0, 100.0]
