"""The drawn norms are those of the comparison."""

import matplotlib.figure
import numpy as np
import pytest

from bayes_guided import plots
from tests.plots.checks import assert_apart, assert_legible, figure_of, points
from tests.plots.comparisons import made_up, unpadded


@pytest.mark.parametrize("sizes", [{"layers.0": 15}, {"a": 6, "b": 9}])
def test_points_are_the_norms_and_exact_zeros_are_marked_apart(sizes: dict[str, int]) -> None:
    comparison = made_up(sizes)
    norms = unpadded(comparison, "row_norm")
    kept, gone = (line for line in plots.row_norms(comparison).lines if "zero" in str(line.get_label()))
    assert 0 < (norms == 0).sum() < len(norms)
    np.testing.assert_array_equal(points(kept)[0], np.flatnonzero(norms))
    np.testing.assert_array_equal(points(kept)[1], norms[norms != 0])
    np.testing.assert_array_equal(points(gone)[0], np.flatnonzero(norms == 0))
    np.testing.assert_array_equal(points(gone)[1], 0)
    assert kept.get_label() == f"not zero ({(norms != 0).sum()})"


@pytest.mark.parametrize("sizes", [{"a": 1}, {"features.0.conv1": 500}, {"a": 30, "b": 20}, {f"g{k}": 64 for k in range(20)}])
@pytest.mark.parametrize("gone", [False, True])
def test_legible_and_all_points_inside(sizes: dict[str, int], gone: bool) -> None:
    comparison = made_up(sizes)
    if gone:
        comparison.dataset["row_norm"] *= 0.0
    ax = plots.row_norms(comparison)
    assert_legible(figure_of(ax))
    low, high = ax.get_ylim()
    assert low < 0 <= float(comparison.dataset["row_norm"].max()) < high


def test_draws_on_the_axes_it_is_given() -> None:
    ax = matplotlib.figure.Figure().subplots()
    assert plots.row_norms(made_up({"a": 4}), ax=ax) is ax


def test_panels_of_twelve_groups_stay_apart() -> None:
    figure, axes = plots.panels(12, height=1.7)
    for ax in axes:
        plots.row_norms(made_up({"blocks.0.conv1": 16}), ax=ax)
    assert_legible(figure)
    assert_apart(figure)
