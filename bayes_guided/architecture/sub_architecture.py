"""A sub-architecture: which units of every group are present."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from bayes_guided.types import Masks

from .table import align

if TYPE_CHECKING:
    from .architecture import Architecture


_SHOWN = 4
"""Groups that a line names on either side of a gap."""


@dataclass(frozen=True, eq=False, repr=False)
class SubArchitecture:
    """A boolean mask per group of `architecture`, True where the unit is present.

    Made by `Architecture.sub_architecture` or `Architecture.full`, which check the masks.
    """

    architecture: "Architecture"
    masks: Masks

    @property
    def widths(self) -> dict[str, int]:
        """Units present, per group."""
        return {name: int(mask.sum()) for name, mask in self.masks.items()}

    @property
    def num_units(self) -> int:
        """Units present, over all groups."""
        return sum(self.widths.values())

    @property
    def num_parameters(self) -> int:
        """Parameters (count) of the reduced network, before any constant is folded into a new bias."""
        return self.architecture.costs.parameters(self.widths)

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample (count) of the reduced network; convention in `costs`."""
        return self.architecture.costs.macs(self.widths)

    @property
    def survivors(self) -> dict[str, list[int]]:
        """Indices of the units present in the full network's numbering, ascending, per group."""
        return {name: torch.nonzero(mask).flatten().tolist() for name, mask in self.masks.items()}

    def __repr__(self) -> str:
        sizes = {group.name: group.size for group in self.architecture.groups}
        widths = {name: f"{width} of {sizes[name]}" for name, width in self.widths.items()}
        return f"SubArchitecture({widths_in_short(widths)})"

    def __str__(self) -> str:
        full = self.architecture.full() if self.num_units < self.architecture.num_units else self
        lines = [("group", "units", "of", "kept")]
        for group in self.architecture.groups:
            width = self.widths[group.name]
            lines.append((group.name, f"{width}", f"{group.size}", f"{width / group.size:.0%}"))
        lines.append(("all units", f"{self.num_units}", f"{full.num_units}", f"{self.num_units / full.num_units:.0%}"))
        for title, now, then in (
            ("parameters", self.num_parameters, full.num_parameters),
            ("MACs per sample", self.macs, full.macs),
        ):
            lines.append((title, f"{now:,}", f"{then:,}", f"{now / then:.0%}" if then else "-"))
        return align(lines)


def widths_in_short(widths: Mapping[str, str]) -> str:
    """Names and widths of all groups in a line, or of the first and last ones where there are many."""
    shown = [f"{name}: {width}" for name, width in widths.items()]
    if len(shown) > 2 * _SHOWN + 1:
        shown[_SHOWN:-_SHOWN] = [f"... {len(shown) - 2 * _SHOWN} groups ..."]
    return ", ".join(shown)
