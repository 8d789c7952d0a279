"""The drawn odds are those of the comparison."""

import matplotlib.figure
import numpy as np
import pytest

from bayes_guided import plots
from tests.plots.checks import assert_legible, figure_of, points
from tests.plots.comparisons import made_up

TWO = {"layers.0": 20, "layers.1": 8}


def test_every_group_has_its_points_and_its_colour() -> None:
    comparison = made_up(TWO)
    ax = plots.prior_posterior_scatter(comparison)
    clouds = {str(line.get_label()): line for line in ax.lines if line.get_label() in TWO}
    assert list(clouds) == list(TWO)
    assert len({str(cloud.get_color()) for cloud in clouds.values()}) == 2
    for name, cloud in clouds.items():
        row = comparison.dataset.sel(group=name)
        free = ~row["protected"].values & row["prior_log_odds"].notnull().values
        np.testing.assert_array_equal(points(cloud)[0], row["prior_log_odds"].values[free])
        np.testing.assert_array_equal(points(cloud)[1], row["posterior_log_odds"].values[free])
        for values, (low, high) in zip(points(cloud), (ax.get_xlim(), ax.get_ylim()), strict=True):
            assert low < values.min() < values.max() < high
    assert len(points(clouds["layers.0"])[0]) == 19, "the protected unit has no odds"


def test_infinite_odds_after_the_data_are_on_the_edge() -> None:
    comparison = made_up({"a": 6})
    comparison.dataset["posterior_log_odds"][0, 1:3] = [np.inf, -np.inf]
    ax = plots.prior_posterior_scatter(comparison)
    found = {line.get_marker(): points(line) for line in ax.lines}
    before = comparison.dataset["prior_log_odds"].values[0]
    assert (found["^"][0].tolist(), found["^"][1].tolist()) == ([before[1]], [1.0])
    assert (found["v"][0].tolist(), found["v"][1].tolist()) == ([before[2]], [0.0])
    assert len(found["o"][0]) == 4


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_the_diagonal_is_where_odds_are_equal_and_one_scale_serves_both_axes(scale: float) -> None:
    comparison = made_up(TWO)
    comparison.dataset["posterior_log_odds"] *= scale
    ax = plots.prior_posterior_scatter(comparison)
    (diagonal,) = (line for line in ax.lines if line.get_linestyle() == "--")
    np.testing.assert_array_equal(*points(diagonal))
    assert ax.get_xscale() == ax.get_yscale() == ("linear" if scale == 1 else "symlog")
    assert_legible(figure_of(ax))


def test_more_than_a_few_groups_are_named_by_the_ends_of_the_scale() -> None:
    legend = plots.prior_posterior_scatter(made_up({f"g{k}": 5 for k in range(9)})).get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["first: g0", "last of 9: g8"]


@pytest.mark.parametrize("sizes", [{"a": 1}, {"features.0.conv1": 800}, {f"blocks.{k}.conv1": 20 for k in range(4)}])
def test_legible(sizes: dict[str, int]) -> None:
    assert_legible(figure_of(plots.prior_posterior_scatter(made_up(sizes))))


def test_draws_on_the_axes_it_is_given() -> None:
    ax = matplotlib.figure.Figure().subplots()
    assert plots.prior_posterior_scatter(made_up(TWO), ax=ax) is ax
