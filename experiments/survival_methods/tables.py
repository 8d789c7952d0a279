"""The README's tables."""

from statistics import mean
from typing import Any

from .answers import REFERENCE, Answer

READINGS = {
    "map": "exact zeros",
    "threshold": "threshold",
    "shrinkage": "shrinkage",
    "evidence": "evidence, inclusion",
}
MARKS = {name: (f"<!-- {name} -->", f"<!-- /{name} -->") for name in ("units", "widths", "chains")}


def tables(results: dict[str, Any]) -> dict[str, str]:
    """Every table as Markdown, by its name."""
    answers = [Answer(**answer) for answer in results["answers"]]
    return {"units": _units(answers, results["guidance"]), "widths": _widths(answers), "chains": _chains(answers)}


def fill(readme: str, results: dict[str, Any]) -> str:
    """The README with the tables between their markers."""
    for name, text in tables(results).items():
        begin, end = MARKS[name]
        before, rest = readme.split(begin)
        readme = f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}"
    return readme


def distances(answer: Answer, answers: list[Answer]) -> tuple[float, float] | None:
    """Mean and largest difference from the relabelled chain over units and seeds; None for what has no such reference."""
    reference = next((other for other in answers if other.is_reference and other.reading == answer.reading), None)
    if reference is None or answer.is_reference or answer.method == "prior":
        return None
    pairs = [pair for values in answer.values for pair in zip(values, reference.values[0], strict=True)]
    found = [abs(value - truth) for value, truth in pairs if value is not None and truth is not None]
    return (mean(found), max(found)) if found else None


def _units(answers: list[Answer], guidance: list[float]) -> str:
    heads = " | ".join(f"g {value:.2f}" for value in guidance)
    lines = [f"| reading | method | {heads} | mean error | largest |", f"|---|---|{'---|' * len(guidance)}---|---|"]
    for reading, title in READINGS.items():
        for answer in (each for each in answers if each.reading == reading):
            found = distances(answer, answers)
            error = "| | |" if found is None else f"| {found[0]:.2f} | {found[1]:.2f} |"
            method = f"**{answer.method}**" if answer.is_reference else answer.method
            lines.append(f"| {title} | {method} | {' | '.join(_cells(answer))} {error}")
    return "\n".join(lines)


def _cells(answer: Answer) -> list[str]:
    """Means over seeds; from the smallest to the largest, or the interval, where that is not a point."""
    cells = []
    for unit, values in enumerate(zip(*answer.values, strict=True)):
        known = [value for value in values if value is not None]
        if not known:
            cells.append("gone")
            continue
        ends = (min(known), max(known)) if answer.error is None else (answer.error[0][unit], answer.error[1][unit])
        spread = "" if ends[1] - ends[0] < 0.01 else f" ({ends[0]:.2f} to {ends[1]:.2f})"
        gone = f", {len(values) - len(known)} gone" if len(known) < len(values) else ""
        cells.append(f"{mean(known):.2f}{spread}{gone}")
    return cells


def _widths(answers: list[Answer]) -> str:
    count = len(answers[0].values[0])
    heads = " | ".join(f"K >= {k}" for k in range(1, count + 1))
    lines = [f"| reading | method | {heads} |", f"|---|---|{'---|' * count}"]
    for reading, title in READINGS.items():
        for answer in (each for each in answers if each.reading == reading and each.at_least is not None):
            if answer.method == "MCMC":  # the number of units does not depend on their labels
                continue
            assert answer.at_least is not None
            cells = []
            for values in zip(*answer.at_least, strict=True):
                spread = "" if max(values) - min(values) < 0.01 else f" ({min(values):.2f} to {max(values):.2f})"
                cells.append(f"{mean(values):.2f}{spread}")
            method = f"**{REFERENCE.split(',')[0]}**" if answer.is_reference else answer.method
            lines.append(f"| {title} | {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _chains(answers: list[Answer]) -> str:
    lines = [
        "| reading | slots | worst R-hat of a unit | its least ESS | R-hat of the width | its ESS | draws | diverged | CPU |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for answer in answers:
        if answer.convergence is None:
            continue
        found = answer.convergence
        slots = "relabelled" if answer.is_reference else "as they come"
        cells = [
            f"{max(found['rhat']):.3f}",
            f"{min(found['ess']):.0f}",
            f"{found['width_rhat']:.3f}",
            f"{found['width_ess']:.0f}",
        ]
        cells += [f"{found['draws']:,}", str(found["divergences"]), f"{answer.seconds:.0f} s"]
        lines.append(f"| {READINGS[answer.reading]} | {slots} | {' | '.join(cells)} |")
    return "\n".join(lines)
