"""`python -m theory [module ...]`: every check of the folder as a table; the exit status is 1 if any fails.

A module takes part by defining `checks() -> list[Check]`; nothing has to be registered.
"""

import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules

import theory
from theory.checks import Check

HEADER = ("prop.", "claim", "value", "reference", "error", "tolerance", "")
RIGHT_ALIGNED = (2, 3, 4, 5)


def module_names() -> list[str]:
    """Names of the modules of this folder that define `checks()`, in alphabetical order."""
    names = [info.name for info in iter_modules(theory.__path__) if info.name != "__main__"]
    return [name for name in names if callable(getattr(import_module(f"theory.{name}"), "checks", None))]


def run(name: str) -> list[Check]:
    """The checks of one module, computed now."""
    return import_module(f"theory.{name}").checks()


def table(results: Sequence[Check]) -> str:
    """One aligned line per check under a header."""
    rows = [HEADER, *(_cells(check) for check in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    return "\n".join(_line(row, widths) for row in rows)


def _cells(check: Check) -> tuple[str, ...]:
    numbers = (
        f"{check.value:.10g}",
        f"{check.reference:.10g}",
        f"{check.error:.1e}",
        f"{check.tolerance:.1e}",
    )
    return (check.proposition, check.claim, *numbers, "pass" if check.passed else "FAIL")


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        cell.rjust(width) if column in RIGHT_ALIGNED else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()


def main(names: Sequence[str]) -> int:
    """Print the table of the named modules (all if none is named); 0 iff there were checks and all passed."""
    start = time.perf_counter()
    results: list[Check] = []
    for name in names or module_names():
        module_start = time.perf_counter()
        found = run(name)
        print(f"\n{name} ({time.perf_counter() - module_start:.1f} s)\n{table(found)}")
        results += found
    failed = sum(not check.passed for check in results)
    print(f"\n{len(results)} checks, {failed} failed, {time.perf_counter() - start:.1f} s")
    return int(failed > 0 or not results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
