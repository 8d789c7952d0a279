"""Example inputs: what the user gave, made safe to keep and to run."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from bayes_guided.exceptions import ExampleInputError

ExampleInputs: TypeAlias = tuple[Any, ...] | dict[str, Any]
"""Positional arguments of the network, or keyword arguments."""

MAX_SAMPLES = 2
"""Samples kept from the example inputs: enough to tell the batch axis, small enough to store."""


def as_arguments(example_inputs: Any) -> ExampleInputs:
    """Arguments for the network from a tensor, a tuple or list (positional) or a dict (keywords), copied.

    Raises:
        ExampleInputError: if `example_inputs` is something else, holds no tensor, or an empty one.
    """
    if isinstance(example_inputs, Tensor):
        arguments: ExampleInputs = (example_inputs,)
    elif isinstance(example_inputs, tuple | list):
        arguments = tuple(example_inputs)
    elif isinstance(example_inputs, dict) and all(isinstance(key, str) for key in example_inputs):
        arguments = dict(example_inputs)
    else:
        raise ExampleInputError(
            "example_inputs must be a tensor, a tuple of positional arguments or a dict of keyword arguments, "
            f"not {type(example_inputs).__name__}"
        )
    if next(tensors_in(arguments), None) is None:
        raise ExampleInputError("example_inputs hold no tensor: give a batch of inputs as the network takes it")
    if any(tensor.numel() == 0 for tensor in tensors_in(arguments)):
        raise ExampleInputError(f"example_inputs are empty ({describe(arguments)}): give at least one sample")
    return map_tensors(lambda tensor: tensor.detach().clone(), arguments)


def first_samples(arguments: ExampleInputs) -> ExampleInputs:
    """The first `MAX_SAMPLES` samples where every tensor has the same first axis; else the arguments as they are."""
    if batch_size(arguments) <= MAX_SAMPLES:
        return arguments
    return map_tensors(lambda tensor: tensor[:MAX_SAMPLES].clone() if tensor.dim() else tensor, arguments)


def batch_size(arguments: ExampleInputs) -> int:
    """Length of the first axis that all tensors share; 1 where they share none."""
    lengths = {tensor.shape[0] for tensor in tensors_in(arguments) if tensor.dim()}
    return lengths.pop() if len(lengths) == 1 else 1


def call(net: nn.Module, arguments: ExampleInputs) -> Any:
    """The network's output for positional or keyword arguments."""
    return net(**arguments) if isinstance(arguments, dict) else net(*arguments)


def describe(arguments: ExampleInputs) -> str:
    """Shapes, dtypes and devices of the tensors, for error messages."""
    return ", ".join(
        f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')} on {tensor.device}"
        for tensor in tensors_in(arguments)
    )


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every tensor in nested tuples, lists, mappings and dataclasses, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from tensors_in(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from tensors_in(getattr(value, field.name))


def map_tensors(function: Any, value: Any) -> Any:
    """The same nesting of tuples, lists and dicts with `function` applied to every tensor."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return {key: map_tensors(function, item) for key, item in value.items()}
    if isinstance(value, list):
        return [map_tensors(function, item) for item in value]
    if isinstance(value, tuple):
        items = [map_tensors(function, item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return value


def perturbed(arguments: ExampleInputs, generator: torch.Generator) -> ExampleInputs:
    """Floating-point inputs with noise of their own scale added, drawn from a private generator; others unchanged."""

    def add_noise(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor)
        scale = tensor.double().pow(2).mean().sqrt().clamp_min(1.0) if tensor.numel() else 1.0
        return tensor + noise * float(scale)

    return map_tensors(add_noise, arguments)


def like_parameters(arguments: ExampleInputs, net: nn.Module) -> ExampleInputs:
    """The arguments on the device of the network's parameters, floating-point tensors in their dtype."""
    reference = next((p for p in net.parameters() if p.is_floating_point()), None)
    if reference is None:
        return arguments

    def move(tensor: Tensor) -> Tensor:
        dtype = reference.dtype if tensor.is_floating_point() else tensor.dtype
        return tensor.to(device=reference.device, dtype=dtype)

    return map_tensors(move, arguments)
