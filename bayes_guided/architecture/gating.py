"""Gates put into a copy of a network."""

import copy
import difflib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bayes_guided.exceptions import ExampleInputError, GateError
from bayes_guided.nn import Gate, GatedBlock, GatedInputs, HeadAttention
from bayes_guided.nn.attention import unsupported

from .comparison import TOLERANCE, gap, outputs
from .inputs import ExampleInputs, as_arguments, describe, first_samples
from .removal import replace_module


def put_gates(
    net: nn.Module,
    example_inputs: Any,
    *,
    inputs: bool | str,
    input_axis: int,
    blocks: Sequence[str],
    branches: Sequence[str],
    heads: bool | Sequence[str],
    signed: bool,
) -> nn.Module:
    """A copy of `net` with gates at the places named, as `Architecture.with_gates` documents.

    Raises:
        GateError: if a gate cannot be put where it was asked for.
        ExampleInputError: if the network does not run on the example inputs.
    """
    arguments = first_samples(as_arguments(example_inputs))
    gated = copy.deepcopy(net)
    _check_places(gated, blocks, branches, heads)
    for name in _attention_layers(gated) if heads is True else heads or ():
        _gate_heads(gated, name, signed)
    # The innermost first: the names of what contains it stay.
    for name in sorted({*blocks, *branches}, key=lambda name: -name.count(".")):
        replace_module(gated, name, GatedBlock(gated.get_submodule(name), residual=name in blocks, signed=signed))
    if inputs:
        keyword = inputs if isinstance(inputs, str) else None
        gate = Gate(_num_features(arguments, keyword, input_axis), signed=signed, axis=input_axis)
        gated = GatedInputs(gated, gate, keyword).train(net.training)
    reference = next(net.parameters(), torch.empty(0))
    for module in gated.modules():
        if isinstance(module, Gate):
            module.to(reference)
    _check_unchanged(net, gated, arguments)
    return gated


def _check_places(net: nn.Module, blocks: Sequence[str], branches: Sequence[str], heads: bool | Sequence[str]) -> None:
    both = sorted(set(blocks) & set(branches))
    if both:
        raise GateError(f"{both[0]!r} is named in blocks and in branches: a block adds its input itself, a branch does not.")
    names = [name for name, _ in net.named_modules() if name]
    for name in (*blocks, *branches, *([] if isinstance(heads, bool) else heads)):
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            raise GateError(f"cannot gate {name!r}: the network has no such module; did you mean {near or names}?")


def _attention_layers(net: nn.Module) -> list[str]:
    names = [name for name, m in net.named_modules() if isinstance(m, nn.MultiheadAttention) and unsupported(m) is None]
    if not names:
        raise GateError("heads=True, but the network has no nn.MultiheadAttention whose heads could be gated.")
    return names


def _gate_heads(net: nn.Module, name: str, signed: bool) -> None:
    attention = net.get_submodule(name)
    if not isinstance(attention, nn.MultiheadAttention):
        raise GateError(f"{name!r} is a {type(attention).__name__}: heads of nn.MultiheadAttention layers can be gated.")
    gate = Gate(attention.num_heads, signed=signed)
    replace_module(net, name, HeadAttention.from_torch(attention, gate))


def _num_features(arguments: ExampleInputs, keyword: str | None, axis: int) -> int:
    if isinstance(arguments, dict):
        given = None if keyword is None else arguments.get(keyword)
    else:
        given = arguments[0] if keyword is None else None
    if not isinstance(given, Tensor) or not given.is_floating_point():
        where = "the first positional argument" if keyword is None else f"the keyword argument {keyword!r}"
        raise GateError(f"{where} of the example inputs is no floating-point tensor, so that its features cannot be gated.")
    if not -given.dim() <= axis < given.dim():
        raise GateError(f"input_axis={axis}: the gated input has shape {tuple(given.shape)}.")
    return given.shape[axis]


def _check_unchanged(net: nn.Module, gated: nn.Module, arguments: ExampleInputs) -> None:
    """Gates of 1 change nothing, in evaluation mode."""
    try:
        with torch.no_grad():
            expected = outputs(copy.deepcopy(net).eval(), arguments)
            actual = outputs(copy.deepcopy(gated).eval(), arguments)
    except GateError:
        raise
    except Exception as error:
        raise ExampleInputError(
            f"the network does not run on the example inputs ({describe(arguments)}): {type(error).__name__}: {error}"
        ) from error
    if not gap(expected, actual) <= 100 * TOLERANCE:
        raise GateError("the network with gates of 1 computes something else: gate other modules.")
