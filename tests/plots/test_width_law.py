"""The drawn laws are those of the comparison."""

import matplotlib.figure
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import StepPatch

from bayes_guided import plots
from tests.plots.checks import assert_apart, assert_legible, figure_of, points
from tests.plots.comparisons import made_up

TWO = {"layers.0": 30, "features.0.conv1": 20}


def _laws(ax: Axes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Widths and probabilities by label."""
    found = {}
    for steps in ax.patches:
        if isinstance(steps, StepPatch):
            values, edges, _ = steps.get_data()
            found[str(steps.get_label())] = (np.asarray(edges)[:-1] + 0.5, np.asarray(values))
    return found


@pytest.mark.parametrize("group", ["layers.0", "features.0.conv1", None])
def test_steps_are_the_probabilities_and_the_line_is_the_model(group: str | None) -> None:
    dataset = made_up(TWO).dataset
    ax = plots.width_law(made_up(TWO), group)
    part, name = (dataset, "size") if group is None else (dataset.sel(group=group), "width")
    laws = _laws(ax)
    assert list(laws) == ["prior", "posterior"]
    for side, (widths, drawn) in laws.items():
        expected = part[f"{side}_{name}_pmf"].sel({name: widths.astype(int)})
        np.testing.assert_array_equal(drawn, expected)
        assert drawn.sum() > 0.999, "no probable width is outside the view"
    assert set(points(ax.lines[0])[0]) == {float(part[f"model_{name}"])}
    size = sum(TWO.values()) if group is None else TWO[group]
    assert f"of {size}" in ax.get_xlabel()


def test_a_map_has_no_posterior_law() -> None:
    assert list(_laws(plots.width_law(made_up(TWO, reading="map"), "layers.0"))) == ["prior"]


def test_without_a_posterior_law_the_prior_stands_alone() -> None:
    comparison = made_up(TWO)
    comparison.dataset["posterior_width_pmf"][:] = np.nan
    assert list(_laws(plots.width_law(comparison, "layers.0"))) == ["prior"]


def test_unequal_laws_both_show() -> None:
    comparison = made_up({"a": 100})
    point = np.zeros(101)
    point[17] = 1.0
    assert plots.width_law(comparison, "a").get_yscale() == "linear"
    comparison.dataset["posterior_width_pmf"][0] = point
    ax = plots.width_law(comparison, "a")
    assert ax.get_yscale() == "log"
    low, high = ax.get_ylim()
    assert low < float(comparison.dataset["prior_width_pmf"].max()) < 1.0 < high


@pytest.mark.parametrize("sizes", [{"a": 1}, {"a": 2}, {"features.0.conv1": 400}, {"a": 900}])
@pytest.mark.parametrize("reading", ["inclusion", "map"])
def test_legible_and_the_model_inside(sizes: dict[str, int], reading: str) -> None:
    comparison = made_up(sizes, reading=reading)
    ax = plots.width_law(comparison)
    assert_legible(figure_of(ax))
    low, high = ax.get_xlim()
    assert low < float(comparison.dataset["model_size"]) < high


def test_draws_on_the_axes_it_is_given() -> None:
    ax = matplotlib.figure.Figure().subplots()
    assert plots.width_law(made_up(TWO), ax=ax) is ax


@pytest.mark.parametrize("count", [3, 6])
def test_panels_stay_apart(count: int) -> None:
    figure, axes = plots.panels(count, height=1.9)
    for ax in axes:
        plots.width_law(made_up({"features.0.conv1": 64}), ax=ax)
    assert_legible(figure)
    assert_apart(figure)
