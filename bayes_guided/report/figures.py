"""The figures of a run as SVG that stands inside the page."""

import inspect
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from bayes_guided import plots
from bayes_guided.plots.style import COLUMN_WIDTH
from bayes_guided.run.figures import figures_of

from .reported_run import ReportedRun

_PIXELS_PER_INCH = 150
"""Screen pixels for an inch of paper: figures are made for narrow columns."""

_DOTS_PER_INCH = 200
"""Of the parts that are drawn as pixels, since as vectors they would take megabytes."""

# Styles inside an SVG hold for the whole page, and every text repeats a long list of fonts: the page's own sheet has both.
_LEFT_OUT = re.compile(r"<metadata>.*?</metadata>|<style.*?</style>|font-family: [^;\"]*;? ?", flags=re.DOTALL)
_COORDINATES = re.compile(r'\b(?:d|x|y)="[^"]*"')
_DECIMALS = re.compile(r"(\d\.\d{2})\d+")
"""Matplotlib writes coordinates down to a millionth of a point."""


@dataclass(frozen=True)
class Picture:
    """A figure of the page: its title, the SVG, what it shows, how to read it, and whether it takes the page's width."""

    title: str
    svg: Markup
    shows: str
    how_to_read: str
    wide: bool


def pictures(run: ReportedRun, prefix: str) -> Iterator[Picture]:
    """The figures that make sense for a run, in the order in which to read them.

    `prefix` begins every id in their SVG and is unique in the page.
    """
    for name, figure in figures_of(run.fit, run.comparison).items():
        shows, how_to_read = _explained(name)
        title = name.replace("_", " ").capitalize()
        svg = inline_svg(figure, f"{prefix}-{name}", f"{title} of {run.name}. {shows}")
        yield Picture(title, svg, shows, how_to_read, wide=bool(figure.get_size_inches()[0] > 2 * COLUMN_WIDTH))


def inline_svg(figure: Figure, prefix: str, label: str) -> Markup:
    """The figure as an SVG element without any outside reference, text as text, ids under `prefix`, `label` for the blind."""
    content = io.StringIO()
    # Without dates and random ids the same figure gives the same page.
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": prefix}):
        figure.savefig(content, format="svg", dpi=_DOTS_PER_INCH, metadata=metadata)
    body = content.getvalue()
    body = body[body.index("<svg") :]
    body = _LEFT_OUT.sub("", body)
    body = re.sub(r'\bid="', f'id="{prefix}-', body)
    body = re.sub(r'href="#', f'href="#{prefix}-', body)
    body = re.sub(r"url\(#", f"url(#{prefix}-", body)
    width, height = figure.get_size_inches() * 72
    size = round(float(figure.get_size_inches()[0]) * _PIXELS_PER_INCH)
    role = f'role="img" aria-label="{escape(label)}" focusable="false"'
    opening = f'<svg viewBox="0 0 {width:g} {height:g}" style="width:{size}px" {role}>'
    body = _COORDINATES.sub(lambda found: _DECIMALS.sub(r"\1", found[0]), re.sub(r"<svg[^>]*>", "", body, count=1))
    return Markup(opening + re.sub(r"\s*\n\s*", "\n", body))


def _explained(name: str) -> tuple[str, str]:
    """What a plot shows and how to read it, as its function says; its paragraphs are those."""
    paragraphs = (inspect.getdoc(getattr(plots, name)) or "").split("\n\n")
    texts = [" ".join(paragraph.split()).replace("`", "") for paragraph in paragraphs]
    return texts[0], next((text for text in texts if text.startswith("How to read it:")), "")
