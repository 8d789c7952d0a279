"""Figures of several axes, and figures on disk."""

import io
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_guided.files import write_atomically

from .style import COLUMN_WIDTH, PAGE_WIDTH, styled

_STACKED = 3
"""Up to so many panels are stacked in one column; more fill a page of three columns."""


@styled
def panels(count: int, *, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels of `height` inches each: stacked in a paper column, or three abreast over two columns."""
    columns = 1 if count <= _STACKED else 3
    rows = -(-count // columns)
    width = COLUMN_WIDTH if columns == 1 else PAGE_WIDTH
    figure = Figure(figsize=(width, height * rows), layout="constrained")
    axes = [figure.add_subplot(rows, columns, place + 1) for place in range(count)]
    return figure, axes


@styled
def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Writes NAME.png (300 dots per inch) and NAME.pdf (text as text), each atomically, and returns their paths.

    Raises:
        RunFolderError: if the folder cannot be written.
    """
    # Without dates and versions the same figure gives the same file.
    metadata = {"png": {"Software": None}, "pdf": {"CreationDate": None, "Creator": None, "Producer": None}}
    paths = []
    for kind, fields in metadata.items():
        content = io.BytesIO()
        figure.savefig(content, format=kind, metadata=fields)
        path = folder / f"{name}.{kind}"
        write_atomically(path, content.getvalue())
        paths.append(path)
    return paths
