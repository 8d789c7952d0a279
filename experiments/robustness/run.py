"""How robust the widths and errors of a guided MAP are, and whether the width follows the data or their noise.

python -m experiments.robustness.run [--data-dir DIR] [--minutes M] [--workers N] [--quick | --draw]
"""

from pathlib import Path

from experiments.study import Study

from .figure import draw
from .fits import measure
from .grid import cases
from .tables import tables

STUDY = Study(Path(__file__).parent, cases, measure, tables, draw)

if __name__ == "__main__":
    raise SystemExit(STUDY.main())
