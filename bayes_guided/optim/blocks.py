"""Rows seen in place: a block of a parameter with its units first, after the members of an ensemble if there are any."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

State: TypeAlias = defaultdict[Tensor, Any]
"""A torch optimiser's state: what it keeps for every parameter."""


class ParameterBlock:
    """The share of one parameter that a row (or the rest) owns, units first, shape (units, ...).

    Where the units are the whole axis in order, which is the rule, `read` gives a view and `write` has nothing to do;
    elsewhere (concatenations, grouped layers) they gather and scatter. A stacked parameter has the members of an ensemble as
    its first axis, and so has everything read from it: blocks (members, units, ...), values per unit (members, units).
    """

    def __init__(
        self, parameter: nn.Parameter, axis: int, index: Int[Tensor, "units positions"], *, stacked: bool = False
    ) -> None:
        """`index` holds the positions of each unit along `axis` of one member's parameter."""
        self.parameter = parameter
        self._first = int(stacked)
        """The axis of the units in a block."""
        self.axis = axis + self._first
        self.units = len(index)
        size = parameter.shape[self.axis]
        self.weights_per_unit = parameter.shape[self._first :].numel() // size * index.shape[1]
        in_order = torch.arange(size)[:, None]
        whole = index.shape == in_order.shape and torch.equal(index.cpu(), in_order)
        self._index = None if whole else index.to(parameter.device)
        self._squares: Tensor | None = None

    def read(self, tensor: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The block of a tensor shaped as the parameter (its value, gradient or moment)."""
        moved = tensor.movedim(self.axis, self._first)
        if self._index is None:
            return moved
        return moved[:, self._index] if self._first else moved[self._index]

    def gradient(self) -> Float[Tensor, "..."]:
        """The block of the parameter's gradient, which exists."""
        if self.parameter.grad is None:
            raise RuntimeError("the parameter has no gradient")
        return self.read(self.parameter.grad)

    def write(self, tensor: Float[Tensor, "..."], values: Float[Tensor, "..."]) -> None:
        """Puts back values that were read and then changed in place."""
        if self._index is None:
            return
        moved = tensor.movedim(self.axis, self._first)
        if self._first:
            moved[:, self._index] = values
        else:
            moved[self._index] = values

    def column(self, per_unit: Float[Tensor, "*members units"]) -> Float[Tensor, "..."]:
        """One value per unit, shaped to multiply a block."""
        dims = self.parameter.dim() - 1 - self._first + (self._index is not None)
        return per_unit.reshape(*per_unit.shape, *([1] * dims))

    def squared_norms(self, block: Float[Tensor, "..."]) -> Float[Tensor, "*members units"]:
        """Sum of squares of each unit's weights."""
        inside = tuple(range(self._first + 1, block.dim()))
        if not inside:
            return block.square()
        if block.stride(-1) != 1:
            # Rows that lie across the memory: `vector_norm` walks along each, a sum over squares walks along the memory.
            # The squares have a place of their own: memory that is freed and asked for anew at every step costs more.
            if self._squares is None:
                self._squares = torch.empty_like(block)
            return torch.square(block, out=self._squares).sum(dim=inside)
        return torch.linalg.vector_norm(block, dim=inside).square_()

    def matrix(self, tensor: Float[Tensor, "..."]) -> Float[Tensor, "*members units row"]:
        """The block flattened to one row per unit."""
        return self.flat(self.read(tensor))

    def flat(self, block: Float[Tensor, "..."]) -> Float[Tensor, "*members units row"]:
        """A block's values with one row per unit."""
        return block.reshape(*block.shape[: self._first + 1], -1)

    def write_matrix(self, tensor: Float[Tensor, "..."], values: Float[Tensor, "*members units row"]) -> None:
        """The inverse of `matrix`."""
        block = self.read(tensor)
        block.copy_(values.reshape(block.shape))
        self.write(tensor, block)


@dataclass(frozen=True, eq=False)
class PenalisedBlock:
    """A block of the rows, whether the guidance presses on it (else the ridge does), and whether it stays at 0 or more."""

    block: ParameterBlock
    guided: bool
    non_negative: bool = False

    @property
    def parameter(self) -> nn.Parameter:
        """The parameter that the block lies in."""
        return self.block.parameter
