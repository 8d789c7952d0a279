"""The unit: one neuron or channel with everything coupled to it, and the group of units that are interchangeable."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from jaxtyping import Int
from torch import Tensor


class Role(StrEnum):
    """What a block of a row does in its layer."""

    WEIGHT = "weight"
    BIAS = "bias"
    NORM_SCALE = "norm_scale"
    NORM_SHIFT = "norm_shift"


@dataclass(frozen=True, eq=False)
class RowBlock:
    """One parameter's share of every row of a group.

    Unit `u` owns `parameter.movedim(axis, 0)[index[u]]`, flattened: `size` weights. Several positions belong to one unit
    where a layer is grouped or follows a flatten.
    """

    parameter: str
    axis: int
    index: Int[Tensor, "units positions"]
    role: Role
    size: int


@dataclass(frozen=True, eq=False)
class Cut:
    """The channels of one module that leave with each unit, on its input or output side."""

    module: str
    side: str
    index: Int[Tensor, "units positions"]


@dataclass(frozen=True, eq=False)
class UnitGroup:
    """`size` interchangeable units, each owning a row of `row_dim` weights.

    `blocks` say where a row lies in the network's parameters, in the order of the row; `cuts` say what else `reduce`
    removes. `name` is the first layer's name in the network.
    """

    name: str
    size: int
    row_dim: int
    blocks: tuple[RowBlock, ...]
    cuts: tuple[Cut, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that hold the rows, in the order of the row."""
        return tuple(dict.fromkeys(block.parameter.rpartition(".")[0] for block in self.blocks))

    @property
    def removals(self) -> dict[tuple[str, str], Int[Tensor, "units positions"]]:
        """Channel positions that leave with each unit, per (layer, side), the layers of the row included."""
        owned = {(block.parameter.rpartition(".")[0], "out"): block.index for block in self.blocks}
        return owned | {(cut.module, cut.side): cut.index for cut in self.cuts}

    @property
    def has_norm(self) -> bool:
        """Whether a norm's scale or shift is part of the row."""
        return any(block.role in (Role.NORM_SCALE, Role.NORM_SHIFT) for block in self.blocks)


@dataclass(frozen=True, eq=False)
class RestBlock:
    """Weights of one parameter that no unit owns: the whole parameter, or positions along one axis."""

    parameter: str
    axis: int | None
    index: Int[Tensor, "positions"] | None
    size: int


@dataclass(frozen=True)
class ProtectedLayer:
    """A layer whose units stay in every model, and why."""

    name: str
    size: int
    reason: str


@dataclass(frozen=True)
class Extent:
    """A number of channels as a function of widths: `fixed + sum_g per_unit[g] * width[g]`."""

    fixed: int
    per_unit: Mapping[str, int]
