"""Rows and rest as the network's parameters, with a backward pass that copies each gradient once."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bayes_guided.architecture import Architecture, RowBlock
from bayes_guided.architecture.rows import is_whole, read_block, read_rest

from .base import Weights


class NetworkParameters:
    """`architecture.parameters`, differentiably: the same values and gradients, sooner.

    Every weight has one place, so the transpose of putting it there is reading it back.
    """

    def __init__(self, architecture: Architecture) -> None:
        """Looks up once which parameters belong to one group wholly and in order."""
        self.architecture = architecture
        shapes = architecture.parameter_shapes
        self._blocks = [
            [(block, is_whole(block, shapes[block.parameter])) for block in group.blocks] for group in architecture.groups
        ]

    def __call__(self, weights: Weights) -> dict[str, Tensor]:
        """The network's parameters by name; views of the rows where they are whole."""
        values = _ToParameters.apply(self, *weights.rows.values(), weights.rest)
        return dict(zip(self.architecture.parameter_shapes, values, strict=True))

    def build(self, rows: Sequence[Tensor], rest: Tensor) -> tuple[Tensor, ...]:
        """The parameters in the network's order."""
        named = {group.name: part for group, part in zip(self.architecture.groups, rows, strict=True)}
        return tuple(recipe.build(named, rest) for recipe in self.architecture.recipes)

    def read(self, parameters: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The inverse: the rows of every group, and the rest."""
        named = dict(zip(self.architecture.parameter_shapes, parameters, strict=True))
        rows = [torch.cat([_share(named, *block) for block in blocks], dim=1) for blocks in self._blocks]
        return *rows, read_rest(named, self.architecture.rest)


def _share(parameters: dict[str, Tensor], block: RowBlock, whole: bool) -> Tensor:
    if not whole:
        return read_block(parameters[block.parameter], block)
    return parameters[block.parameter].movedim(block.axis, 0).reshape(len(block.index), -1)


class _ToParameters(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, places: NetworkParameters, *weights: Tensor) -> tuple[Tensor, ...]:
        ctx.places = places
        return places.build(weights[:-1], weights[-1])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return None, *ctx.places.read(gradients)
