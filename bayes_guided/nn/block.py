"""Gates on whole blocks of a network, and what is left of blocks that are removed."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from bayes_guided.exceptions import GateError

from .attention import HeadAttention
from .gate import Gate


class GatedBlock(nn.Module):
    """A module with one gate on its output, or on what it adds to its input.

    With `residual`, x + gate * (block(x) - x): the gate decides how much of a residual block, its own sum included, is
    used, and a gate of 0 leaves the identity. Without, gate * block(x): for a branch whose sum is written elsewhere.
    Attributes that the wrapper does not have are the block's, as callers of the block expect.
    """

    def __init__(self, block: nn.Module, *, residual: bool = True, signed: bool = False) -> None:
        super().__init__()
        self.residual = residual
        self.block = block
        self.gate: nn.Module = Gate(1, signed=signed)
        self.train(block.training)

    def forward(self, x: Tensor, *args: Any, **keywords: Any) -> Tensor:
        """The gated output.

        Raises:
            GateError: if a residual block changes the shape of its input, or the block does not return one tensor.
        """
        if isinstance(self.gate, Zero):
            return x if self.residual else self.gate(x)
        y = self.block(x, *args, **keywords)
        if not isinstance(y, Tensor):
            raise GateError(f"a gated block must return one tensor, not {type(y).__name__}; gate a module inside it.")
        if not self.residual:
            return self.gate(y)
        if not y.is_nested and y.shape != x.shape:
            raise GateError(
                f"a residual block turned an input of shape {tuple(x.shape)} into {tuple(y.shape)}, so that it cannot be left "
                "out; gate the branch before the residual sum instead (branches=...)."
            )
        return x + self.gate(y - x)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "block":
                raise
            return getattr(super().__getattr__("block"), name)


class Zero(nn.Module):
    """A gate that is off: a zero that broadcasts to any shape."""

    def forward(self, x: Tensor) -> Tensor:
        """A zero without axes, in the dtype and on the device of the input."""
        return torch.zeros((), dtype=x.dtype, device=x.device)


class Skipped(nn.Module):
    """The place of a module that was removed with its block: hands its first argument on, at no cost."""

    def __init__(self, removed: nn.Module) -> None:
        """Answers as the removed module did: attention layers return a pair, here without weights."""
        super().__init__()
        self.returns_weights = isinstance(removed, nn.MultiheadAttention | HeadAttention)
        if isinstance(removed, nn.TransformerEncoderLayer):
            self._answer_encoder(removed.self_attn.batch_first)

    def forward(self, x: Tensor, *_: Any, **__: Any) -> Tensor | tuple[Tensor, None]:
        """The input."""
        return (x, None) if self.returns_weights else x

    def _answer_encoder(self, batch_first: bool) -> None:
        """`nn.TransformerEncoder` asks its first layer for the axis of the batch, and whether its weights need gradients.

        These answers are empty tensors that do: nested tensors are then used exactly where they were before.
        """
        weights = {"weight": torch.empty(0, requires_grad=True), "bias": torch.empty(0, requires_grad=True)}
        attention = {"in_proj_weight": weights["weight"], "in_proj_bias": weights["bias"]}
        self.self_attn = SimpleNamespace(batch_first=batch_first, out_proj=SimpleNamespace(**weights), **attention)
        self.norm1 = self.norm2 = self.linear1 = self.linear2 = SimpleNamespace(**weights)
