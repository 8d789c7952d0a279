"""Gates: one factor per unit, multiplied on what the units put out."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from bayes_guided.exceptions import GateError


class Gate(nn.Module):
    """Multiplies its input by one gate per unit along `axis`; a gate of size 1 multiplies the whole input.

    In an `Architecture` the row of such a unit is its gate alone. A gate of 0 silences the unit, and `reduce` removes it:
    the input feature, the channel, or (size 1, before a residual sum) the whole block that feeds the gate.

    A gate that is not `signed` is |weight|. The Pyro model is then exact: a symmetric prior on the weight is its folded
    form on the gate (a Laplace prior gives an exponential one). `ProximalAdam` keeps the weight of such a gate at 0 or
    more, so that a gate which the data press below zero is exactly zero. Zero is absorbing, as for a ReLU unit (P28): the
    gradient of |weight| there is 0. A signed gate is its weight.

    `selected`, where it is given, are the positions of the input along `axis` that the gates belong to; the others are
    dropped. Only `reduce` makes such gates. It is no part of the state: the plan of a reduction holds it.
    """

    selected: Int[Tensor, "units"] | None

    def __init__(self, size: int, *, signed: bool = False, axis: int = 1) -> None:
        """Every gate starts at 1. `axis` is 1 for channels and -1 for features that come last.

        Raises:
            GateError: if the size is not positive.
        """
        super().__init__()
        if size < 1:
            raise GateError(f"Gate(size={size}): give the number of units, 1 or more.")
        self.signed, self.axis = signed, axis
        self.weight = nn.Parameter(torch.ones(size))
        self.register_buffer("selected", None, persistent=False)

    @property
    def size(self) -> int:
        """Number of gates."""
        return len(self.weight)

    @property
    def values(self) -> Float[Tensor, "units"]:
        """The factors: the weights, or their absolute values where the gates are not signed."""
        return self.weight if self.signed else self.weight.abs()

    def forward(self, x: Tensor) -> Tensor:
        """The input times the gates.

        Raises:
            GateError: if the input has another number of units along the axis.
        """
        if self.selected is not None:
            x = x.index_select(self.axis, self.selected)
        elif self.size == 1:
            return x * self.values.squeeze(0)
        if x.shape[self.axis] != self.size:
            raise GateError(
                f"a gate of {self.size} units met an input of shape {tuple(x.shape)}, which has {x.shape[self.axis]} along "
                f"axis {self.axis}; give Gate(size, axis=...) the axis of the units."
            )
        shape = [1] * x.dim()
        shape[self.axis] = -1
        return x * self.values.reshape(shape)

    def extra_repr(self) -> str:
        """Size, sign and axis."""
        return f"{self.size}, signed={self.signed}, axis={self.axis}"


class Select(nn.Module):
    """Keeps some positions of its input along an axis: what is left of a gate on inputs whose values were folded away."""

    index: Int[Tensor, "units"]

    def __init__(self, index: Int[Tensor, "units"], axis: int) -> None:
        """`index` holds the positions that stay; it is no part of the state, since the plan of a reduction holds it."""
        super().__init__()
        self.axis = axis
        self.register_buffer("index", index.clone(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The positions that stay."""
        return x.index_select(self.axis, self.index)

    def extra_repr(self) -> str:
        """Number of positions and axis."""
        return f"{len(self.index)}, axis={self.axis}"


class GatedInputs(nn.Module):
    """A network with one gate on each feature of one of its arguments."""

    def __init__(self, net: nn.Module, gate: Gate, keyword: str | None = None) -> None:
        """The gate multiplies the first positional argument, or the keyword argument that is named."""
        super().__init__()
        self.keyword = keyword
        self.inputs = gate
        self.net = net

    def forward(self, *args: Any, **keywords: Any) -> Any:
        """What the network returns for the gated argument.

        Raises:
            GateError: if the argument is missing.
        """
        if self.keyword is None and args:
            return self.net(self.inputs(args[0]), *args[1:], **keywords)
        if self.keyword is not None and self.keyword in keywords:
            return self.net(*args, **{**keywords, self.keyword: self.inputs(keywords[self.keyword])})
        wanted = "as the first positional argument" if self.keyword is None else f"under the keyword {self.keyword!r}"
        raise GateError(f"the gated input must be given {wanted}.")
