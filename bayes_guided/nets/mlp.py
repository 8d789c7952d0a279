"""Fully connected networks."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bayes_guided.exceptions import ConfigError

from .settings import check_positive

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


class MLP(nn.Module):
    """Linear layers with an activation between each two; inputs of any shape are flattened to rows."""

    def __init__(self, widths: Sequence[int], activation: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairwise(widths))
        self.activation = activation

    def forward(self, x: Float[Tensor, "batch *features"]) -> Float[Tensor, "batch classes"]:
        """Outputs before any softmax or link."""
        x = torch.flatten(x, 1)
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)


def mlp(inputs: int, hidden: Sequence[int] = (256, 128), *, outputs: int, activation: str = "relu") -> MLP:
    """A fully connected network `inputs` - `hidden`... - `outputs`; activations are relu, tanh, sigmoid, gelu, silu.

    Raises:
        ConfigError: if a width is not a positive whole number or the activation is unknown.
    """
    check_positive(inputs=inputs, outputs=outputs, **{f"hidden[{i}]": width for i, width in enumerate(hidden)})
    if activation not in ACTIVATIONS:
        raise ConfigError(f"unknown activation {activation!r}; choose one of {', '.join(ACTIVATIONS)}.")
    return MLP([inputs, *hidden, outputs], ACTIVATIONS[activation]())
