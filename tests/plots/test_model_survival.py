"""The drawn values are the given ones."""

import matplotlib.figure
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.patches import StepPatch

from bayes_guided import plots
from tests.plots.checks import assert_apart, assert_legible, figure_of, points


def _values(units: int) -> tuple[torch.Tensor, torch.Tensor]:
    place = torch.arange(units, dtype=torch.float64)
    return torch.exp(-place / units), 2 * (place + 1) / (units + 1)


def test_line_is_the_survival_and_the_strip_the_guidance() -> None:
    survival, guidance = _values(20)
    ax = plots.model_survival(survival, guidance, group="layers.0", reading="evidence")
    (line,) = ax.lines
    np.testing.assert_array_equal(points(line)[1], survival.numpy())
    (strip,) = ax.child_axes
    assert isinstance(strip, Axes)
    (steps,) = (patch for patch in strip.patches if isinstance(patch, StepPatch))
    np.testing.assert_array_equal(steps.get_data()[0], guidance.numpy())
    assert strip.get_xlim() == ax.get_xlim()
    assert "evidence" in ax.get_ylabel()


def test_without_guidance_there_is_no_strip() -> None:
    ax = plots.model_survival(_values(5)[0], group="layers.0")
    assert not ax.child_axes
    assert "inclusion" in ax.get_ylabel()


@pytest.mark.parametrize("units", [1, 2, 500])
@pytest.mark.parametrize("guided", [True, False])
def test_legible(units: int, guided: bool) -> None:
    survival, guidance = _values(units)
    assert_legible(figure_of(plots.model_survival(survival, guidance if guided else None, group="features.0.conv1")))


def test_draws_on_the_axes_it_is_given() -> None:
    ax = matplotlib.figure.Figure().subplots()
    assert plots.model_survival(_values(3)[0], group="a", ax=ax) is ax


@pytest.mark.parametrize("count", [2, 12])
def test_panels_stay_apart(count: int) -> None:
    figure, axes = plots.panels(count, height=2.0)
    for ax in axes:
        plots.model_survival(*_values(64), group="blocks.0.conv1", ax=ax)
    assert_legible(figure)
    assert_apart(figure)
