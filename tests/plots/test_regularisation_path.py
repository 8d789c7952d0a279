"""The drawn values are the paths'."""

import matplotlib.figure
import numpy as np
import pytest

from bayes_guided import plots
from tests.plots.checks import assert_legible, figure_of, points
from tests.plots.curves import path

PATHS = [path("linear"), path("exponential", 1.0)]


@pytest.mark.parametrize(
    ("quantity", "group", "column"),
    [
        ("units", None, lambda p: p.widths["layers.0"] + p.widths["layers.1"]),
        ("units", "layers.1", lambda p: p.widths["layers.1"]),
        ("error", None, lambda p: 100 * p.error),
        ("evidence", None, lambda p: p.log_evidence),
    ],
)
def test_lines_are_the_columns(quantity, group, column) -> None:
    ax = plots.regularisation_path(PATHS, quantity, group=group)
    lines = {str(line.get_label()): line for line in ax.lines}
    for expected in PATHS:
        x, y = points(lines[expected.name])
        np.testing.assert_array_equal(x, expected.strengths.numpy())
        np.testing.assert_allclose(y, column(expected).numpy())
    assert ax.get_xscale() == "log"
    assert_legible(figure_of(ax))


def test_the_largest_evidence_is_ringed_and_paths_without_one_left_out() -> None:
    ax = plots.regularisation_path([*PATHS, path("none", evidence=False)], "evidence")
    rings = [points(line) for line in ax.lines if line.get_markerfacecolor() == "none"]
    assert [(float(x[0]), float(y[0])) for x, y in rings] == [(1.0, -210.0), (1.0, -200.0)]
    assert "none" not in {line.get_label() for line in ax.lines}


def test_draws_on_the_axes_it_is_given() -> None:
    ax = matplotlib.figure.Figure().subplots()
    assert plots.regularisation_path(PATHS, ax=ax) is ax
