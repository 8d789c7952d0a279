"""The drawn values are the given ones."""

import matplotlib.figure
import numpy as np
import pytest
import torch
from matplotlib.patches import StepPatch
from scipy import stats

from bayes_guided import plots
from bayes_guided.priors import CountLaw
from tests.plots.checks import assert_apart, assert_legible, figure_of, points

LAW = CountLaw(torch.from_numpy(stats.poisson.pmf(range(257), 12)))


def test_steps_are_the_probabilities_and_the_marks_mean_and_quantiles() -> None:
    ax = plots.model_width(LAW, name="layers.0")
    (steps,) = (patch for patch in ax.patches if isinstance(patch, StepPatch))
    values, edges, _ = steps.get_data()
    low = round(edges[0] + 0.5)
    np.testing.assert_array_equal(values, LAW.pmf[low : low + len(values)].numpy())
    assert values.sum() > 0.999
    assert len(values) < 60
    mean, between = ax.lines
    assert points(mean)[0].tolist() == [LAW.mean] * 2
    assert points(between)[0].tolist() == [LAW.quantile(0.05) - 0.5, LAW.quantile(0.95) + 0.5]
    assert "of 256" in ax.get_xlabel()


@pytest.mark.parametrize(
    "law",
    [
        LAW,
        CountLaw(torch.tensor([0.0, 1.0])),
        CountLaw(torch.tensor([1.0, 0.0])),
        CountLaw(torch.full((501,), 1 / 501)),
        CountLaw(torch.tensor([0.0] * 100 + [1.0])),
    ],
)
def test_legible_and_every_probable_width_inside(law: CountLaw) -> None:
    ax = plots.model_width(law, name="features.0.conv1")
    assert_legible(figure_of(ax))
    low, high = ax.get_xlim()
    assert low <= law.quantile(0.001) - 0.5 < law.quantile(0.999) + 0.5 <= high


def test_draws_on_the_axes_it_is_given() -> None:
    ax = matplotlib.figure.Figure().subplots()
    assert plots.model_width(LAW, name="a", ax=ax) is ax


@pytest.mark.parametrize("count", [3, 12])
def test_panels_stay_apart_and_legends_inside(count: int) -> None:
    figure, axes = plots.panels(count, height=1.7)
    for ax in axes:
        plots.model_width(CountLaw(LAW.pmf.repeat(8) / 8), name="blocks.0.conv1", ax=ax)
    assert_legible(figure)
    assert_apart(figure)
    for ax in axes:
        legend = ax.get_legend()
        assert legend is not None
        assert legend.get_window_extent().x0 >= ax.get_window_extent().x0
