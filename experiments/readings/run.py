"""One guidance under its readings: computes results.json and readings.png, and fills in the README's tables.

python -m experiments.readings.run [--quick | --check]
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .compute import Config, Results, compute
from .figure import draw
from .tables import PARTS, fill

HERE = Path(__file__).parent
TOLERANCE = 1e-6
"""Relative, on recomputed numbers: another processor or library rounds otherwise, a change of the package does more."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--quick", action="store_true", help="a layer of 16 units, printed, nothing written")
    chosen.add_argument("--check", action="store_true", help="write nothing; fail if results.json or README.md is out of date")
    options = parser.parse_args(arguments)
    config = Config.load(HERE / "config.yaml")
    if options.quick:
        config = replace(config, net=config.net | {"hidden": [16, 8]})
        results = compute(config)
        print("\n\n".join(part(results, config) for part in PARTS.values()))
        return 0
    results = compute(config)
    if options.check:
        problems = stale(results, config, HERE)
        print("\n".join(problems), file=sys.stderr)
        return 1 if problems else 0
    write(results, config, HERE)
    return 0


def write(results: Results, config: Config, folder: Path) -> None:
    """Stores the results and brings the figure and the README up to date."""
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    draw(config, folder / "readings.png")
    readme = folder / "README.md"
    readme.write_text(fill(readme.read_text(), results, config))


def stale(results: Results, config: Config, folder: Path) -> list[str]:
    """What in the folder does not agree with freshly computed results, a sentence each; empty if all does."""
    problems = []
    stored = json.loads((folder / "results.json").read_text())
    if not close(stored, results):
        problems.append("results.json is not what the package computes now; run python -m experiments.readings.run.")
    text = (folder / "README.md").read_text()
    if fill(text, stored, config) != text:
        problems.append("README.md is not what results.json says; run python -m experiments.readings.run.")
    return problems


def close(stored: Any, computed: Any) -> bool:
    """Whether two trees are equal, numbers up to the tolerance."""
    if isinstance(stored, dict) and isinstance(computed, dict):
        return stored.keys() == computed.keys() and all(close(stored[key], computed[key]) for key in stored)
    if isinstance(stored, list) and isinstance(computed, list):
        return len(stored) == len(computed) and all(map(close, stored, computed))
    if isinstance(stored, float) and isinstance(computed, float):
        return math.isclose(stored, computed, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return stored == computed


if __name__ == "__main__":
    sys.exit(main())
