"""The drawn Bayes factors are those of the comparison, in both orders."""

import matplotlib.figure
import numpy as np
import pytest
from matplotlib.axes import Axes

from bayes_guided import plots
from bayes_guided.plots.bayes_factors import GRADES
from tests.plots.checks import assert_apart, assert_legible, figure_of, points
from tests.plots.comparisons import made_up, unpadded

TWO = {"layers.0": 20, "layers.1": 12}


def _points(ax: Axes, markers: str = "o") -> tuple[np.ndarray, np.ndarray]:
    """All points of these markers by their place."""
    drawn = [points(line) for line in ax.lines if line.get_marker() in tuple(markers)]
    x, y = (np.concatenate([pair[part] for pair in drawn]) if drawn else np.empty(0) for part in (0, 1))
    order = np.argsort(x, kind="stable")
    return x[order], y[order]


def _side(ax: Axes) -> Axes:
    (side,) = ax.child_axes
    assert isinstance(side, Axes)
    return side


def test_index_order_and_sorted_without_protected_units() -> None:
    comparison = made_up(TWO)
    free = ~unpadded(comparison, "protected").astype(bool)
    factors = unpadded(comparison, "log_bayes_factor")
    ax = plots.bayes_factors(comparison)
    x, y = _points(ax)
    assert free.sum() == 30
    np.testing.assert_array_equal(x, np.flatnonzero(free))
    np.testing.assert_array_equal(y, factors[free])
    assert ax.get_ylim()[0] < y.min() < y.max() < ax.get_ylim()[1]
    rank, ordered = _points(_side(ax))
    np.testing.assert_array_equal(rank, np.arange(30))
    np.testing.assert_array_equal(ordered, np.sort(factors[free])[::-1])
    assert _side(ax).get_ylim() == ax.get_ylim()


def test_one_group() -> None:
    comparison = made_up(TWO)
    x, y = _points(plots.bayes_factors(comparison, "layers.1"))
    np.testing.assert_array_equal(x, np.arange(1, 12))
    np.testing.assert_array_equal(y, comparison.dataset["log_bayes_factor"].sel(group="layers.1").values[1:12])


def test_bands_end_at_kass_and_rafterys_grades() -> None:
    """Their table is in twice the natural logarithm: 2, 6 and 10."""
    assert [2 * end for end in GRADES.values()] == [2, 6, 10]
    ax = plots.bayes_factors(made_up(TWO))
    ends = {
        round(float(corner), 6)
        for patch in ax.patches
        for corner in patch.get_extents().transformed(ax.transData.inverted()).intervaly
    }
    assert ends == {-5.0, -3.0, -1.0, 0.0, 1.0, 3.0, 5.0}


def test_infinite_factors_are_triangles_and_unknown_ones_left_out() -> None:
    comparison = made_up({"a": 8})
    comparison.dataset["log_bayes_factor"][0, 2:5] = [np.inf, -np.inf, np.nan]
    ax = plots.bayes_factors(comparison)
    assert _points(ax)[0].tolist() == [0, 1, 5, 6, 7]
    assert _points(ax, "^")[0].tolist() == [2]
    assert _points(ax, "v")[0].tolist() == [3]


def test_a_map_has_none_and_says_so() -> None:
    ax = plots.bayes_factors(made_up(TWO, reading="map"))
    assert not len(_points(ax)[0])
    assert [text.get_text() for text in ax.texts] == ["no Bayes factors"]
    assert_legible(figure_of(ax))


def test_wide_ranges_are_logarithmic_beyond_ten_nats() -> None:
    comparison = made_up(TWO)
    assert plots.bayes_factors(comparison).get_yscale() == "linear"
    comparison.dataset["log_bayes_factor"] *= 100
    ax = plots.bayes_factors(comparison)
    assert ax.get_yscale() == "symlog"
    assert "linear to ±10" in ax.get_ylabel()
    assert_legible(figure_of(ax))


@pytest.mark.parametrize("sizes", [{"a": 1}, {"features.0.conv1": 800}, TWO, {f"g{k}": 20 for k in range(30)}])
def test_legible(sizes: dict[str, int]) -> None:
    assert_legible(figure_of(plots.bayes_factors(made_up(sizes))))


def test_draws_on_the_axes_it_is_given_and_panels_stay_apart() -> None:
    ax = matplotlib.figure.Figure().subplots()
    assert plots.bayes_factors(made_up(TWO), ax=ax) is ax
    figure, axes = plots.panels(2, height=2.2)
    for ax in axes:
        plots.bayes_factors(made_up(TWO), ax=ax)
    assert_legible(figure)
    assert_apart(figure)
