"""Prior and posterior over models on real data: exact on UCI sets, variational on MNIST.

python -m experiments.occam.run [--data-dir DIR] [--workers N] [--minutes M] [--quick | --draw]
"""

from pathlib import Path
from typing import Any

from experiments.cases import Row
from experiments.study import Study

from .figures import draw
from .measurement import measure
from .tables import tables


def cases(grid: dict[str, Any]) -> list[Row]:
    """Seeds change slowest, so that a study that was stopped has whole seeds."""
    exact = [
        {"part": "uci", "data": data, "n": n, "prior": "all", "factor": None, "width": None, "seed": seed}
        for seed in grid["seeds"]
        for data, sizes in grid["uci"].items()
        for n in sizes
    ]
    variational = [
        {"part": "mnist", "data": "mnist", "n": n, "prior": prior, "factor": float(factor), "width": None, "seed": seed}
        for seed in grid["seeds"]
        for prior, by_factor in grid["mnist"].items()
        for factor, sizes in by_factor.items()
        for n in sizes
    ]
    bounds = [
        {"part": "bound", "data": "mnist", "n": n, "prior": "one width", "factor": None, "width": width, "seed": 0}
        for n in grid["bound_sizes"]
        for width in grid["bound_widths"]
    ]
    return exact + bounds + variational


STUDY = Study(Path(__file__).parent, cases, measure, tables, draw)

if __name__ == "__main__":
    raise SystemExit(STUDY.main())
