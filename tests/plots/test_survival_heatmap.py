"""The drawn survivals are those of the comparison, before above after."""

import matplotlib.figure
import numpy as np
import pytest

from bayes_guided import plots
from tests.plots.checks import assert_legible, figure_of
from tests.plots.comparisons import made_up

SIZES = {"features.0.conv1": 16, "features.1.conv1": 40, "head": 7}


def test_strips_are_the_datasets_rows_without_their_fill() -> None:
    comparison = made_up(SIZES)
    ax = plots.survival_heatmap(comparison)
    strips = {}
    for image in ax.images:
        left, right, bottom, top = image.get_extent()
        assert (left, right) == (0, 1)
        place = round(0.5 * (bottom + top))
        side = "prior" if 0.5 * (bottom + top) < place else "posterior"
        strips[place, side] = np.asarray(image.get_array())
    assert len(strips) == 6
    assert ax.yaxis_inverted(), "so that smaller is higher"
    for place, (group, size) in enumerate(SIZES.items()):
        for side in ("prior", "posterior"):
            expected = comparison.dataset[f"{side}_survival"].sel(group=group).values[None, :size]
            np.testing.assert_array_equal(strips[place, side], expected)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["…tures.0.conv1 (16)", "…tures.1.conv1 (40)", "head (7)"]


def test_colours_mean_the_same_everywhere() -> None:
    comparison = made_up(SIZES)
    comparison.dataset["prior_survival"] *= 0.5
    assert {image.get_clim() for image in plots.survival_heatmap(comparison).images} == {(0, 1)}


def test_unknown_units_are_blank() -> None:
    comparison = made_up({"a": 9})
    comparison.dataset["posterior_survival"][0, 4] = np.nan
    after = plots.survival_heatmap(comparison).images[1].get_array()
    assert np.ma.getmaskarray(after)[0].tolist() == [unit == 4 for unit in range(9)]


@pytest.mark.parametrize(
    "sizes", [{"a": 1}, SIZES, {f"blocks.{k}.conv1": 64 + k for k in range(20)}, {f"g{k}": 3 for k in range(90)}]
)
def test_legible(sizes: dict[str, int]) -> None:
    figure = figure_of(plots.survival_heatmap(made_up(sizes)))
    assert_legible(figure)
    assert figure.get_size_inches()[1] <= 8


def test_draws_on_the_axes_it_is_given() -> None:
    ax = matplotlib.figure.Figure(layout="constrained").subplots()
    assert plots.survival_heatmap(made_up(SIZES), ax=ax) is ax
