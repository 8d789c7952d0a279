"""The unit: a neuron, channel, head, input or block with everything coupled to it, and groups of like units."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from jaxtyping import Int
from torch import Tensor


class Role(StrEnum):
    """What a block of a row does in its layer."""

    WEIGHT = "weight"
    BIAS = "bias"
    NORM_SCALE = "norm_scale"
    NORM_SHIFT = "norm_shift"
    GATE = "gate"
    SIGNED_GATE = "signed_gate"


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
    """The channels of one module that belong to each unit, on its input ("in") or output side ("out").

    The side "whole", with the one position 0, is the module itself.
    """

    module: str
    side: str
    index: Int[Tensor, "units positions"]


@dataclass(frozen=True, eq=False)
class UnitGroup:
    """`size` interchangeable units, each owning a row of `row_dim` weights.

    `blocks` say where a row lies in the network's parameters, in the order of the row; `cuts` say what else `reduce`
    removes. `name` is the first layer's name in the network, or the gate's.

    `folds`: the channels into whose weights `reduce` multiplies the gates, which then leave; empty where gates stay.
    `removable_whole`: the group may be left without units, as the gate of a residual block may.
    `inside`: groups of one unit each, such as the gate of a block, without which this group is gone altogether.
    `norm_silences`: a unit whose norm's scale and shift are zero is silent whatever the rest of its row: nothing else of the
    network hears the weights before the norm. False for groups without a norm.
    """

    name: str
    size: int
    row_dim: int
    blocks: tuple[RowBlock, ...] = field(repr=False)
    cuts: tuple[Cut, ...] = field(repr=False)
    folds: tuple[Cut, ...] = field(default=(), repr=False)
    removable_whole: bool = False
    inside: tuple[str, ...] = ()
    norm_silences: bool = False

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
    def is_gated(self) -> bool:
        """Whether the row is made of gates."""
        return any(block.role in (Role.GATE, Role.SIGNED_GATE) for block in self.blocks)

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
