"""The drawn widths are those of the sub-architecture."""

import matplotlib.figure
import pytest
import torch
from matplotlib.patches import Rectangle

import bayes_guided as bg
from bayes_guided import plots
from tests.plots.checks import assert_legible, figure_of


@pytest.fixture(scope="module")
def sub() -> bg.SubArchitecture:
    architecture = bg.Architecture.from_module(bg.nets.mlp(5, [40, 30, 20], outputs=3), torch.zeros(2, 5))
    return architecture.sub_architecture({"layers.0": torch.arange(40) < 7, "layers.2": torch.arange(20) < 1})


def test_bars_are_the_widths_in_network_order_from_top_to_bottom(sub: bg.SubArchitecture) -> None:
    ax = plots.architecture(sub)
    bars = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert [bar.get_width() for bar in bars] == [40, 30, 20, 7, 30, 1]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["layers.0", "layers.1", "layers.2"]
    assert ax.yaxis_inverted()
    assert [text.get_text() for text in ax.texts] == ["7 of 40", "30 of 30", "1 of 20"]


def test_costs_before_and_after_are_in_the_title(sub: bg.SubArchitecture) -> None:
    title = plots.architecture(sub).get_title("left")
    full = sub.architecture.full()
    for count in (full.num_parameters, sub.num_parameters, full.macs, sub.macs):
        assert f"{count:,}" in title


def test_legible(sub: bg.SubArchitecture) -> None:
    assert_legible(figure_of(plots.architecture(sub)))
    resnet = bg.Architecture.from_module(bg.nets.resnet20(), torch.zeros(2, 3, 8, 8))
    assert_legible(figure_of(plots.architecture(resnet.full())))


def test_draws_on_the_axes_it_is_given(sub: bg.SubArchitecture) -> None:
    ax = matplotlib.figure.Figure().subplots()
    assert plots.architecture(sub, ax=ax) is ax
