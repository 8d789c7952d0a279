"""Blocks behind a gate of size 1 as units: what leaves with the gate is whatever reaches the output only through it."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from bayes_guided.nn import Gate

from . import layers
from .findings import Finding
from .suspicion import layer_reasons
from .tracing import Tracing
from .unit_group import Cut, RowBlock, UnitGroup

_FIRST = torch.zeros(1, 1, dtype=torch.int64)


def find_blocks(net: nn.Module, tracing: Tracing) -> list[Finding]:
    """One group of one unit per gate of size 1 that the forward pass called; heads have gates of their own."""
    findings = []
    for name in tracing.calls:
        gate = net.get_submodule(name)
        if isinstance(gate, Gate) and gate.size == 1 and not _gates_heads(net, name):
            reasons = layer_reasons(gate, name, tracing)
            findings.append(Finding(_block(net, name, gate, tracing), tuple(reasons)))
    return findings


def inside_blocks(groups: Iterable[UnitGroup]) -> list[UnitGroup]:
    """The same groups, each with the names of the blocks that contain all its rows."""
    groups = list(groups)
    blocks = [group for group in groups if group.removable_whole]

    def containers(group: UnitGroup) -> tuple[str, ...]:
        return tuple(b.name for b in blocks if b is not group and all(_leaves_with(layer, b) for layer in group.layers))

    return [replace(group, inside=containers(group)) for group in groups]


def _leaves_with(layer: str, block: UnitGroup) -> bool:
    return is_under(layer, [cut.module for cut in block.cuts if cut.side == "whole"])


def is_under(layer: str, modules: Iterable[str]) -> bool:
    """Whether `layer` is one of the modules or inside one of them."""
    return any(layer == name or layer.startswith(f"{name}.") for name in modules)


def _gates_heads(net: nn.Module, name: str) -> bool:
    return isinstance(net.get_submodule(name.rpartition(".")[0]), layers.Attention)


def _block(net: nn.Module, name: str, gate: Gate, tracing: Tracing) -> UnitGroup:
    (role,) = (entry.role for entry in layers.owned_parameters(gate))
    (node, *_) = tracing.results[name]
    cuts = [Cut(module, "whole", _FIRST) for module in (*_only_through(net, node, name, tracing), name)]
    block = RowBlock(f"{name}.weight", 0, _FIRST, role, 1)
    return UnitGroup(name, 1, 1, (block,), tuple(cuts), folds=_producers(net, node, tracing), removable_whole=True)


def _only_through(net: nn.Module, node: Any, gate: str, tracing: Tracing) -> Iterator[str]:
    """The outermost modules whose every result reaches the network's output through the node only."""
    live = _reachable(tracing.outputs, without=node)

    def dead(name: str) -> bool:
        results = tracing.results.get(name, [])
        return bool(results) and all(result is not None and result not in live for result in results)

    needed = {parameter for name in tracing.calls if not dead(name) for parameter in _own(net.get_submodule(name))}

    def walk(module: nn.Module, name: str) -> Iterator[str]:
        inner = [child for child, _ in module.named_modules(prefix=name) if child in tracing.calls]
        leaves = dead(name) and all(map(dead, inner)) and node not in tracing.results[name] and name != gate
        if leaves and _is_replaceable(module, tracing.results[name]) and needed.isdisjoint(module.parameters()):
            yield name
            return
        for child, inner_module in module.named_children():
            yield from walk(inner_module, f"{name}.{child}".lstrip("."))

    return walk(net, "")


def _own(module: nn.Module) -> list[nn.Parameter]:
    """Parameters that a call of the module uses: its own, and those of attention's projection."""
    return list(module.parameters(recurse=isinstance(module, layers.Attention)))


def _is_replaceable(module: nn.Module, results: Collection[Any]) -> bool:
    """Modules that return one tensor, and attention, can be replaced by something that returns the like."""
    return isinstance(module, layers.Attention) or len(results) == 1


def _reachable(roots: Iterable[Any], without: Any) -> set[Any]:
    """Autograd nodes from which the roots were computed, not counting paths through one node."""
    seen: set[Any] = set()
    frontier = list(roots)
    while frontier:
        node = frontier.pop()
        if node is None or node is without or node in seen:
            continue
        seen.add(node)
        frontier += [before for before, _ in node.next_functions]
    return seen


def _producers(net: nn.Module, node: Any, tracing: Tracing) -> tuple[Cut, ...]:
    """The layer whose result goes straight into the gate, so that the gate could be multiplied into its weights."""
    given = {before for before, _ in node.next_functions if before is not None}
    for name, results in tracing.results.items():
        module = net.get_submodule(name)
        if len(results) <= 2 and given & set(results) and not isinstance(module, Gate):
            layer = f"{name}.out_proj".lstrip(".") if isinstance(module, layers.Attention) else name
            channels = layers.out_channels(net.get_submodule(layer))
            if channels is not None and layers.owned_parameters(net.get_submodule(layer)):
                return (Cut(layer, "out", torch.arange(channels)[None]),)
    return ()
