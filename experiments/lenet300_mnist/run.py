"""How small does guidance make LeNet-300-100 on MNIST, pixels included, at what error?

python -m experiments.lenet300_mnist.run [--data-dir DIR] [--minutes M] [--workers N] [--quick | --draw]
"""

from pathlib import Path
from typing import Any

from experiments.study import Row, Study

from .figure import draw
from .fits import measure
from .tables import tables


def cases(grid: dict[str, Any]) -> list[Row]:
    """One for each seed: all its networks share a teacher for each form of the images."""
    return [{"seed": seed} for seed in grid["seeds"]]


STUDY = Study(Path(__file__).parent, cases, measure, tables, draw)

if __name__ == "__main__":
    raise SystemExit(STUDY.main())
