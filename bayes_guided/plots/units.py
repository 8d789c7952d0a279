"""Units along an axis: those of one group, or those of all groups end to end in network order."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bayes_guided.comparison import Comparison
from bayes_guided.exceptions import ComparisonError

from .style import FEW_GROUPS, GREY, short

_LABELS = 10
"""So many numbers of groups fit along an axis."""


@dataclass(frozen=True, eq=False)
class Units:
    """The part of a comparison's dataset that is drawn, with dimensions group and unit."""

    dataset: xr.Dataset

    @property
    def groups(self) -> list[str]:
        """Names, in network order."""
        return [str(name) for name in self.dataset["group"].values]

    @property
    def sizes(self) -> list[int]:
        """Units per group."""
        return [int(size) for size in self.dataset["num_units"].values]

    @property
    def title(self) -> str:
        """The group's name, or that there are several."""
        return short(self.groups[0], 32) if len(self.groups) == 1 else f"all {len(self.groups)} groups"

    @property
    def reading(self) -> str:
        """The reading of survival, of both sides unless it is "map"."""
        return str(self.dataset.attrs["reading"])

    @property
    def prior_reading(self) -> str:
        """The reading of the prior's side."""
        return str(self.dataset.attrs["prior_reading"])

    @property
    def method(self) -> str:
        """How the fit was made."""
        return str(self.dataset["method"].values)

    def __len__(self) -> int:
        return sum(self.sizes)

    def __getitem__(self, variable: str) -> NDArray[Any]:
        """A variable of the units, without what fills up the dataset's rows."""
        rows = self.dataset[variable].transpose("group", "unit").values
        return np.concatenate([row[:size] for row, size in zip(rows, self.sizes, strict=True)])


def one_fit(comparison: Comparison) -> xr.Dataset:
    """The dataset of a comparison of a single fit.

    Raises:
        ComparisonError: if several fits stand side by side.
    """
    if comparison.fits:
        names = ", ".join(comparison.fits)
        raise ComparisonError(f"this plot shows one fit; choose one with comparison.fit(name): {names}.")
    return comparison.dataset


def units_of(comparison: Comparison, group: str | None) -> Units:
    """The units of one group, or of all.

    Raises:
        ComparisonError: if several fits stand side by side, or there is no group of that name.
    """
    dataset = one_fit(comparison)
    if group is None:
        return Units(dataset)
    if group not in comparison.groups:
        raise ComparisonError(f'there is no group "{group}" in this comparison; there are {", ".join(comparison.groups)}.')
    return Units(dataset.sel(group=[group]))


def along_units(ax: Axes, units: Units) -> None:
    """Limits, ticks and label of the axis of units; lines between groups, whose names or numbers are the ticks."""
    ax.set_xlim(-0.5, len(units) - 0.5)
    if len(units.groups) == 1:
        ax.set_xlabel("unit index")
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        return
    ends = np.cumsum(units.sizes)
    for end in ends[:-1]:
        ax.axvline(end - 0.5, color=GREY, linewidth=0.4, zorder=0.5)
    centres = ends - 0.5 - np.array(units.sizes) / 2
    if len(units.groups) <= FEW_GROUPS:
        labels = [short(name, 12) for name in units.groups]
        ax.set_xlabel("units in their order, group by group")
    else:
        step = -(-len(units.groups) // _LABELS)
        labels = [str(place) if (place - 1) % step == 0 else "" for place in range(1, len(units.groups) + 1)]
        ax.set_xlabel("units in their order, by number of the group")
    ax.set_xticks(centres, labels)
    ax.tick_params(axis="x", length=0)
