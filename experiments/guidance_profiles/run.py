"""Networks found under different guidance profiles, compared at equal error: is guidance worth it, where, and where not?

python -m experiments.guidance_profiles.run [--data-dir DIR] [--workers N] [--minutes M] [--quick | --draw]
"""

from pathlib import Path
from typing import Any

from experiments.study import Row, Study

from .figure import draw
from .fits import measure
from .profiles import DENSE
from .tables import tables


def cases(grid: dict[str, Any]) -> list[Row]:
    """Seed by seed, so that wherever the experiment stops all profiles have come equally far."""
    seeds = dict.fromkeys(seed for part in grid["datasets"].values() for seed in part["seeds"])
    return [
        case
        for seed in sorted(seeds)
        for name, part in grid["datasets"].items()
        if seed in part["seeds"]
        for case in _of_one_seed(name, seed, part, grid["dense"])
    ]


def _of_one_seed(name: str, seed: int, part: dict[str, Any], dense: float) -> list[Row]:
    """The dense network, the first strength of every profile, the second of every profile, and so on."""
    rounds = zip(*part["profiles"].values(), strict=True)
    pressed = [pair for strengths in rounds for pair in zip(part["profiles"], strengths, strict=True)]
    return [
        {"dataset": name, "seed": seed, "profile": profile, "strength": strength}
        for profile, strength in [(DENSE, dense), *pressed]
    ]


STUDY = Study(Path(__file__).parent, cases, measure, tables, draw)

if __name__ == "__main__":
    raise SystemExit(STUDY.main())
