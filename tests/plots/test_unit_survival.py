"""The drawn values are the given ones."""

import matplotlib.figure
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle, StepPatch

from bayes_guided import plots
from bayes_guided.priors.threshold_survival import GroupSurvival
from tests.plots.checks import assert_apart, assert_legible, figure_of, points


def _group(units: int = 20, levels: int = 3) -> GroupSurvival:
    place = torch.arange(units, dtype=torch.float64)
    return GroupSurvival(
        group="features.0.conv1",
        guidance=2 * (place + 1) / (units + 1),
        thresholds=torch.linspace(0.5, 1.5, levels),
        prior=torch.stack([torch.exp(-(place + 1) * (level + 1) / units) for level in range(levels)]) if levels else None,
        alive=place % 3 == 0,
    )


def _strips(ax: Axes) -> tuple[Axes, Axes]:
    guidance, kept = ax.child_axes
    assert isinstance(guidance, Axes)
    assert isinstance(kept, Axes)
    return guidance, kept


def test_line_is_the_middle_threshold_and_the_band_runs_between_the_outer_ones() -> None:
    group = _group()
    ax = plots.unit_survival(group)
    assert group.prior is not None
    (line,) = ax.lines
    np.testing.assert_array_equal(points(line)[1], group.prior[1].numpy())
    np.testing.assert_array_equal(points(line)[0], np.arange(20))
    (band,) = ax.collections
    corners = {tuple(corner) for corner in np.asarray(band.get_paths()[0].vertices).tolist()}
    for unit in range(20):
        assert (unit, float(group.prior[0, unit])) in corners
        assert (unit, float(group.prior[2, unit])) in corners


def test_strips_show_guidance_and_the_units_that_are_alive() -> None:
    group = _group()
    guidance, kept = _strips(plots.unit_survival(group))
    (steps,) = (patch for patch in guidance.patches if isinstance(patch, StepPatch))
    values, edges, _ = steps.get_data()
    np.testing.assert_array_equal(values, group.guidance.numpy())
    np.testing.assert_array_equal(edges, np.arange(21) - 0.5)
    bars = [bar for bar in kept.patches if isinstance(bar, Rectangle)]
    assert [bar.get_x() + bar.get_width() / 2 for bar in bars] == group.alive.nonzero().flatten().tolist()
    assert "7 of 20" in kept.get_title("left")


def test_guidance_strip_and_units_share_the_axis() -> None:
    ax = plots.unit_survival(_group())
    assert all(strip.get_xlim() == ax.get_xlim() for strip in _strips(ax))


def test_a_family_without_the_reading_says_so() -> None:
    ax = plots.unit_survival(_group(levels=0))
    assert not ax.lines
    assert any("no threshold reading" in text.get_text() for text in ax.texts)


def test_one_threshold_is_a_line_alone() -> None:
    ax = plots.unit_survival(_group(levels=1))
    assert len(ax.lines) == 1
    assert not ax.collections


@pytest.mark.parametrize("units", [1, 2, 500])
def test_legible(units: int) -> None:
    figure = figure_of(plots.unit_survival(_group(units)))
    assert figure.get_size_inches()[0] == pytest.approx(3.3)
    assert_legible(figure)


def test_draws_on_the_axes_it_is_given() -> None:
    ax = matplotlib.figure.Figure().subplots()
    assert plots.unit_survival(_group(), ax=ax) is ax


@pytest.mark.parametrize("count", [1, 3, 4, 12])
def test_panels_of_many_groups_stay_apart(count: int) -> None:
    figure, axes = plots.panels(count, height=2.4)
    for ax in axes:
        plots.unit_survival(_group(), ax=ax)
    assert_legible(figure)
    assert_apart(figure)
