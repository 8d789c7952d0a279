"""The drawn values are the curve's, less those of the best model."""

import matplotlib.figure
import numpy as np
import pytest

from bayes_guided import plots
from bayes_guided.analysis.occam import OccamCurve
from tests.plots.checks import assert_legible, figure_of, points
from tests.plots.curves import occam

PATH, TOP = occam([1, 2, 3, 5, 8, 13]), occam([3, 5, 3, 4, 4, 2])
COLUMNS = {"fit": "fit", "log evidence": "log_evidence", "log prior": "log_prior", "log posterior": "log_posterior"}


@pytest.mark.parametrize("curve", [PATH, TOP])
def test_every_quantity_against_the_best_model(curve: OccamCurve) -> None:
    ax = plots.occam_curve(curve)
    lines = {str(line.get_label()): line for line in ax.lines}
    best = int(np.argmax((curve.fit + curve.log_occam + curve.log_prior).numpy()))
    for label, name in COLUMNS.items():
        x, y = points(lines[label])
        values = getattr(curve, name).numpy()
        np.testing.assert_allclose(y, values - values[best], atol=1e-12)
        np.testing.assert_array_equal(np.round(x), curve.sizes.numpy())
        assert (lines[label].get_linestyle() == "-") == (curve is PATH)
    assert [text.get_text() for text in ax.texts] == [f"best: {int(curve.sizes[best])}"]


@pytest.mark.parametrize("curve", [PATH, TOP, occam([4]), occam([1, 2], scale=1e4)])
def test_legible(curve: OccamCurve) -> None:
    assert_legible(figure_of(plots.occam_curve(curve)))


def test_draws_on_the_axes_it_is_given() -> None:
    ax = matplotlib.figure.Figure().subplots()
    assert plots.occam_curve(PATH, ax=ax) is ax
