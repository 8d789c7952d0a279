"""Which figures a run gets, and that they show its comparison."""

import io
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import bayes_guided as bg
from bayes_guided import guidance, likelihoods
from bayes_guided.infer import Epoch, History, MAPFit
from bayes_guided.plots.style import styled
from bayes_guided.run.figures import draw_figures, figures_of
from tests.plots.checks import assert_legible, points
from tests.plots.comparisons import made_up

ALWAYS = {"width_law", "row_norms", "architecture"}
SECONDS = 2.0


def _fit(sizes: dict[str, int], *, trained: bool = True) -> MAPFit:
    """A MAP of a network with these hidden widths, as it was made."""
    net = bg.nets.mlp(3, list(sizes.values()), outputs=2)
    architecture = bg.Architecture.from_module(net, torch.zeros(2, 3))
    prior = bg.GuidedPrior(architecture, bg.priors.GroupLaplace(1.0), guidance.linear())
    history = History((Epoch(1.0, 0.5, 0.2, sizes), Epoch(0.8, 0.4, 0.1, sizes))) if trained else History()
    return MAPFit(prior, likelihoods.Categorical(), net, history, 0, 1.0, refit=None)


def _sizes(count: int, size: int = 6) -> dict[str, int]:
    return {f"layers.{place}": size for place in range(count)}


@pytest.mark.parametrize(
    ("groups", "reading", "trained", "expected"),
    [
        (1, "inclusion", True, {"unit_survival", "bayes_factors", "prior_posterior_scatter", "training"}),
        (2, "map", True, {"unit_survival", "training"}),
        (4, "inclusion", False, {"unit_survival", "bayes_factors", "prior_posterior_scatter"}),
        (5, "inclusion", True, {"survival_heatmap", "bayes_factors", "prior_posterior_scatter", "training"}),
        (5, "map", False, {"survival_heatmap"}),
    ],
)
def test_figures_that_make_sense(groups: int, reading: str, trained: bool, expected: set[str]) -> None:
    sizes = _sizes(groups)
    figures = figures_of(_fit(sizes, trained=trained), made_up(sizes, reading=reading))
    assert set(figures) == ALWAYS | expected
    for figure in figures.values():
        assert_legible(figure)


def test_panels_show_each_group_of_the_comparison(tmp_path: Path) -> None:
    sizes = {"layers.0": 8, "layers.1": 5}
    comparison = made_up(sizes)
    figures = figures_of(_fit(sizes), comparison)
    for ax, (group, size) in zip(figures["unit_survival"].axes, sizes.items(), strict=True):
        drawn = {str(line.get_label()): points(line)[1] for line in ax.lines}
        np.testing.assert_array_equal(drawn["posterior"], comparison.dataset["posterior_survival"].sel(group=group)[:size])
    assert len(figures["width_law"].axes) == 3, "one per group, and one for all"
    paths = draw_figures(_fit(sizes), comparison, tmp_path)
    assert {path.name for path in paths} == {f"{name}.{kind}" for name in figures for kind in ("png", "pdf")}
    assert all(path.exists() for path in paths)


def test_twenty_groups_of_two_thousand_units_are_drawn_fast_into_small_files() -> None:
    comparison = made_up(_sizes(20, 2048))
    figures = figures_of(_fit(_sizes(20)), comparison)
    del figures["architecture"], figures["training"]
    for name, figure in figures.items():
        content, started = io.BytesIO(), time.process_time()
        styled(figure.savefig)(content, format="svg")
        assert time.process_time() - started < SECONDS, name
        assert len(content.getvalue()) < 700_000, name


def test_nothing_else_is_drawn_on() -> None:
    """A figure belongs to its caller: drawing again gives new ones."""
    sizes = _sizes(1)
    fit, comparison = _fit(sizes), made_up(sizes)
    first, second = figures_of(fit, comparison), figures_of(fit, comparison)
    assert all(first[name] is not second[name] for name in first)
    assert isinstance(fit.net, nn.Module)
