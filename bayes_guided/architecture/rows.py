"""Rows and parameters: the same weights, seen unit by unit or layer by layer.

Both directions are differentiable and work under `torch.func`. A parameter that one group owns completely and in order
is a reshaped slice of the rows (vectors are copied); any other parameter is gathered from the pieces of its owners.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .unit_group import RestBlock, RowBlock, UnitGroup


def read_block(parameter: Tensor, block: RowBlock) -> Float[Tensor, "units share"]:
    """One parameter's share of every row."""
    moved = parameter.movedim(block.axis, 0)
    if is_whole(block, parameter.shape):
        return moved.reshape(len(block.index), -1)
    taken = moved.index_select(0, block.index.to(parameter.device).flatten())
    return taken.reshape(len(block.index), -1)


def read_rows(parameters: Mapping[str, Tensor], group: UnitGroup) -> Float[Tensor, "units row"]:
    """The rows of one group."""
    return torch.cat([read_block(parameters[block.parameter], block) for block in group.blocks], dim=1)


def read_rest(parameters: Mapping[str, Tensor], rest: Sequence[RestBlock]) -> Float[Tensor, "rest"]:
    """The weights that no unit owns, flattened in the order of `rest`; empty if there are none."""
    pieces = [_read_rest_block(parameters[block.parameter], block) for block in rest]
    reference = next(iter(parameters.values()))
    return torch.cat(pieces) if pieces else reference.new_zeros(0)


def _read_rest_block(parameter: Tensor, block: RestBlock) -> Tensor:
    if block.axis is None or block.index is None:
        return parameter.reshape(-1)
    return parameter.movedim(block.axis, 0).index_select(0, block.index.to(parameter.device)).reshape(-1)


def is_whole(block: RowBlock, shape: Sequence[int]) -> bool:
    """Whether unit u owns exactly the u-th slice of the parameter, for every slice."""
    units, positions = block.index.shape
    return positions == 1 and units == shape[block.axis] and torch.equal(block.index.cpu().flatten(), torch.arange(units))


def find_rest(shapes: Mapping[str, Sequence[int]], groups: Iterable[UnitGroup]) -> tuple[RestBlock, ...]:
    """What the rows of `groups` leave over of every parameter, in the order of `shapes`."""
    owned: dict[str, list[RowBlock]] = defaultdict(list)
    for group in groups:
        for block in group.blocks:
            owned[block.parameter].append(block)
    blocks = []
    for name, shape in shapes.items():
        numel = int(torch.Size(shape).numel())
        if name not in owned:
            blocks.append(RestBlock(name, None, None, numel))
            continue
        axis = owned[name][0].axis
        free = torch.ones(shape[axis], dtype=torch.bool)
        for block in owned[name]:
            free[block.index.flatten()] = False
        left = free.nonzero().flatten()
        if len(left):
            blocks.append(RestBlock(name, axis, left, numel // shape[axis] * len(left)))
    return tuple(blocks)


@dataclass(frozen=True, eq=False)
class _Piece:
    """Where a share of a parameter lies: in a group's rows (None: in the rest), from column `start`, `size` columns.

    It makes up `positions` positions along the parameter's axis.
    """

    group: str | None
    start: int
    size: int
    positions: int


@dataclass(frozen=True, eq=False)
class ParameterRecipe:
    """How one parameter is put together from rows and rest."""

    name: str
    shape: tuple[int, ...]
    axis: int
    pieces: tuple[_Piece, ...]
    order: Int[Tensor, "positions"] | None

    def build(self, rows: Mapping[str, Tensor], rest: Tensor) -> Tensor:
        """The parameter: a view where it is a matrix or more with one owner in order, else gathered along `axis`."""
        if not self.shape:
            return rest.narrow(-1, self.pieces[0].start, 1).reshape(())
        others = (*self.shape[: self.axis], *self.shape[self.axis + 1 :])
        parts = [
            (rest if piece.group is None else rows[piece.group])
            .narrow(-1, piece.start, piece.size)
            .reshape(piece.positions, *others)
            for piece in self.pieces
        ]
        joined = parts[0] if len(parts) == 1 else torch.cat(parts)
        if len(self.shape) == 1:
            # batch_norm's backward reads a strided scale as if it were contiguous: wrong gradients, no error (2.13).
            joined = joined.contiguous()
        if self.order is not None:
            joined = joined.index_select(0, self.order.to(joined.device))
        return joined.movedim(0, self.axis)


def parameter_recipes(
    shapes: Mapping[str, Sequence[int]], groups: Iterable[UnitGroup], rest: Sequence[RestBlock]
) -> tuple[ParameterRecipe, ...]:
    """One recipe per parameter, in the order of `shapes`."""
    pieces: dict[str, list[_Piece]] = defaultdict(list)
    positions: dict[str, list[Tensor]] = defaultdict(list)
    axes: dict[str, int] = {}
    for group in groups:
        start = 0
        for block in group.blocks:
            pieces[block.parameter].append(_Piece(group.name, start, block.size, block.index.numel()))
            positions[block.parameter].append(block.index.flatten())
            axes[block.parameter] = block.axis
            start += block.size
    start = 0
    for block in rest:
        shape = shapes[block.parameter]
        whole = shape[0] if len(shape) else 1
        length = whole if block.index is None else len(block.index)
        pieces[block.parameter].append(_Piece(None, start, block.size, length))
        if block.index is not None:
            positions[block.parameter].append(block.index)
        start += block.size
    return tuple(
        ParameterRecipe(name, tuple(shape), axes.get(name, 0), tuple(pieces[name]), _order(positions.get(name, [])))
        for name, shape in shapes.items()
    )


def _order(positions: Sequence[Tensor]) -> Int[Tensor, "positions"] | None:
    """The permutation that puts joined pieces in place, None for the identity."""
    if not positions:
        return None
    joined = torch.cat(list(positions))
    order = torch.argsort(joined)
    return None if torch.equal(order, torch.arange(len(order))) else order
