"""Rows and rest as the network's parameters, with a backward pass that copies each gradient once."""

from collections.abc import Mapping, Sequence
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

    def __call__(self, weights: Weights) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The network's parameters by name, views of the rows where they are whole; and the rows again.

        Whoever needs the rows beside the network (a prior does) takes the second: the gradients of both then become one
        in a single pass over the weights.
        """
        values = _ToParameters.apply(self, *weights.rows.values(), weights.rest)
        count = len(self.architecture.parameter_shapes)
        parameters = dict(zip(self.architecture.parameter_shapes, values[:count], strict=True))
        return parameters, dict(zip(weights.rows, values[count:], strict=True))

    def build(self, rows: Sequence[Tensor], rest: Tensor) -> tuple[Tensor, ...]:
        """The parameters in the network's order."""
        named = {group.name: part for group, part in zip(self.architecture.groups, rows, strict=True)}
        return tuple(recipe.build(named, rest) for recipe in self.architecture.recipes)

    def read(self, parameters: Mapping[str, Tensor], rows: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
        """The transpose: gradients of rows and rest from those of the parameters, and of the rows where there are any."""
        read = [_rows(parameters, blocks, own) for blocks, own in zip(self._blocks, rows, strict=True)]
        return *read, read_rest(parameters, self.architecture.rest)


def _rows(parameters: Mapping[str, Tensor], blocks: list[tuple[RowBlock, bool]], own: Tensor | None) -> Tensor:
    """The parameters' shares side by side, added to `own`."""
    shares = [_share(parameters[block.parameter], block, whole) for block, whole in blocks]
    if own is None:
        return torch.cat(shares, dim=1)
    total = torch.empty(own.shape, dtype=own.dtype, device=own.device)
    sizes = [block.size for block, _ in blocks]
    for share, part, place in zip(shares, own.split(sizes, dim=1), total.split(sizes, dim=1), strict=True):
        torch.add(share, part, out=place)
    return total


def _share(parameter: Tensor, block: RowBlock, whole: bool) -> Tensor:
    return parameter.movedim(block.axis, 0).reshape(len(block.index), -1) if whole else read_block(parameter, block)


class _ToParameters(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, places: NetworkParameters, *weights: Tensor) -> tuple[Tensor, ...]:
        ctx.places = places
        ctx.set_materialize_grads(False)
        built = places.build(weights[:-1], weights[-1])
        ctx.layouts = [(value.shape, value.dtype, value.device) for value in built]
        return *built, *weights[:-1]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        named = {}
        for name, gradient, layout in zip(ctx.places.architecture.parameter_shapes, gradients, ctx.layouts, strict=False):
            shape, dtype, device = layout
            named[name] = torch.zeros(shape, dtype=dtype, device=device) if gradient is None else gradient
        return None, *ctx.places.read(named, gradients[len(named) :])
