"""One plain Adam step of the weights that no unit owns, under their ridge."""

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from .blocks import State


class RestUpdate:
    """The weights of one parameter that belong to the rest: all of it, or positions along an axis."""

    def __init__(
        self, parameter: nn.Parameter, axis: int | None, index: Int[Tensor, "positions"] | None, *, stacked: bool = False
    ) -> None:
        """`index` holds the positions along `axis` that belong to the rest; None for the whole parameter.

        A stacked parameter has the members of an ensemble as its first axis, before those that `axis` counts.
        """
        self.parameter = parameter
        self._axis = None if axis is None else axis + stacked
        self._index = None if index is None else index.to(parameter.device)

    def step(self, state: State, settings: dict[str, Any], *, ridge: float) -> None:
        """One step with the gradient of `ridge * ||w||^2` added; nothing where there is no gradient."""
        if self.parameter.grad is None:
            return
        moments = state[self.parameter]
        for name in ("exp_avg", "exp_avg_sq"):
            if name not in moments:
                moments[name] = torch.zeros_like(self.parameter)
        beta1, beta2 = settings["betas"]
        weights, first, second = (self._read(t) for t in (self.parameter, moments["exp_avg"], moments["exp_avg_sq"]))
        gradient = torch.add(self._read(self.parameter.grad), weights, alpha=2 * ridge)
        first.lerp_(gradient, 1 - beta1)
        second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        denominator = second.sqrt().mul_((1 - beta2 ** settings["step"]) ** -0.5).add_(settings["eps"])
        weights.addcdiv_(first, denominator, value=-settings["lr"] / (1 - beta1 ** settings["step"]))
        for whole, part in ((moments["exp_avg"], first), (moments["exp_avg_sq"], second), (self.parameter, weights)):
            self._write(whole, part)

    def _read(self, tensor: Tensor) -> Tensor:
        return tensor if self._axis is None else tensor.movedim(self._axis, 0)[self._index]

    def _write(self, tensor: Tensor, part: Tensor) -> None:
        if self._axis is not None:
            tensor.movedim(self._axis, 0)[self._index] = part
