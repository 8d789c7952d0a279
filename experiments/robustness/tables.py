"""The README's tables: mean over seeds (min to max), a line for each level of each factor."""

from collections.abc import Callable, Sequence

from experiments.cases import Row
from experiments.spread import spread

from .grid import BASE, CHOSEN, CLASSES, EPOCHS, FASHION, FIXED, LR, NOISE, STARTS, STEPS, STRENGTH, TEACHER

LEVELS: dict[str, Callable[[Row], float]] = {
    STRENGTH: lambda row: row["lambda"],
    LR: lambda row: row["lr"],
    EPOCHS: lambda row: row["batch_size"],
    STEPS: lambda row: row["batch_size"],
    NOISE: lambda row: row["noise"],
    CLASSES: lambda row: 10 if row["factor"] in (BASE, NOISE) else row["level"],
    FASHION: lambda row: row["level"],
}
"""What a row's level of a factor is: the base setting is a level of every factor of MNIST."""

HEAD = ["λ", "seeds", "units of layer 1", "units of layer 2", "test error, %", "MACs"]


def tables(rows: list[Row]) -> dict[str, str]:
    """Markdown by the names of the markers."""
    return {
        "training": _images(rows, [STRENGTH, LR, EPOCHS, STEPS], [FIXED]),
        "noise": _images(rows, [NOISE], [FIXED, CHOSEN]),
        "classes": _images(rows, [CLASSES, FASHION], [FIXED, CHOSEN]),
        "teacher-widths": _teachers(rows, lambda group: spread([row["widths"][0] for row in group], ".1f")),
        "teacher-errors": _teachers(rows, lambda group: spread([row["test_error"] for row in group], ".3f")),
        "time": f"{len(rows)} cases, {sum(row['cpu_seconds'] for row in rows) / 60:.0f} CPU minutes",
    }


def levels(rows: Sequence[Row], factor: str, strength: str = FIXED) -> dict[float, list[Row]]:
    """The rows of each level of a factor, levels rising; of the base setting the seeds that the other levels have."""
    own = [row for row in rows if row["factor"] == factor and row["strength"] == strength]
    seeds = {row["seed"] for row in own}
    shared = [row for row in rows if row["strength"] == strength and row["seed"] in seeds and _base_of(row, factor)]
    found: dict[float, list[Row]] = {}
    for row in sorted(own + shared, key=LEVELS[factor]):
        found.setdefault(LEVELS[factor](row), []).append(row)
    return found


def taught(rows: Sequence[Row], strength: str = FIXED) -> dict[tuple[float, int], list[Row]]:
    """The rows of each noise level and number of teacher's units."""
    found: dict[tuple[float, int], list[Row]] = {}
    for row in rows:
        if row["factor"] == TEACHER and row["strength"] == strength:
            found.setdefault((row["noise"], row["level"]), []).append(row)
    return found


def _base_of(row: Row, factor: str) -> bool:
    """Whether a row is the base level of a factor; chosen strengths have theirs at label noise 0."""
    if factor in (FASHION, TEACHER) or row["factor"] == factor:
        return False
    return row["factor"] == BASE or (factor == CLASSES and row["factor"] == NOISE and row["noise"] == 0)


def _images(rows: list[Row], factors: Sequence[str], strengths: Sequence[str]) -> str:
    lines = _heading(["factor", "level", *HEAD])
    if STRENGTH in factors:
        every = [row for row in rows if row["factor"] == BASE]
        lines.append(_line([BASE, "all differs"], every))
        lines.append(_line([STARTS, "data of seed 0"], [row for row in every if row["seed"] == 0] + _of(rows, STARTS)))
    for factor in factors:
        for strength in strengths:
            for level, group in levels(rows, factor, strength).items():
                name = f"{factor}, strength {strength}" if len(strengths) > 1 else factor
                lines.append(_line([name, f"{level:.0%}" if factor == NOISE else f"{level:g}"], group))
    return "\n".join(lines)


def _line(names: list[str], group: list[Row]) -> str:
    cells = [
        spread([row["lambda"] for row in group], ".3g"),
        str(len(group)),
        spread([row["widths"][0] for row in group], ".1f"),
        spread([row["widths"][-1] for row in group], ".1f"),
        spread([100 * row["test_error"] for row in group], ".2f"),
        spread([row["macs"] for row in group], ",.0f"),
    ]
    return _row([*names, *cells])


def _teachers(rows: list[Row], cell: Callable[[list[Row]], str]) -> str:
    every = {strength: taught(rows, strength) for strength in (FIXED, CHOSEN)}
    units = sorted({unit for groups in every.values() for _, unit in groups})
    lines = _heading(["strength", "noise", *(f"teacher of {unit}" for unit in units), "λ"])
    for strength, groups in every.items():
        for noise in sorted({noise for noise, _ in groups}):
            across = [groups.get((noise, unit), []) for unit in units]
            used = sorted({row["lambda"] for group in across for row in group})
            cells = [cell(group) if group else "" for group in across]
            lines.append(_row([strength, f"{noise:g}", *cells, ", ".join(f"{value:g}" for value in used)]))
    return "\n".join(lines)


def _of(rows: list[Row], factor: str) -> list[Row]:
    return [row for row in rows if row["factor"] == factor]


def _heading(names: Sequence[str]) -> list[str]:
    return [_row(names), _row(["---"] * len(names))]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
