"""What one forward pass shows: the order of the layers, how often each runs, and at how many positions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from bayes_guided.exceptions import ExampleInputError

from . import layers
from .inputs import ExampleInputs, call, describe, tensors_in


@dataclass(eq=False)
class Tracing:
    """Calls per layer in the order of the first call, and output positions of linear and convolution layers.

    A position is one place where the layer's weights are applied: an element of the batch for a linear layer on
    vectors, a pixel of the output for a convolution, a pixel of the input for a transposed one. `obstacles`
    are the autograd nodes of layers whose channels cannot be removed one by one, with the reason.
    """

    calls: dict[str, int] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    obstacles: dict[Any, str] = field(default_factory=dict)

    def run(self, net: nn.Module, arguments: ExampleInputs) -> list[Tensor]:
        """The outputs with a history of one recorded forward pass.

        Raises:
            ExampleInputError: if the network does not run on the arguments, or no output has a history.
        """
        try:
            with self._watching(net):
                result = call(net, arguments)
        except Exception as error:
            raise ExampleInputError(
                f"the network does not run on the example inputs ({describe(arguments)}): {type(error).__name__}: {error}"
            ) from error
        outputs = [tensor for tensor in tensors_in(result) if tensor.grad_fn is not None]
        if not outputs:
            raise ExampleInputError(
                f"the network's output does not depend on its parameters by gradients (inputs {describe(arguments)}): "
                "units cannot be traced"
            )
        return outputs

    @contextmanager
    def _watching(self, net: nn.Module) -> Iterator[None]:
        handles = [module.register_forward_hook(self._recorder(name)) for name, module in net.named_modules()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _recorder(self, name: str) -> Any:
        def record(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
            self.calls[name] = self.calls.get(name, 0) + 1
            if isinstance(module, nn.Linear | _ConvNd) and isinstance(output, Tensor):
                self.positions[name] = self.positions.get(name, 0) + _positions(module, given, output)
            if layers.is_opaque(module):
                reason = layers.distrust(module, name)
                self.obstacles |= {tensor.grad_fn: reason for tensor in tensors_in(output) if reason is not None}

        return record


def _positions(module: nn.Linear | _ConvNd, given: tuple[Any, ...], output: Tensor) -> int:
    if layers.is_transposed(module) and given:
        return given[0].numel() // max(layers.in_channels(module) or 1, 1)
    return output.numel() // max(layers.out_channels(module) or 1, 1)


def as_intermediate(tensor: Tensor) -> Tensor:
    """The tensor as the output of an operation, so that autograd records its shape where it is concatenated."""
    return tensor.detach().requires_grad_(True).clone() if tensor.is_floating_point() else tensor
