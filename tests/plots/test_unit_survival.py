"""The drawn survivals are those of the comparison."""

import matplotlib.figure
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import StepPatch

from bayes_guided import plots
from bayes_guided.comparison import Comparison, side_by_side
from bayes_guided.exceptions import ComparisonError
from tests.plots.checks import assert_apart, assert_legible, figure_of, points
from tests.plots.comparisons import made_up, unpadded

TWO = {"layers.0": 20, "features.0.conv1": 12}


def _lines(ax: Axes) -> dict[str, np.ndarray]:
    return {str(line.get_label()): points(line)[1] for line in ax.lines if not str(line.get_label()).startswith("_")}


def _steps(strip: object) -> tuple[np.ndarray, np.ndarray]:
    assert isinstance(strip, Axes)
    (steps,) = (patch for patch in strip.patches if isinstance(patch, StepPatch))
    values, edges, _ = steps.get_data()
    return np.asarray(values), np.asarray(edges)


def test_lines_and_strip_are_the_datasets_values() -> None:
    comparison = made_up(TWO)
    ax = plots.unit_survival(comparison, "features.0.conv1")
    row = comparison.dataset.sel(group="features.0.conv1").isel(unit=slice(12))
    lines = _lines(ax)
    np.testing.assert_array_equal(lines["prior"], row["prior_survival"])
    np.testing.assert_array_equal(lines["posterior"], row["posterior_survival"])
    guidance, edges = _steps(ax.child_axes[0])
    np.testing.assert_array_equal(guidance, row["guidance"])
    np.testing.assert_array_equal(edges, np.arange(13) - 0.5)
    assert "inclusion" in ax.get_ylabel()


def test_the_interval_is_the_datasets_and_absent_where_there_is_none() -> None:
    comparison = made_up({"a": 9})
    (band,) = plots.unit_survival(comparison).collections
    corners = np.asarray(band.get_paths()[0].vertices)
    for end in ("posterior_lower", "posterior_upper"):
        for unit, value in enumerate(unpadded(comparison, end)):
            assert np.any((np.abs(corners[:, 0] - unit) <= 0.5) & np.isclose(corners[:, 1], value)), (end, unit)
    assert not plots.unit_survival(made_up({"a": 9}, interval=False)).collections


def test_groups_stand_end_to_end_without_the_fill_of_the_dataset() -> None:
    comparison = made_up(TWO)
    lines = _lines(plots.unit_survival(comparison))
    np.testing.assert_array_equal(lines["prior"], unpadded(comparison, "prior_survival"))
    np.testing.assert_array_equal(lines["posterior"], unpadded(comparison, "posterior_survival"))


def test_a_map_shows_the_units_it_kept_and_no_posterior() -> None:
    comparison = made_up({"layers.0": 20}, reading="map")
    ax = plots.unit_survival(comparison)
    assert list(_lines(ax)) == ["prior"]
    _, kept = ax.child_axes
    values, _ = _steps(kept)
    np.testing.assert_array_equal(values, unpadded(comparison, "in_model"))
    assert isinstance(kept, Axes)
    assert f"{int(values.sum())} of 20" in kept.get_title("left")
    assert "evidence" in ax.get_ylabel()


def test_units_that_the_fit_does_not_know_leave_gaps() -> None:
    comparison = made_up({"a": 9})
    comparison.dataset["posterior_survival"][0, 4] = np.nan
    values = _lines(plots.unit_survival(comparison))["posterior"]
    assert np.flatnonzero(np.isnan(values)).tolist() == [4]


def test_several_fits_and_unknown_groups_are_refused() -> None:
    one = made_up({"a": 3})
    dataset = one.dataset.assign_coords(approximation="", tau=np.nan, curvature=np.nan, notes="")
    both = side_by_side({"first": Comparison(dataset), "second": Comparison(dataset)})
    with pytest.raises(ComparisonError, match="first, second"):
        plots.unit_survival(both)
    plots.unit_survival(both.fit("first"))
    with pytest.raises(ComparisonError, match=r'no group "b".*a'):
        plots.unit_survival(one, "b")


@pytest.mark.parametrize("reading", ["inclusion", "map"])
@pytest.mark.parametrize("sizes", [{"a": 1}, {"a": 2}, {"a": 2048}, TWO, {f"blocks.{place}.conv1": 16 for place in range(12)}])
def test_legible(reading: str, sizes: dict[str, int]) -> None:
    figure = figure_of(plots.unit_survival(made_up(sizes, reading=reading)))
    assert figure.get_size_inches()[0] == pytest.approx(3.3)
    assert_legible(figure)


def test_draws_on_the_axes_it_is_given() -> None:
    ax = matplotlib.figure.Figure().subplots()
    assert plots.unit_survival(made_up({"a": 3}), ax=ax) is ax


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("reading", ["inclusion", "map"])
def test_panels_stay_apart(count: int, reading: str) -> None:
    figure, axes = plots.panels(count, height=2.4)
    for ax in axes:
        plots.unit_survival(made_up({"features.0.conv1": 64}, reading=reading), ax=ax)
    assert_legible(figure)
    assert_apart(figure)
