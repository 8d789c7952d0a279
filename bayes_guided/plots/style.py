"""How the plots look: one style sheet, used inside a context and never left behind."""

from collections.abc import Callable
from functools import wraps
from importlib.resources import as_file, files
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")

COLUMN_WIDTH = 3.3
"""Width of a paper's column, inches."""
PAGE_WIDTH = 6.9
"""Width of a paper's page of two columns, inches."""

BLUE, ORANGE, GREEN, GREY, LIGHT = "#0072B2", "#D55E00", "#009E73", "#7A7A7A", "#DADADA"
"""Kept or measured; gone or removed; a second measured line; guidance and rules; what was there before."""

PRIOR, POSTERIOR = ORANGE, BLUE
"""Before and after the data, in every plot."""

FEW_GROUPS = 4
"""Up to so many groups have colours and names of their own; more are shaded by depth."""

LARGE = 500
"""Lines and clouds of more points are pixels in vector files, which would otherwise take megabytes and seconds to show."""


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """The function, run under the package's style sheet; matplotlib's settings are then as before."""

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with as_file(files("bayes_guided.plots") / "paper.mplstyle") as sheet, style.context(str(sheet)):
            return draw(*args, **kwargs)

    return inside


def axes_or_new(ax: Axes | None, height: float) -> Axes:
    """The axes given, or new ones of a paper column's width and `height` inches, on a figure of their own."""
    if ax is not None:
        return ax
    return Figure(figsize=(COLUMN_WIDTH, height), layout="constrained").subplots()


def short(name: str, letters: int = 20) -> str:
    """A name of a group at most so many letters long: its end, which tells layers apart."""
    return name if len(name) <= letters else "…" + name[1 - letters :]


def group_colours(count: int) -> list[Any]:
    """A colour for each of `count` groups: distinct ones for a few, else shades from the first (dark) to the last (light)."""
    if count <= FEW_GROUPS:
        return [f"C{place}" for place in range(count)]
    return [mpl.colormaps["cividis"](0.85 * place / (count - 1)) for place in range(count)]
