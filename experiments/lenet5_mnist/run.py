"""LeNet-5-Caffe on MNIST: the smallest networks at 0.8, 0.9 and 1.0 % test error.

python -m experiments.lenet5_mnist.run [--quick | --draw] [--data-dir DIR] [--minutes M]
"""

from pathlib import Path
from typing import Any

from experiments.study import Study

from .figure import draw
from .fits import measure
from .tables import tables


def cases(grid: dict[str, Any]) -> list[dict[str, Any]]:
    """All seeds with shifted images, then as they are."""
    return [{"shift": shift, "seed": seed} for shift in grid["shifts"] for seed in grid["seeds"]]


STUDY = Study(Path(__file__).parent, cases, measure, tables, draw)

if __name__ == "__main__":
    raise SystemExit(STUDY.main())
