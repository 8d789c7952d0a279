"""How a fit went, epoch by epoch."""

from typing import Literal

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from bayes_guided.infer import Epoch, History

from .style import BLUE, FEW_GROUPS, GREEN, GREY, ORANGE, axes_or_new, group_colours, short, styled


@styled
def training(
    history: History,
    quantity: Literal["loss", "error", "units"] = "error",
    *,
    refit: History | None = None,
    error_name: str = "error",
    ax: Axes | None = None,
) -> Axes:
    """One quantity per epoch: the loss with its likelihood part, the errors, or the units left in every group.

    Epochs of the `refit` follow those of the fit, behind a dotted line. `error_name` is the likelihood's: "error" is a
    fraction and shown in percent, anything else as it is.

    More than a few groups are shaded by depth, from the first (dark) to the last (light).

    How to read it: the loss should be level at the end, and so should the units; units that still fall in the last epochs
    call for more epochs. A warning sign is a group that drops in its first epochs while the error is high: lower the strength
    or raise it slowly.
    """
    ax = axes_or_new(ax, 1.8)
    if quantity == "loss":
        _draw_loss(ax, history, refit)
    elif quantity == "error":
        _draw_error(ax, history, refit, error_name)
    else:
        _draw_units(ax, history)
    if refit is not None:
        border = len(history) + 0.5
        ax.axvline(border, color=GREY, linestyle=":", linewidth=0.8)
        ax.annotate("refit", (border, 1), (3, 0), ax.get_xaxis_transform(), "offset points", va="top", fontsize=7)
    ax.set_xlabel("epoch")
    ax.set_xlim(0, len(history) + (0 if refit is None else len(refit)) + 1)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    return ax


def _draw_loss(ax: Axes, history: History, refit: History | None) -> None:
    epochs = _joined(history, refit)
    ax.plot(range(1, len(epochs) + 1), [epoch.loss for epoch in epochs], color=BLUE, label="objective")
    ax.plot(range(1, len(epochs) + 1), [epoch.nll for epoch in epochs], color=ORANGE, label="likelihood part")
    ax.set_ylabel("loss\n(nats per case)")
    if min(epoch.nll for epoch in epochs) > 0:
        ax.set_yscale("log")
    _legend_above(ax)


def _draw_error(ax: Axes, history: History, refit: History | None, error_name: str) -> None:
    scale, label = (100.0, "error\n(%)") if error_name == "error" else (1.0, f"{error_name}\n(of the targets as fitted)")
    epochs = _joined(history, refit)
    numbers = range(1, len(epochs) + 1)
    ax.plot(numbers, [scale * epoch.error for epoch in epochs], color=BLUE, label="training")
    held_out = [
        (n, scale * e.validation_error) for n, e in zip(numbers, epochs, strict=True) if e.validation_error is not None
    ]
    if held_out:
        ax.plot(*zip(*held_out, strict=True), color=GREEN, label="validation")
    ax.set_ylabel(label)
    ax.set_ylim(bottom=0)
    _legend_above(ax)


def _draw_units(ax: Axes, history: History) -> None:
    widths = history.widths
    names = list(widths)
    for (name, counts), colour in zip(widths.items(), group_colours(len(names)), strict=True):
        ax.plot(range(1, len(counts) + 1), counts, color=colour, label=name)
    ax.set_ylabel("units left\n(count)")
    ax.set_yscale("log", base=2)
    ax.yaxis.set_major_formatter(ScalarFormatter())
    if len(names) <= FEW_GROUPS:
        _legend_above(ax)
    else:
        # A dozen shades cannot be told apart by a legend: it names the ends of the scale.
        ends = [ax.lines[0], ax.lines[-1]]
        labels = [f"first: {short(names[0])}", f"last of {len(names)}: {short(names[-1])}"]
        ax.legend(ends, labels, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0)


def _legend_above(ax: Axes) -> None:
    """Above the axes, where no curve can run through it."""
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(handles, map(short, labels), loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0, ncols=2)


def _joined(history: History, refit: History | None) -> tuple[Epoch, ...]:
    return history.epochs + (refit.epochs if refit is not None else ())
