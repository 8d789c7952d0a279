"""Units and errors against each factor, and the units found against those of the teacher."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from bayes_guided.plots.style import BLUE, GREY, ORANGE, PAGE_WIDTH, styled
from experiments.cases import Row

from .grid import CHOSEN, CLASSES, EPOCHS, FASHION, FIXED, LR, NOISE, STEPS, STRENGTH
from .tables import levels, taught

Lines = dict[str, dict[float, list[Row]]]
"""By how the strength is set, the rows of each level."""

DASHES = {FIXED: "-", CHOSEN: (0, (3, 1.5))}


@styled
def draw(rows: list[Row], folder: Path) -> None:
    """Writes figure.png: points are seeds, lines join their means."""
    figure = Figure(figsize=(PAGE_WIDTH, 7.4), layout="constrained")
    training, data, teachers = list(figure.subfigures(3, 1, height_ratios=[1, 1.08, 0.85], squeeze=False)[:, 0])
    names = {
        STRENGTH: "strength λ",
        LR: "learning rate",
        EPOCHS: "batch size,\nequal epochs",
        STEPS: "batch size,\nequal steps",
    }
    fixed = {name: {FIXED: levels(rows, factor)} for factor, name in names.items()}
    for (factor, name), (upper, lower) in zip(names.items(), _pairs(training, fixed), strict=True):
        upper.set_xscale("log", base=10 if factor == STRENGTH else 2)
        if factor != STRENGTH:
            every = list(fixed[name][FIXED])
            lower.set_xticks(every, [f"{level:g}".removeprefix("0") for level in every])
        lower.minorticks_off()
    names = {NOISE: "wrong labels (fraction)", CLASSES: "MNIST: classes", FASHION: "Fashion-MNIST: classes"}
    both = {name: {how: levels(rows, factor, how) for how in (FIXED, CHOSEN)} for factor, name in names.items()}
    pairs = _pairs(data, both)
    for row in (0, 1):  # the same scale for both sets of images
        low, high = zip(*(pairs[place][row].get_ylim() for place in (1, 2)), strict=True)
        for place in (1, 2):
            pairs[place][row].set_ylim(min(low), max(high))
    _teachers(teachers, rows)
    figure.legend(handles=_key(), loc="outside upper center", ncols=4)
    figure.savefig(folder / "figure.png", dpi=140, metadata={"Software": None})


def _pairs(where: SubFigure, factors: dict[str, Lines]) -> list[tuple[Axes, Axes]]:
    """A column for each factor: units above, errors below."""
    axes = where.subplots(2, len(factors), sharex="col", squeeze=False)
    for column, (name, lines) in enumerate(factors.items()):
        upper, lower = axes[0, column], axes[1, column]
        for how, line in lines.items():
            _line(upper, line, lambda row: row["widths"][0], BLUE, how)
            _line(upper, line, lambda row: row["widths"][1], ORANGE, how)
            _line(lower, line, lambda row: 100 * row["test_error"], GREY, how)
        for ax in (upper, lower):
            ax.set_ylim(0, 1.04 * ax.get_ylim()[1])
        lower.set_xlabel(name)
    axes[0, 0].set_ylabel("units")
    axes[1, 0].set_ylabel("test error (%)")
    where.align_ylabels()
    return [(axes[0, column], axes[1, column]) for column in range(len(factors))]


def _line(ax: Axes, line: dict[float, list[Row]], value: Callable[[Row], float], colour: str, how: str) -> None:
    points = [(level, value(row)) for level, group in line.items() for row in group]
    ax.plot(*_columns(points), "o", color=colour, markersize=1.8, alpha=0.6)
    means = [(level, mean(value(row) for row in group)) for level, group in line.items()]
    ax.plot(*_columns(means), color=colour, linestyle=DASHES[how])


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _key() -> list[Line2D]:
    """What colours and dashes of the upper panels mean."""
    return [
        Line2D([], [], color=BLUE, label="layer 1"),
        Line2D([], [], color=ORANGE, label="layer 2"),
        Line2D([], [], color=GREY, linestyle=DASHES[FIXED], label="λ fixed"),
        Line2D([], [], color=GREY, linestyle=DASHES[CHOSEN], label="λ chosen"),
    ]


def _teachers(where: SubFigure, rows: list[Row]) -> None:
    """A panel for each noise level: units found against the teacher's, on the line where they are the same."""
    found = {how: taught(rows, how) for how in (FIXED, CHOSEN)}
    noises = sorted({noise for noise, _ in found[FIXED]})
    units = sorted({unit for _, unit in found[FIXED]})
    axes = where.subplots(1, len(noises), sharex=True, sharey=True, squeeze=False)[0]
    for ax, noise in zip(axes, noises, strict=True):
        ax.plot(units, units, color=GREY, linewidth=0.6, zorder=0, label="the teacher's")
        for how, colour in ((FIXED, BLUE), (CHOSEN, ORANGE)):
            line = {float(unit): group for (level, unit), group in found[how].items() if level == noise}
            _line(ax, line, lambda row: row["widths"][0], colour, how)
            ax.plot([], [], color=colour, linestyle=DASHES[how], label=f"λ {how}")
        ax.set_xscale("log", base=2)
        ax.set_yscale("log", base=2)
        ax.set_xticks(units, [str(unit) for unit in units])
        ax.set_yticks([1, *units, 32], [str(unit) for unit in (1, *units, 32)])
        ax.minorticks_off()
        ax.set_title(f"noise {noise:g}")
    axes[0].set_ylabel("units found")
    axes[len(noises) // 2].set_xlabel("teacher's units")
    axes[0].legend(loc="upper left", handlelength=1.2)
