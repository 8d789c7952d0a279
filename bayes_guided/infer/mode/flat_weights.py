"""All weights of a network as one vector: rows group by group, then the rest. Which place each parameter entry has in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from bayes_guided.architecture import Architecture, UnitGroup
from bayes_guided.types import Rows


@dataclass(frozen=True, eq=False)
class FlatWeights:
    """The vector's layout for one architecture; indices are on the CPU."""

    architecture: Architecture

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(group.size * group.row_dim for group in self.architecture.groups) + self.architecture.rest_size

    @cached_property
    def rows(self) -> dict[str, Int[Tensor, "_ _"]]:
        """The places of every row, (units, row) per group."""
        places, start = {}, 0
        for group in self.architecture.groups:
            size = group.size * group.row_dim
            places[group.name] = torch.arange(start, start + size).reshape(group.size, group.row_dim)
            start += size
        return places

    @cached_property
    def rest(self) -> Int[Tensor, "rest"]:
        """The places of the rest."""
        return torch.arange(self.size - self.architecture.rest_size, self.size)

    @cached_property
    def parameters(self) -> dict[str, Int[Tensor, "..."]]:
        """The place of every entry of every parameter, in the parameter's shape."""
        numbers = {name: places.double() for name, places in self.rows.items()}
        return {name: value.long() for name, value in self.architecture.parameters(numbers, self.rest.double()).items()}

    def join(self, rows: Rows, rest: Float[Tensor, "rest"]) -> Float[Tensor, "weights"]:
        """Rows and rest as one vector."""
        return torch.cat([*(rows[group.name].flatten() for group in self.architecture.groups), rest])

    def split(self, flat: Float[Tensor, "*draws weights"]) -> tuple[dict[str, Float[Tensor, "*draws _ _"]], Tensor]:
        """The inverse of `join`, differentiable, for any number of vectors."""
        groups = self.architecture.groups
        *parts, rest = flat.split([*(group.size * group.row_dim for group in groups), self.architecture.rest_size], dim=-1)
        shaped = {
            group.name: part.unflatten(-1, (group.size, group.row_dim)) for group, part in zip(groups, parts, strict=True)
        }
        return shaped, rest

    def of(self, net: nn.Module | Mapping[str, Tensor]) -> Float[Tensor, "weights"]:
        """A network's weights, or what else has its parameters' names and shapes, in float64."""
        rows, rest = self.architecture.rows(net), self.architecture.rest_vector(net)
        return self.join(rows, rest).detach().double()

    def trainable(self, net: nn.Module) -> Bool[Tensor, "weights"]:
        """Which weights belong to parameters that require a gradient."""
        flags = {name: torch.full(p.shape, float(p.requires_grad)) for name, p in net.named_parameters()}
        return self.of(flags) > 0

    def outgoing(self, group: UnitGroup, net: nn.Module) -> list[Int[Tensor, "_"]]:
        """The places of the weights of linear layers and convolutions that each unit's output meets, one index per unit.

        Empty for a unit whose output meets none, or meets a convolution in groups of channels.
        """
        modules = dict(net.named_modules())
        found: list[list[Tensor]] = [[] for _ in range(group.size)]
        for cut in group.cuts:
            module = modules.get(cut.module)
            plain = isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)
            if cut.side != "in" or not plain:
                continue
            columns = self.parameters[f"{cut.module}.weight"].movedim(1, 0)
            for unit, index in enumerate(cut.index.cpu()):
                found[unit].append(columns[index].flatten())
        return [torch.cat(pieces) if pieces else torch.zeros(0, dtype=torch.int64) for pieces in found]
