"""What one forward pass shows: the order of the layers, how often each runs, and at how many positions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.modules.conv import _ConvNd

from bayes_guided.exceptions import ExampleInputError
from bayes_guided.nn import Gate, HeadAttention, Select

from . import layers
from .inputs import ExampleInputs, call, describe, map_tensors, tensors_in

SEALED = (Gate, Select, HeadAttention, nn.MultiheadAttention)
"""Layers that the trace sees as one operation, whatever they do inside."""


@dataclass(eq=False)
class Tracing:
    """Calls per layer in the order of the first call, and output positions of linear and convolution layers.

    A position is one place where the layer's weights are applied: an element of the batch for a linear layer on
    vectors, a pixel of the output for a convolution, a pixel of the input for a transposed one. For the input
    projection of an attention layer it is a feature of a query, a key or a value; the output projection is counted under
    its own name.
    `obstacles` are the autograd nodes of layers whose channels cannot be removed one by one, with the reason. `results`
    are the autograd nodes of what each module returned, `outputs` those of the network.
    """

    calls: dict[str, int] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    obstacles: dict[Any, str] = field(default_factory=dict)
    results: dict[str, list[Any]] = field(default_factory=dict)
    outputs: list[Any] = field(default_factory=list)

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
        self.outputs = [tensor.grad_fn for tensor in outputs]
        return outputs

    @contextmanager
    def _watching(self, net: nn.Module) -> Iterator[None]:
        handles = [
            module.register_forward_hook(self._recorder(name), prepend=True, with_kwargs=True)
            for name, module in net.named_modules()
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _recorder(self, name: str) -> Any:
        def record(module: nn.Module, given: tuple[Any, ...], keywords: dict[str, Any], output: Any) -> Any:
            if isinstance(module, SEALED):
                output = _seal(output, list(tensors_in((given, keywords))))
            self.calls[name] = self.calls.get(name, 0) + 1
            self.results.setdefault(name, []).extend(tensor.grad_fn for tensor in tensors_in(output))
            if isinstance(module, layers.Attention):
                self._count_tokens(name, module, given, keywords)
            if isinstance(module, nn.Linear | _ConvNd) and isinstance(output, Tensor):
                self.positions[name] = self.positions.get(name, 0) + _positions(module, given, output)
            if layers.is_opaque(module):
                reason = layers.distrust(module, name)
                self.obstacles |= {tensor.grad_fn: reason for tensor in tensors_in(output) if reason is not None}
            return output

        return record

    def _count_tokens(self, name: str, module: layers.Attention, given: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        roles = dict(zip(("query", "key", "value"), given, strict=False)) | keywords
        features = sum(roles[role].numel() for role in ("query", "key", "value"))
        out_proj = f"{name}.out_proj".lstrip(".")
        self.positions[name] = self.positions.get(name, 0) + features
        self.positions[out_proj] = self.positions.get(out_proj, 0) + roles["query"].numel() // module.embed_dim


class _Sealed(Function):
    """The output of a layer as the result of one operation on its inputs; it is never differentiated."""

    @staticmethod
    def forward(_: Any, output: Tensor, *given: Tensor) -> Tensor:
        return output.view_as(output)


def _seal(output: Any, given: list[Tensor]) -> Any:
    inputs = list({id(tensor): tensor for tensor in given if tensor.requires_grad}.values())
    if not inputs:
        return output
    return map_tensors(lambda tensor: _Sealed.apply(tensor.detach(), *inputs), output)


def _positions(module: nn.Linear | _ConvNd, given: tuple[Any, ...], output: Tensor) -> int:
    if layers.is_transposed(module) and given:
        return given[0].numel() // max(layers.in_channels(module) or 1, 1)
    return output.numel() // max(layers.out_channels(module) or 1, 1)


def as_intermediate(tensor: Tensor) -> Tensor:
    """The tensor as the output of an operation, so that autograd records its shape where it is concatenated."""
    return tensor.detach().requires_grad_(True).clone() if tensor.is_floating_point() else tensor
