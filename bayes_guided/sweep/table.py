"""A sweep in a terminal: how far it is, what failed, and what is best so far."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from .store import Store, Trial

_SHOWN = 8
"""Trials of the front that the live table shows."""


def progress_table(store: Store, total: int, workers: int | None = None) -> Table:
    """Counts of trials and the front so far; of a sweep that is going on with this many `workers`, also the time left."""
    trials = store.trials()
    counts = {state: sum(trial.state == state for trial in trials) for state in ("complete", "running", "failed")}
    done, total = counts["complete"] + counts["failed"], max(total, len(trials))
    parts = [f"{done} of {total} trials done", f"{counts['running']} running", f"{counts['failed']} failed"]
    if workers is not None:
        parts.append(f"{workers} workers" if workers else "waiting for workers")
        parts += [f"about {_duration(left)} left" for left in [_seconds_left(trials, total - done, workers)] if left]
    table = front_table(store, limit=_SHOWN)
    table.caption = ", ".join(parts)
    return table


def _seconds_left(trials: Sequence[Trial], remaining: int, workers: int) -> float | None:
    """What the trials so far took on average, for those that remain; None before any is complete."""
    took = [trial.seconds for trial in trials if trial.state == "complete" and trial.seconds is not None]
    return sum(took) / len(took) * remaining / workers if took and workers else None


def front_table(store: Store, limit: int | None = None) -> Table:
    """The best trials: of several objectives those that no other trial beats in all of them."""
    front = store.front()
    title = "Best trial" if len(store.objectives) == 1 else f"Front: trials that no other beats in all ({len(front)})"
    table = Table(title=title, title_justify="left", caption_justify="left")
    table.add_column("trial", justify="right")
    for name, direction in store.objectives.items():
        table.add_column(f"{name} ({direction})", justify="right")
    keys = list(dict.fromkeys(key for trial in front for key in trial.values))
    for key in keys:
        table.add_column(key, justify="right", overflow="fold")
    for trial in front[:limit]:
        table.add_row(str(trial.number), *(as_text(value) for value in trial.results.values()), *_values(trial, keys))
    return table


def trials_table(trials: Sequence[Trial]) -> Table:
    """Every trial with its state, values, objectives and seconds; of a failure, the last line of its traceback."""
    table = Table(title="Trials", title_justify="left")
    for column in ("trial", "state", "values", "results", "seconds"):
        table.add_column(column, justify="right" if column in ("trial", "seconds") else "left", overflow="fold")
    for trial in trials:
        found = trial.failure.strip().splitlines()[-1] if trial.failure else _pairs(trial.results)
        seconds = "" if trial.seconds is None else f"{trial.seconds:.1f}"
        table.add_row(str(trial.number), trial.state, _pairs(trial.values), found, seconds)
    return table


def importance_table(store: Store) -> Table | None:
    """The share of each objective's variance that each setting explains; None where too few trials are complete."""
    importances = store.importances()
    if not importances:
        return None
    table = Table(title="Importance of settings (fANOVA, share of variance)", title_justify="left")
    table.add_column("setting")
    for name in importances:
        table.add_column(name, justify="right")
    for key in dict.fromkeys(key for shares in importances.values() for key in shares):
        table.add_row(key, *(f"{shares.get(key, 0.0):.0%}" for shares in importances.values()))
    return table


def _values(trial: Trial, keys: Sequence[str]) -> list[str]:
    return [as_text(trial.values.get(key, "")) for key in keys]


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{key}={as_text(value)}" for key, value in values.items())


def as_text(value: Any) -> str:
    """A value in a cell: four digits of a number, the parts of a mapping."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return " ".join(as_text(part) for part in value.values())
    return str(value)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
