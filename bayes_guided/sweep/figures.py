"""The figures of a sweep: its front, what each setting did, and how much each mattered."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_guided.plots import panels
from bayes_guided.plots.style import BLUE, GREY, ORANGE, axes_or_new, short, styled

from .store import Trial

_WIDE = 20.0
"""Settings that span more than this factor have a logarithmic axis."""


@styled
def front(trials: Sequence[Trial], best: Sequence[Trial], objectives: Mapping[str, str], *, ax: Axes | None = None) -> Axes:
    """All complete trials in two objectives, those on the front joined; of one objective, every trial and the best so far.

    How to read it: a trial on the line is beaten by no other in both objectives at once; its number is that of its run folder.
    Of more than two objectives the first two are shown, in which a trial of the front may look beaten.
    """
    ax = axes_or_new(ax, 2.3)
    complete = [trial for trial in trials if trial.state == "complete"]
    if len(objectives) == 1:
        return _best_so_far(complete, *next(iter(objectives.items())), ax)
    first, second = list(objectives)[:2]
    ax.plot(*_of(complete, first, second), "o", color=GREY, label="other trials", zorder=1)
    ordered = sorted(best, key=lambda trial: trial.results[first])
    ax.plot(*_of(ordered, first, second), "o-", color=BLUE, label="front", zorder=2)
    for trial in ordered:
        where = (trial.results[first], trial.results[second])
        ax.annotate(str(trial.number), where, textcoords="offset points", xytext=(3, 3), fontsize=7, color=BLUE)
    ax.set(xlabel=f"{first} ({objectives[first]})", ylabel=f"{second} ({objectives[second]})")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
    return ax


@styled
def paths(trials: Sequence[Trial], best: Sequence[Trial], objectives: Sequence[str]) -> Figure:
    """Every objective against every searched setting, a point per complete trial; those of the front in colour.

    How to read it: a band of points that falls or rises is the effect of that setting; a cloud without a shape is one that the
    other settings hide or that has none. What several settings do together cannot be seen here.
    """
    complete = [trial for trial in trials if trial.state == "complete"]
    keys = list(complete[0].values) if complete else []
    chosen = {trial.number for trial in best}
    figure, axes = panels(len(objectives) * len(keys), height=1.7)
    for ax, (name, key) in zip(axes, [(name, key) for name in objectives for key in keys], strict=True):
        places, labels = _places([trial.values[key] for trial in complete])
        for trial, place in zip(complete, places, strict=True):
            on_front = trial.number in chosen
            ax.plot(place, trial.results[name], "o", color=BLUE if on_front else GREY, zorder=2 if on_front else 1)
        ax.set(xlabel=short(key, 28), ylabel=short(name, 24))
        if labels:
            ax.set_xticks(range(len(labels)), [short(label, 12) for label in labels])
        elif min(places) > 0 and max(places) > _WIDE * min(places):
            ax.set_xscale("log")
    return figure


@styled
def importances(shares: Mapping[str, Mapping[str, float]], *, ax: Axes | None = None) -> Axes:
    """The share of each objective's variance over the trials that each setting explains, alone and with others (fANOVA).

    How to read it: settings with small bars can be left at their defaults in the next sweep. Few trials estimate these shares
    badly, and they hold for the ranges that were searched.
    """
    keys = list(dict.fromkeys(key for found in shares.values() for key in found))
    ax = axes_or_new(ax, 0.7 + 0.22 * len(keys) * len(shares))
    height = 0.8 / len(shares)
    for place, (name, found) in enumerate(shares.items()):
        rows = [number + place * height for number in range(len(keys))]
        ax.barh(rows, [100 * found.get(key, 0.0) for key in keys], height=height, color=(BLUE, ORANGE)[place % 2], label=name)
    ax.set_yticks([number + height * (len(shares) - 1) / 2 for number in range(len(keys))], [short(key, 24) for key in keys])
    ax.set(xlabel="share of variance explained (%)", xlim=(0, 100))
    ax.invert_yaxis()
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
    return ax


def _best_so_far(complete: Sequence[Trial], name: str, direction: str, ax: Axes) -> Axes:
    better = min if direction == "minimize" else max
    numbers = [trial.number for trial in complete]
    values = [trial.results[name] for trial in complete]
    so_far = [better(values[: place + 1]) for place in range(len(values))]
    ax.plot(numbers, values, "o", color=GREY, label="trial")
    ax.plot(numbers, so_far, "-", color=BLUE, drawstyle="steps-post", label="best so far")
    ax.set(xlabel="trial", ylabel=f"{name} ({direction})")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
    return ax


def _of(trials: Sequence[Trial], first: str, second: str) -> tuple[list[float], list[float]]:
    return [trial.results[first] for trial in trials], [trial.results[second] for trial in trials]


def _places(values: Sequence[Any]) -> tuple[list[float], list[str]]:
    """Where values stand on an axis; of values that are no numbers, also their names in the order of their places."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return [float(value) for value in values], []
    names = list(dict.fromkeys(str(value) for value in values))
    return [float(names.index(str(value))) for value in values], names
