"""Rows seen in place: a block of a parameter with its units first."""

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
    elsewhere (concatenations, grouped layers) they gather and scatter.
    """

    def __init__(self, parameter: nn.Parameter, axis: int, index: Int[Tensor, "units positions"]) -> None:
        """`index` holds the positions of each unit along `axis`."""
        self.parameter = parameter
        self.axis = axis
        self.units = len(index)
        self.weights_per_unit = parameter.numel() // parameter.shape[axis] * index.shape[1]
        in_order = torch.arange(parameter.shape[axis])[:, None]
        whole = index.shape == in_order.shape and torch.equal(index.cpu(), in_order)
        self._index = None if whole else index.to(parameter.device)

    def read(self, tensor: Float[Tensor, "..."]) -> Float[Tensor, "units ..."]:
        """The block of a tensor shaped as the parameter (its value, gradient or moment)."""
        moved = tensor.movedim(self.axis, 0)
        return moved if self._index is None else moved[self._index]

    def gradient(self) -> Float[Tensor, "units ..."]:
        """The block of the parameter's gradient, which exists."""
        if self.parameter.grad is None:
            raise RuntimeError("the parameter has no gradient")
        return self.read(self.parameter.grad)

    def write(self, tensor: Float[Tensor, "..."], values: Float[Tensor, "units ..."]) -> None:
        """Puts back values that were read and then changed in place."""
        if self._index is not None:
            tensor.movedim(self.axis, 0)[self._index] = values

    def column(self, per_unit: Float[Tensor, "units"]) -> Float[Tensor, "units ..."]:
        """One value per unit, shaped to multiply a block."""
        dims = self.parameter.dim() - 1 + (self._index is not None)
        return per_unit.reshape(-1, *([1] * dims))

    def squared_norms(self, block: Float[Tensor, "units ..."]) -> Float[Tensor, "units"]:
        """Sum of squares of each unit's weights."""
        if block.dim() == 1:
            return block.square()
        return torch.linalg.vector_norm(block, dim=tuple(range(1, block.dim()))).square_()

    def matrix(self, tensor: Float[Tensor, "..."]) -> Float[Tensor, "units row"]:
        """The block flattened to one row per unit."""
        return self.read(tensor).reshape(self.units, -1)

    def write_matrix(self, tensor: Float[Tensor, "..."], values: Float[Tensor, "units row"]) -> None:
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
