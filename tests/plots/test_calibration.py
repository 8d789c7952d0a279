"""The drawn ranks and z are the table's."""

import matplotlib.figure
import numpy as np
import pytest
from matplotlib.axes import Axes

from bayes_guided import plots
from bayes_guided.analysis.sbc import CalibrationTable
from tests.plots.checks import assert_apart, assert_legible, figure_of, points
from tests.plots.curves import calibration

GOOD, BAD = calibration(), calibration(0.25)


@pytest.mark.parametrize("table", [GOOD, BAD])
def test_ranks_and_z(table: CalibrationTable) -> None:
    ax = plots.calibration(table)
    curve = points(ax.lines[-1])
    ranks = np.sort(table.ranks.numpy())
    np.testing.assert_array_equal(curve[0][1:], ranks)
    np.testing.assert_allclose(curve[1][1:], np.arange(1, 201) / 200)
    (side,) = ax.child_axes
    assert isinstance(side, Axes)
    drawn = {str(line.get_label()): points(line) for line in side.lines}
    np.testing.assert_array_equal(drawn["units"][1], table.unit_z.numpy())
    assert drawn["width"][1].tolist() == [table.z]
    low, high = side.get_ylim()
    assert low < -max(3, table.largest_z, abs(table.z)) < max(3, table.largest_z, abs(table.z)) < high
    assert ("not passed" in ax.get_title("left")) == (not table.passed) == (table is BAD)


def test_the_band_holds_the_ranks_of_the_exact_method_only() -> None:
    for table in (GOOD, BAD):
        ranks = np.sort(table.ranks.numpy())
        distance = np.max(np.abs(ranks - np.arange(1, 201) / 200))
        assert (distance < table.rank_band) == (table is GOOD)
    (band,) = plots.calibration(GOOD).collections
    corners = np.asarray(band.get_paths()[0].vertices)
    assert corners[corners[:, 0] == 0][:, 1].max() == pytest.approx(GOOD.rank_band)


@pytest.mark.parametrize("table", [GOOD, BAD])
def test_legible(table: CalibrationTable) -> None:
    assert_legible(figure_of(plots.calibration(table)))


def test_draws_on_the_axes_it_is_given_and_panels_stay_apart() -> None:
    ax = matplotlib.figure.Figure().subplots()
    assert plots.calibration(GOOD, ax=ax) is ax
    figure, axes = plots.panels(2, height=2.2)
    for ax in axes:
        plots.calibration(GOOD, ax=ax)
    assert_legible(figure)
    assert_apart(figure)
