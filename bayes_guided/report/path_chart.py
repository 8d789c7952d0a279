"""The regularisation path of runs at several strengths, as the coordinates of a small chart with a slider."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .differing import strengths_apart
from .headline import best_error
from .numbers import error, number
from .reported_run import ReportedRun

WIDTH, HEIGHT = 640.0, 260.0
"""Size of a panel, in the chart's own pixels."""
LEFT, RIGHT, TOP, BOTTOM = 70.0, 140.0, 30.0, 48.0
"""Its margins; the right one has room for the names of the lines."""


@dataclass(frozen=True)
class Point:
    """A run on the path: its place among the runs, its strength, where it stands on the axis, and what it found in words."""

    run: int
    strength: float
    x: float
    label: str


@dataclass(frozen=True)
class Line:
    """A named curve: values per run, their heights in the chart, and the height of its name at the right end."""

    name: str
    values: tuple[float, ...]
    heights: tuple[float, ...]
    name_height: float


@dataclass(frozen=True)
class Panel:
    """A quantity against strength: its curves, and ticks as (height, text)."""

    title: str
    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Path:
    """Runs in the order of their strength, and what they found."""

    points: tuple[Point, ...]
    panels: tuple[Panel, ...]


def path_of(runs: Sequence[ReportedRun]) -> Path | None:
    """The path of runs that differ in strength only; None of others."""
    strengths = strengths_apart([run.config for run in runs]) if len(runs) > 1 else None
    if strengths is None:
        return None
    order = sorted(range(len(runs)), key=lambda place: strengths[place])
    logs = [math.log(strengths[place]) for place in order]
    span = WIDTH - LEFT - RIGHT
    points = tuple(
        Point(
            run=place,
            strength=strengths[place],
            x=round(LEFT + span * (at - logs[0]) / (logs[-1] - logs[0]), 2),
            label=_said(runs[place], strengths[place]),
        )
        for place, at in zip(order, logs, strict=True)
    )
    ordered = [runs[place] for place in order]
    return Path(points, (_units(ordered), _errors(ordered)))


def _said(run: ReportedRun, strength: float) -> str:
    metrics = run.metrics
    best = best_error(metrics)
    return (
        f"strength {number(strength)} ({run.name}): {metrics.units_after:,} of {metrics.units_before:,} units left, test "
        f"{metrics.error_name} {error(metrics.error_name, best)}"
    )


def _units(runs: Sequence[ReportedRun]) -> Panel:
    curves = {
        "chosen": [float(run.metrics.units_after) for run in runs],
        "expected before": [float(run.comparison.dataset["prior_effective_size"]) for run in runs],
        "expected after": [float(run.comparison.dataset["posterior_effective_size"]) for run in runs],
    }
    if all(run.comparison.reading == "map" for run in runs):
        del curves["expected after"]  # the chosen units, once more
    return _panel("units present (count)", curves, lambda value: number(value, 3))


def _errors(runs: Sequence[ReportedRun]) -> Panel:
    name = runs[0].metrics.error_name
    named = {"fit": "test_error", "reduced": "test_error_reduced", "refitted": "test_error_refit"}
    curves = {}
    for label, field in named.items():
        values = [getattr(run.metrics, field) for run in runs]
        if None not in values and values not in curves.values():
            curves[label] = values
    return _panel(f"test {name}", curves, lambda value: error(name, value))


def _panel(title: str, curves: dict[str, list[float]], shown) -> Panel:
    known = {name: values for name, values in curves.items() if not any(math.isnan(value) for value in values)}
    top = 1.05 * max((max(values) for values in known.values()), default=1.0) or 1.0
    heights = {name: tuple(_height(value, top) for value in values) for name, values in known.items()}
    places = _apart([ends[-1] for ends in heights.values()])
    lines = tuple(
        Line(name, tuple(values), heights[name], place) for (name, values), place in zip(known.items(), places, strict=True)
    )
    ticks = tuple((_height(part * top / 1.05, top), shown(part * top / 1.05)) for part in (0.0, 0.5, 1.0))
    return Panel(title, lines, ticks)


def _height(value: float, top: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top, 2)


def _apart(heights: list[float], least: float = 18.0) -> list[float]:
    """Heights of names that do not overlap, in the order given."""
    found = dict.fromkeys(range(len(heights)), 0.0)
    above = -math.inf
    for place in sorted(found, key=lambda place: heights[place]):
        above = max(heights[place], above + least)
        found[place] = above
    too_low = max(above - (HEIGHT - 8), 0.0) if found else 0.0
    return [found[place] - too_low for place in range(len(heights))]
