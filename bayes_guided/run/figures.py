"""The figures of a run."""

from pathlib import Path

from bayes_guided.infer import MAPFit


def draw_figures(fit: MAPFit, folder: Path) -> list[Path]:
    """Draws"""
    return []
