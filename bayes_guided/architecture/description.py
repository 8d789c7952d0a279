"""The table of units that `print(architecture)` shows."""

import textwrap
from collections import defaultdict
from typing import TYPE_CHECKING

import torch

from .table import align
from .unit_group import Role, UnitGroup

if TYPE_CHECKING:
    from .architecture import Architecture

LINE = 110

_WORDS = {
    Role.WEIGHT: "weights",
    Role.BIAS: "bias",
    Role.NORM_SCALE: "norm scale",
    Role.NORM_SHIFT: "norm shift",
    Role.GATE: "gate",
    Role.SIGNED_GATE: "signed gate",
}


def describe_architecture(architecture: "Architecture") -> str:
    """Groups, protected layers with their reasons, the rest, and totals in which every parameter is counted once."""
    costs = architecture.costs
    groups = [("group", "units", "row", "parameters/unit", "MACs/unit", "layers coupled", "in the row")]
    for group in architecture.groups:
        counts = (group.size, group.row_dim, costs.unit_parameters(group.name), costs.unit_macs(group.name))
        size, row, parameters, macs = (f"{count:,}" for count in counts)
        groups.append((group.name, size, row, parameters, macs, _coupled(group), _contents(group)))
    parts = [align(groups)]
    if architecture.protected:
        protected = [("protected layer", "units", "because it")]
        protected += [(layer.name, f"{layer.size:,}", layer.reason) for layer in architecture.protected]
        parts.append(align(protected))
    in_rows = sum(group.size * group.row_dim for group in architecture.groups)
    rest = ", ".join(f"{layer} ({count:,})" for layer, count in _rest_by_layer(architecture).items())
    full = architecture.full()
    parts.append(
        f"{architecture.num_units:,} units in {len(architecture.groups)} groups\n"
        f"{in_rows + architecture.rest_size:,} parameters = {in_rows:,} in rows + {architecture.rest_size:,} in the rest\n"
        f"{_gates_line(architecture)}"
        f"{textwrap.fill(f'rest: {rest or None}', LINE, subsequent_indent='      ')}\n"
        f"{full.macs:,} MACs per sample"
    )
    return "\n\n".join(parts)


def _rest_by_layer(architecture: "Architecture") -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for block in architecture.rest:
        layer, _, name = block.parameter.rpartition(".")
        counts[layer or name] += block.size
    return counts


def _coupled(group: UnitGroup) -> str:
    """Layers that own the rows; behind a gate, also those that leave with the units."""
    behind = [cut.module for cut in group.cuts if cut.side in ("out", "whole")] if group.is_gated else []
    return ", ".join(dict.fromkeys([*group.layers, *behind]))


def _contents(group: UnitGroup) -> str:
    words = ", ".join(dict.fromkeys(_WORDS[block.role] for block in group.blocks))
    return f"{words} alone" if group.is_gated else words


def _gates_line(architecture: "Architecture") -> str:
    """How many parameters a reduced network has less, because gates were folded; empty where there are none."""
    total = sum(torch.Size(shape).numel() for shape in architecture.parameter_shapes.values())
    folded = total - architecture.full().num_parameters
    return f"{folded:,} of them are gates that a reduced network folds into its other weights\n" if folded else ""
