"""Widths, error and evidence against strength."""

from collections.abc import Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from numpy.typing import NDArray

from bayes_guided.analysis.regularisation import RegularisationPath

from .style import axes_or_new, short, styled

_MARKERS = "os^Dv<>P"


@styled
def regularisation_path(
    paths: Sequence[RegularisationPath],
    quantity: Literal["units", "error", "evidence"] = "units",
    *,
    group: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """One quantity of fits against their strength, a line per path: units of a group or of all, error, or log evidence.

    Of the evidence, the largest value of every path is marked with a ring.

    How to read it: paths of several guidance profiles that reach the same error with fewer units are better guided; the
    strength to take is where the evidence is largest, or the error begins to rise. Warning signs: widths that drop to almost
    nothing from one strength to the next, between which more strengths are needed; an evidence that is still rising at an end;
    lines that cross often, where the differences are those of the random start.
    """
    ax = axes_or_new(ax, 1.9)
    for place, path in enumerate(paths):
        values, label = _values(path, quantity, group)
        if values is None:
            continue
        look: dict[str, Any] = {"color": f"C{place % 6}", "label": short(path.name, 16)}
        ax.plot(path.strengths.numpy(), values, marker=_MARKERS[place % len(_MARKERS)], **look)
        if quantity == "evidence" and path.best is not None:
            ring: dict[str, Any] = {
                "markersize": 7,
                "markerfacecolor": "none",
                "markeredgecolor": look["color"],
                "linestyle": "",
            }
            ax.plot([float(path.strengths[path.best])], [values[path.best]], "o", **ring)
        ax.set_ylabel(label)
    ax.set(xscale="log", xlabel=r"strength $\lambda$ (no unit)")
    if quantity != "evidence":
        ax.set_ylim(bottom=0)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0)
    return ax


def _values(path: RegularisationPath, quantity: str, group: str | None) -> tuple[NDArray[Any] | None, str]:
    if quantity == "units":
        units = path.units if group is None else path.widths[group]
        return units.numpy(), "units left\n(count)" if group is None else f"{short(group)}\nunits left (count)"
    if quantity == "error":
        is_fraction = path.error_name == "error"
        return (100 if is_fraction else 1) * path.error.numpy(), f"{path.error_name}\n({'%' if is_fraction else 'as fitted'})"
    return (None if path.log_evidence is None else path.log_evidence.numpy()), "log evidence\n(nats)"
