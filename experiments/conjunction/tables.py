"""The README's tables."""

from statistics import mean
from typing import Any

import numpy as np

from experiments.spread import spread

from .pairs import Comparison, Handed, Interval, compare
from .regularisers import DENSE, NAMES

SETS = {"digits": "digits", "fashion-mnist": "Fashion-MNIST"}


def tables(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Markdown of the paired comparison of each data set, and of the dense networks."""
    comparisons = compare(rows)
    found = {name: _paired([one for one in comparisons if one.data == name]) for name in SETS}
    return {"dense": _dense(rows), **found}


def _dense(rows: list[dict[str, Any]]) -> str:
    lines = ["| data | dense network | seeds | parameters | validation error | test error |", "|---|---|---|---|---|---|"]
    for name, title in SETS.items():
        for which in DENSE.values():
            same = [row for row in rows if (row["data"], row["regulariser"]) == (name, which)]
            if same:
                errors = [spread([row[error][0] for row in same], ".1%") for error in ("validation_error", "test_error")]
                lines.append(f"| {title} | {which} | {len(same)} | {same[0]['parameters'][0]:,} | {' | '.join(errors)} |")
    return "\n".join(lines)


def _paired(comparisons: list[Comparison]) -> str:
    lines = [
        "| regulariser | seeds | parameters unguided | guided | size, guided over unguided | test error unguided | guided "
        "| difference | difference at equal size | place unguided | guided |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in comparisons:
        cells = [
            NAMES[one.regulariser],
            str(len(one.guided)),
            *(_sizes(form) for form in (one.unguided, one.guided)),
            _bold(one.size, f"{np.exp(one.size.mean):.2f} ({np.exp(one.size.low):.2f} to {np.exp(one.size.high):.2f})"),
            *(spread([network.test_error for network in form], ".1%") for form in (one.unguided, one.guided)),
            _points(one.error),
            _points(one.error_at_equal_size) + _fewer(len(one.at_equal_size), len(one.guided)),
            *(f"{mean(network.place for network in form):.2f}" for form in (one.unguided, one.guided)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _sizes(networks: list[Handed]) -> str:
    """The geometric mean, and how often the dense network had to be taken."""
    missed = sum(not network.found for network in networks)
    return f"{np.exp(mean(np.log(network.parameters) for network in networks)):,.0f}" + (
        f" (dense {missed}x)" if missed else ""
    )


def _points(interval: Interval | None) -> str:
    if interval is None:
        return "no common size"
    return _bold(interval, f"{100 * interval.mean:+.2f} ({100 * interval.low:+.2f} to {100 * interval.high:+.2f})")


def _fewer(seeds: int, of: int) -> str:
    return f", {seeds} seeds" if 0 < seeds < of else ""


def _bold(interval: Interval, text: str) -> str:
    """Bold where the interval leaves out no difference."""
    return f"**{text}**" if interval.sign else text
