"""Test RMSE and log predictive density with the chosen widths, on the standard splits of the UCI regression sets.

A case is one split of one data set; its row holds what each method gave, for they share the fits that choose the strength.
"""

from pathlib import Path
from typing import Any

from bayes_guided.datasets import load_uci
from experiments.study import Row, Study

from .figure import draw
from .methods import measure_methods
from .tables import tables


def cases(grid: dict[str, Any]) -> list[Row]:
    """The first split of every set before the second of any, so that a stopped run has as many splits of each."""
    return [{"dataset": dataset, "split": split} for split in grid["splits"] for dataset in grid["datasets"]]


def measure(case: Row, settings: dict[str, Any], data_dir: Path) -> Row:
    """What each method gives on this split, by its name."""
    data = load_uci(data_dir / "uci" / case["dataset"], split=case["split"])
    batch_size = settings["batch_sizes"][case["dataset"]]
    return {"methods": measure_methods(data, case["split"], batch_size, settings)}


STUDY = Study(Path(__file__).parent, cases, measure, tables, draw)

if __name__ == "__main__":
    raise SystemExit(STUDY.main())
