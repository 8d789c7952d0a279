"""What every plot of the package must be: labelled, legible at a paper column's width, and nothing cut off."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

MIN_POINTS = 7.0
SLACK_PIXELS = 2.0


def points(line: Line2D) -> tuple[np.ndarray, np.ndarray]:
    """What the line draws: x and y."""
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def figure_of(ax: Axes) -> Figure:
    """The figure that the axes are on."""
    figure = ax.figure
    assert isinstance(figure, Figure)
    return figure


def assert_legible(figure: Figure) -> None:
    """Every axis has a label, every text at least 7 points, and everything lies inside the figure."""
    figure.draw_without_rendering()
    for ax in figure.axes:
        assert ax.get_xlabel(), ax
        # A colour bar lies down and has no second axis.
        assert ax.get_ylabel() or ax.get_label() == "<colorbar>", ax
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_visible() and text.get_text()]
    assert texts
    small = [(text.get_text(), text.get_fontsize()) for text in texts if float(text.get_fontsize()) < MIN_POINTS]
    assert not small
    inside, whole = figure.get_tightbbox(), figure.bbox_inches
    slack = SLACK_PIXELS / figure.dpi
    assert inside.x0 >= -slack
    assert inside.y0 >= -slack
    assert inside.x1 <= whole.x1 + slack
    assert inside.y1 <= whole.y1 + slack


def assert_apart(figure: Figure) -> None:
    """No panel, with its labels, reaches into another."""
    figure.draw_without_rendering()
    boxes = [box for ax in figure.axes if (box := ax.get_tightbbox()) is not None]
    for place, box in enumerate(boxes):
        for other in boxes[:place]:
            overlap_x = min(box.x1, other.x1) - max(box.x0, other.x0)
            overlap_y = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert min(overlap_x, overlap_y) <= SLACK_PIXELS
