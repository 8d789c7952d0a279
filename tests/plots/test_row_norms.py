"""The drawn values are the given ones."""

import matplotlib.figure
import numpy as np
import pytest
import torch

from bayes_guided import plots
from tests.plots.checks import assert_apart, assert_legible, figure_of, points

NORMS = torch.tensor([2.0, 0.0, 1.5, 1e-6, 0.0, 0.5])


def test_points_are_the_norms_and_exact_zeros_are_marked_apart() -> None:
    kept, gone = plots.row_norms(NORMS, group="layers.0").lines
    np.testing.assert_array_equal(points(kept)[0], [0, 2, 3, 5])
    np.testing.assert_array_equal(points(kept)[1].astype(np.float32), NORMS[[0, 2, 3, 5]].numpy())
    np.testing.assert_array_equal(points(gone)[0], [1, 4])
    np.testing.assert_array_equal(points(gone)[1], [0, 0])
    assert (kept.get_label(), gone.get_label()) == ("kept (4)", "zero (2)")


@pytest.mark.parametrize(
    "norms", [NORMS, torch.zeros(4), torch.ones(1), torch.rand(500, generator=torch.Generator().manual_seed(0))]
)
def test_legible_and_all_points_inside(norms: torch.Tensor) -> None:
    ax = plots.row_norms(norms, group="features.0.conv1")
    assert_legible(figure_of(ax))
    low, high = ax.get_ylim()
    assert low < 0 <= float(norms.max()) < high


def test_draws_on_the_axes_it_is_given() -> None:
    ax = matplotlib.figure.Figure().subplots()
    assert plots.row_norms(NORMS, group="a", ax=ax) is ax


def test_panels_of_twelve_groups_stay_apart() -> None:
    figure, axes = plots.panels(12, height=1.7)
    for place, ax in enumerate(axes):
        plots.row_norms(NORMS + (place == 0), group="blocks.0.conv1", ax=ax)
    assert_legible(figure)
    assert_apart(figure)
