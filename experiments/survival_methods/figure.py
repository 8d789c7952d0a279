"""Survival by unit, one panel a reading, and below the law of the number of units, which knows no labels."""

from pathlib import Path
from statistics import mean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_guided.plots.style import styled

from .answers import AS_THEY_COME, PRIOR, REFERENCE, Answer
from .tables import READINGS

LOOKS: dict[str, dict[str, Any]] = {
    PRIOR: {"color": "0.6", "linestyle": "--", "marker": ""},
    "MAP": {"color": "#000000", "marker": "s"},
    "ensemble by seed": {"color": "#0072B2", "marker": "o"},
    "ensemble by bootstrap": {"color": "#D55E00", "marker": "^"},
    "SVI, mean field": {"color": "#0072B2", "marker": "o"},
    "SVI, low rank": {"color": "#009E73", "marker": "^"},
    "SVI, full": {"color": "#E69F00", "marker": "s"},
    "Laplace, by row": {"color": "#56B4E9", "marker": "v"},
    "Laplace, by outgoing": {"color": "#D55E00", "marker": "D"},
    "SVI, spike and slab": {"color": "#CC79A7", "marker": "P"},
    AS_THEY_COME: {"color": "0.45", "marker": "x"},
    REFERENCE: {"color": "#000000", "marker": "", "linewidth": 1.8},
}


@styled
def draw(results: dict[str, Any], path: Path) -> None:
    """Writes the figure."""
    answers = [Answer(**answer) for answer in results["answers"]]
    figure = Figure(figsize=(6.9, 4.8), dpi=200, layout="constrained")
    axes = figure.subplots(2, len(READINGS), sharey=True)
    for column, (reading, title) in enumerate(READINGS.items()):
        shown = [answer for answer in answers if answer.reading == reading]
        units(shown, axes[0, column])
        widths(shown, axes[1, column])
        axes[0, column].set_title(title)
    axes[0, 0].set_ylabel("P(unit present), or\nshare of fits (fraction)")
    axes[1, 0].set_ylabel("P(at least k units)\n(fraction)")
    handles = {label: handle for ax in axes.flat for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    ordered = [name for name in LOOKS if name in handles]
    figure.legend([handles[name] for name in ordered], ordered, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, metadata={"Software": None})


def units(answers: list[Answer], ax: Axes) -> Axes:
    """Survival of every unit: means over seeds, bars over seeds or intervals."""
    for place, answer in enumerate(answers):
        known = [[value for value in values if value is not None] for values in zip(*answer.values, strict=True)]
        where = [unit for unit, values in enumerate(known) if values]
        centre = [mean(known[unit]) for unit in where]
        ends = answer.error or [[min(values, default=0.0) for values in known], [max(values, default=0.0) for values in known]]
        shift = 0.0 if answer.is_reference else 0.09 * (place - len(answers) / 2)
        places = [unit + 1 + shift for unit in where]
        low = [max(value - ends[0][unit], 0.0) for unit, value in zip(where, centre, strict=True)]
        high = [max(ends[1][unit] - value, 0.0) for unit, value in zip(where, centre, strict=True)]
        ax.errorbar(places, centre, yerr=[low, high], label=answer.method, **_look(answer.method))
    ax.set(xlabel="unit, least guided first", ylim=(-0.05, 1.05), xticks=range(1, len(answers[0].values[0]) + 1))
    return ax


def widths(answers: list[Answer], ax: Axes) -> Axes:
    """P(at least k units), means over seeds."""
    for answer in answers:
        if answer.at_least is None or answer.method == AS_THEY_COME:
            continue
        values = [mean(each) for each in zip(*answer.at_least, strict=True)]
        ax.plot(range(1, len(values) + 1), values, label=answer.method, **_look(answer.method))
    ax.set(xlabel="k", ylim=(-0.05, 1.05), xticks=range(1, len(answers[0].values[0]) + 1))
    return ax


def _look(method: str) -> dict[str, Any]:
    return {"linestyle": "-", "linewidth": 0.7, "markersize": 3, "markeredgewidth": 0.7, **LOOKS[method]}
