"""From a network to its groups of units: trace a private copy, sort the channels into units, try the removal."""

import copy
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from bayes_guided.exceptions import (
    ExampleInputError,
    NoPrunableUnitsError,
    ProtectedGroupError,
    UnsupportedNetworkError,
)
from bayes_guided.nn import Gate

from .blocks import find_blocks, inside_blocks, is_under
from .discovery import Discovered, discover
from .findings import Finding
from .folding import with_folds
from .heads import find_heads
from .inputs import ExampleInputs, as_arguments, batch_size, first_samples
from .protection import as_protected, as_protected_units, unreached
from .randomness import forked_rng
from .silencing import with_silencing
from .suspicion import SINGLE_UNIT
from .tracing import Tracing
from .trial import failing_groups
from .unit_group import ProtectedLayer, UnitGroup
from .units import Candidate, as_group, candidates, gates, has_producer

PROTECTED_BY_USER = "protected by the user"


@dataclass(frozen=True, eq=False)
class Survey:
    """What was found in a network; `arguments` are the example inputs that are kept, of so many samples."""

    groups: tuple[UnitGroup, ...]
    protected: tuple[ProtectedLayer, ...]
    tracing: Tracing
    arguments: ExampleInputs
    samples: int


def survey(net: nn.Module, example_inputs: Any, protect: Sequence[str]) -> Survey:
    """Groups and protected layers of `net`, which stays untouched: mode, gradients, buffers, random state.

    Raises:
        ExampleInputError: if the network does not run on the example inputs.
        ProtectedGroupError: if `protect` names no layer of the network.
        NoPrunableUnitsError: if no group is left.
        UnsupportedNetworkError: if the network is no module, cannot be copied or has uninitialised layers.
    """
    if not isinstance(net, nn.Module):
        raise UnsupportedNetworkError(f"the network is a {type(net).__name__}; give a torch.nn.Module")
    wanted = (protect,) if isinstance(protect, str) else tuple(protect)
    _check_names(net, wanted)
    # A copy made in inference mode would never have gradients, whatever is switched on later.
    with torch.inference_mode(False), forked_rng(net):
        traced = _trace_few_samples(net, as_arguments(example_inputs))
        judged, channels = _channels(traced, wanted)
        others = _heads_and_blocks(traced, wanted)
        groups = with_folds(
            traced.private,
            traced.found,
            [*channels, *(finding.group for finding in others if not finding.reasons)],
            traced.arguments,
        )
        groups = with_silencing(traced.private, groups, traced.arguments)
    order = {name: rank for rank, name in enumerate(traced.found.tracing.calls)}
    groups = inside_blocks(sorted(groups, key=lambda group: order[group.layers[0]]))
    protected = as_protected(traced.private, [candidate for candidate in judged if candidate.reasons])
    protected += as_protected_units(others)
    listed = {layer.name for layer in protected} | {name for c in judged for name in c.layers}
    protected += unreached(traced.private, traced.found, listed)
    if not groups:
        raise NoPrunableUnitsError(_nothing_left(protected))
    return Survey(tuple(groups), protected, traced.found.tracing, traced.arguments, traced.samples)


def _channels(traced: "_Traced", wanted: Sequence[str]) -> tuple[list[Candidate], list[UnitGroup]]:
    """Every set of like channels, judged, and the groups of those without a reason against them.

    The channels before a gate leave with those behind it. Where they cannot, because other layers need them or the
    network's input gives them, the gate selects: all channels reach it, and it hands on those of its units.
    """
    net, selecting = traced.private, {name for name, m in _gates(traced.private) if m.selected is not None}
    while True:
        judged = [_protect(candidate, wanted) for candidate in candidates(net, traced.found, selecting)]
        if more := _cannot_lead(net, judged) - selecting:
            selecting |= more
            continue
        tried = {c.layers: as_group(net, c) for c in judged if not c.reasons}
        failures = failing_groups(net, list(tried.values()), traced.arguments)
        judged = [_with_reason(c, failures.get(tried[c.layers].name) if c.layers in tried else None) for c in judged]
        if not (more := _cannot_lead(net, judged) - selecting):
            return judged, [tried[candidate.layers] for candidate in judged if not candidate.reasons]
        selecting |= more


def _cannot_lead(net: nn.Module, judged: Sequence[Candidate]) -> set[str]:
    """Gates before which channels stay."""
    return {name for c in judged if c.reasons or not has_producer(net, c) for name in gates(net, c)}


def _gates(net: nn.Module) -> list[tuple[str, Gate]]:
    return [(name, module) for name, module in net.named_modules() if isinstance(module, Gate)]


def _heads_and_blocks(traced: "_Traced", wanted: Sequence[str]) -> list[Finding]:
    """Heads and blocks, judged. Blocks are tried by themselves: one that is gone would hide what is wrong inside it."""
    findings = []
    for kind in (find_heads, find_blocks):
        found = [_protect_finding(f, wanted) for f in kind(traced.private, traced.found.tracing)]
        failures = failing_groups(traced.private, [f.group for f in found if not f.reasons], traced.arguments)
        findings += [f.with_reason(failures.get(f.group.name)) for f in found]
    return findings


@dataclass(frozen=True, eq=False)
class _Traced:
    """A private copy of the network after tracing, with the arguments it was traced on."""

    private: nn.Module
    found: Discovered
    arguments: ExampleInputs
    samples: int


def _trace_few_samples(net: nn.Module, arguments: ExampleInputs) -> _Traced:
    """Trace the first samples; where the first axis is not one of samples, the inputs as they are, as one sample."""
    few = first_samples(arguments)
    try:
        return _trace(net, few, batch_size(few))
    except ExampleInputError:
        if few is arguments:
            raise
    return _trace(net, arguments, 1)


def _trace(net: nn.Module, arguments: ExampleInputs, samples: int) -> _Traced:
    private = _private_copy(net)
    return _Traced(private, discover(private, arguments), arguments, samples)


def _private_copy(net: nn.Module) -> nn.Module:
    if any(nn.parameter.is_lazy(parameter) for parameter in net.parameters()):
        raise UnsupportedNetworkError("the network has uninitialised lazy layers: run it once on example inputs first")
    try:
        private = copy.deepcopy(net)
    except Exception as error:
        raise UnsupportedNetworkError(
            f"the network cannot be copied ({type(error).__name__}: {error}); copy.deepcopy(net) must work"
        ) from error
    for parameter in private.parameters():
        parameter.grad = None
    return private


def _check_names(net: nn.Module, wanted: Sequence[str]) -> None:
    names = [name for name, _ in net.named_modules() if name]
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; its layers are {', '.join(names)}"
            raise ProtectedGroupError(f"cannot protect {name!r}: the network has no layer of that name{hint}")


def _protect(candidate: Candidate, wanted: Sequence[str]) -> Candidate:
    hit = any(is_under(layer, wanted) for layer in candidate.layers)
    return _with_reason(candidate, PROTECTED_BY_USER if hit else None)


def _protect_finding(finding: Finding, wanted: Sequence[str]) -> Finding:
    return finding.with_reason(PROTECTED_BY_USER if is_under(finding.group.name, wanted) else None)


def _with_reason(candidate: Candidate, reason: str | None) -> Candidate:
    return candidate if reason is None else replace(candidate, reasons=(*candidate.reasons, reason))


def _nothing_left(protected: Sequence[ProtectedLayer]) -> str:
    found = "".join(f"\n  {layer.name} ({layer.size} units): {layer.reason}" for layer in protected)
    single = [repr(layer.name) for layer in protected if layer.reason == SINGLE_UNIT]
    if single:
        mend = (
            f"the only unit of {' and '.join(single)} always stays, so that there is one model and nothing to choose; widen a "
            "layer, or let the data choose among the inputs: Architecture.with_gates(..., inputs=True)"
        )
    else:
        mend = "add a hidden linear or convolution layer whose channels no norm mixes"
    return f"the network has no group of units that could be removed; {mend}. Layers found:{found or ' none'}"
