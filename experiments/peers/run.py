"""Runs every method on every network and seed; tables and figure of what is stored.

python -m experiments.peers.run [--data-dir DIR] [--workers N] [--minutes M] [--quick | --draw]
"""

from pathlib import Path
from typing import Any

from experiments.cases import Row
from experiments.study import Study

from .case import measure
from .figure import draw
from .tables import tables


def cases(grid: dict[str, Any]) -> list[Row]:
    """The seed outermost, so that a run that is stopped leaves the methods equally far."""
    return [
        {"seed": seed, "network": network, "method": method}
        for seed in grid["seeds"]
        for network, methods in grid["methods"].items()
        for method in methods
    ]


STUDY = Study(Path(__file__).parent, cases, measure, tables, draw)

if __name__ == "__main__":
    raise SystemExit(STUDY.main())
