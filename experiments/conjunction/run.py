"""Is each structured regulariser better guided than unguided?

python -m experiments.conjunction.run [--data-dir DIR] [--workers N] [--minutes M] [--quick | --draw]
"""

from pathlib import Path
from typing import Any

from experiments.study import Study

from .figure import draw
from .fits import measure
from .regularisers import DENSE, GUIDANCE, NAMES
from .tables import tables


def cases(grid: dict[str, Any]) -> list[dict[str, Any]]:
    """Every path, all of a seed before any of the next."""
    forms = [(dense, "constant") for dense in DENSE.values()] + [(name, form) for name in NAMES for form in GUIDANCE]
    return [
        {"data": data, "seed": seed, "regulariser": regulariser, "guidance": guidance}
        for seed in grid["seeds"]
        for data in grid["data"]
        for regulariser, guidance in forms
    ]


STUDY = Study(Path(__file__).parent, cases, measure, tables, draw)

if __name__ == "__main__":
    raise SystemExit(STUDY.main())
