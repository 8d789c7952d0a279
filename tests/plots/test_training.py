"""The drawn values are those of the history."""

from typing import Any, Literal

import matplotlib.figure
import numpy as np
import pytest

from bayes_guided import plots
from bayes_guided.infer import Epoch, History
from tests.plots.checks import assert_apart, assert_legible, figure_of, points


def _history(epochs: int = 8, groups: int = 2, *, validation: bool = True) -> History:
    return History(
        tuple(
            Epoch(
                loss=5.0 / (epoch + 1),
                nll=2.0 / (epoch + 1),
                error=0.5 / (epoch + 1),
                widths={f"blocks.{group}.conv1": 64 - 4 * epoch - group for group in range(groups)},
                validation_error=0.6 / (epoch + 1) if validation else None,
            )
            for epoch in range(epochs)
        )
    )


QUANTITIES: tuple[Literal["loss", "error", "units"], ...] = ("loss", "error", "units")
REFIT = History((Epoch(0.3, 0.2, 0.02, {}, 0.05), Epoch(0.2, 0.1, 0.01, {}, 0.04)))


def test_loss_and_its_likelihood_part_with_the_refit_after_the_fit() -> None:
    history = _history()
    objective, likelihood = plots.training(history, "loss", refit=REFIT).lines[:2]
    np.testing.assert_array_equal(points(objective)[0], np.arange(1, 11))
    np.testing.assert_array_equal(points(objective)[1], [*history.losses, 0.3, 0.2])
    np.testing.assert_array_equal(points(likelihood)[1], [*(epoch.nll for epoch in history.epochs), 0.2, 0.1])


def test_errors_in_percent_where_they_are_fractions() -> None:
    history = _history()
    training, validation = plots.training(history, "error").lines
    np.testing.assert_allclose(points(training)[1], 100 * np.array(history.errors))
    np.testing.assert_allclose(points(validation)[1], 100 * np.array(history.validation_errors))
    (rmse,) = plots.training(_history(validation=False), "error", error_name="RMSE").lines
    np.testing.assert_allclose(points(rmse)[1], history.errors)


def test_units_of_every_group() -> None:
    history = _history()
    ax = plots.training(history, "units", refit=REFIT)
    for line, (name, counts) in zip(ax.lines, history.widths.items(), strict=False):
        assert line.get_label() == name
        np.testing.assert_array_equal(points(line)[1], counts)


@pytest.mark.parametrize("groups", [1, 4, 5, 12])
def test_legend_names_the_groups_or_the_ends_of_the_scale(groups: int) -> None:
    legend = plots.training(_history(groups=groups), "units").get_legend()
    assert legend is not None
    named = [text.get_text() for text in legend.get_texts()]
    if groups <= 4:
        assert named == [f"blocks.{group}.conv1" for group in range(groups)]
    else:
        assert named == ["first: blocks.0.conv1", f"last of {groups}: blocks.{groups - 1}.conv1"]


def test_the_refit_starts_behind_the_last_epoch() -> None:
    border = plots.training(_history(), "units", refit=REFIT).lines[-1]
    assert list(points(border)[0]) == [8.5, 8.5]


def test_negative_losses_are_not_drawn_on_a_log_scale() -> None:
    negative = History((Epoch(-1.0, -2.0, 0.1, {"a": 1}),))
    assert plots.training(negative, "loss").get_yscale() == "linear"
    assert plots.training(_history(), "loss").get_yscale() == "log"


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("groups", [1, 4, 12])
@pytest.mark.parametrize("epochs", [1, 60])
def test_legible(quantity: Any, groups: int, epochs: int) -> None:
    assert_legible(figure_of(plots.training(_history(min(epochs, 14), groups), quantity, refit=REFIT)))


def test_three_panels_stay_apart_with_many_groups() -> None:
    figure, axes = plots.panels(3, height=1.5)
    for quantity, ax in zip(QUANTITIES, axes, strict=True):
        plots.training(_history(groups=12), quantity, refit=REFIT, ax=ax)
    assert_legible(figure)
    assert_apart(figure)


def test_draws_on_the_axes_it_is_given() -> None:
    ax = matplotlib.figure.Figure().subplots()
    assert plots.training(_history(), ax=ax) is ax
