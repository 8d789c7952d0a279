"""The drawn curves are those of the readings."""

import matplotlib.figure
import numpy as np
import pytest

from bayes_guided import plots
from tests.plots.checks import assert_legible, figure_of, points
from tests.plots.curves import readings


@pytest.mark.parametrize("quantity", ["survival", "log_odds"])
def test_lines_are_the_values_under_their_labels(quantity: str) -> None:
    curves = readings()
    ax = plots.readings(curves, quantity)  # pyright: ignore[reportArgumentType]
    odds = curves.log_odds.numpy()
    expected = odds if quantity == "log_odds" else 1 / (1 + np.exp(-odds))
    lines = [line for line in ax.lines if not str(line.get_label()).startswith("_")]
    assert [line.get_label() for line in lines] == list(curves.labels)
    for line, values in zip(lines, expected, strict=True):
        np.testing.assert_allclose(points(line)[1], values, rtol=1e-12)
    looks = {(str(line.get_color()), str(line.get_linestyle())) for line in lines}
    assert len(looks) == 4, "every curve can be told apart"
    assert_legible(figure_of(ax))


def test_draws_on_the_axes_it_is_given() -> None:
    ax = matplotlib.figure.Figure().subplots()
    assert plots.readings(readings(), ax=ax) is ax
