"""Figures inside the page."""

import re

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from bayes_guided.report import ReportedRun
from bayes_guided.report.figures import inline_svg, pictures
from tests.report.pages import Page


def drawn() -> Figure:
    figure = Figure(figsize=(3, 2))
    ax = figure.subplots()
    ax.plot([0, 1], [0, 0.123456])
    ax.text(0, 0, "0.123456 & <b>")
    ax.plot(np.random.default_rng(0).random(50_000), rasterized=True)
    return figure


def test_svg_stands_by_itself() -> None:
    before = mpl.rcParams.copy()
    text = str(inline_svg(drawn(), "a", 'what "it" shows'))
    assert mpl.rcParams == before
    found = Page(text)
    assert found.elements[0][1]["aria-label"] == 'what "it" shows'
    assert found.loads == []
    assert all(name.startswith("a-") for name in found.ids)
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)) <= set(found.ids)
    assert "0.123456 & <b>" in found.text, "numbers in texts keep their decimals"
    assert "<style" not in text, "it would hold for the whole page"
    assert "data:image/png" in text
    assert len(text) < 100_000, "50,000 points are pixels"


def test_every_figure_explains_itself(svi: ReportedRun) -> None:
    found = list(pictures(svi, "r0"))
    assert next(picture.title for picture in found) == "Unit survival"
    assert "Bayes factors" in [picture.title for picture in found]
    for picture in found:
        assert picture.how_to_read.startswith("How to read it: ")
        assert picture.shows in str(picture.svg).replace("&#39;", "'").replace("&#34;", '"')
