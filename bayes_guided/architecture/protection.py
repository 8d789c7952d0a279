"""What stays in every model, layer by layer, with the reason."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from torch import nn

from . import layers
from .discovery import Discovered
from .findings import Finding
from .unit_group import ProtectedLayer
from .units import Candidate, is_producer

SHOWN_REASONS = 2
"""A residual stream can run under dozens of norms: the first reasons say enough."""


def as_protected(net: nn.Module, protected: Sequence[Candidate]) -> tuple[ProtectedLayer, ...]:
    """One entry per layer of protected groups; a layer in several of them has all their units and the first's reason.

    What an attention layer puts out is listed under its output projection: under its own name it has heads.
    """
    reasons: dict[str, str] = {}
    sizes: dict[str, int] = defaultdict(int)
    for candidate in protected:
        for layer in candidate.layers:
            attends = isinstance(net.get_submodule(layer), layers.Attention)
            name = f"{layer}.out_proj".lstrip(".") if attends else layer
            reasons.setdefault(name, _summary(candidate.reasons))
            sizes[name] += candidate.size
    return tuple(ProtectedLayer(name, sizes[name], reason) for name, reason in reasons.items())


def as_protected_units(findings: Sequence[Finding]) -> tuple[ProtectedLayer, ...]:
    """One entry per finding with a reason."""
    return tuple(ProtectedLayer(f.group.name, f.group.size, "; ".join(f.reasons)) for f in findings if f.reasons)


def unreached(net: nn.Module, found: Discovered, listed: Collection[str]) -> tuple[ProtectedLayer, ...]:
    """Linear layers and convolutions that the trace did not meet, so that nothing is known of their units."""
    layer_names = (name for name, _ in net.named_modules() if name not in listed and is_producer(net, name))
    return tuple(
        ProtectedLayer(name, layers.out_channels(net.get_submodule(name)) or 0, _why_unreached(net, found, name))
        for name in layer_names
    )


def _why_unreached(net: nn.Module, found: Discovered, name: str) -> str:
    if isinstance(net.get_submodule(name.rpartition(".")[0]), layers.Attention):
        return "is part of an attention layer that could not be followed"
    if name in found.tracing.calls:
        return "has no gradient path to the output"
    return "is not called as a layer of its own in the forward pass"


def _summary(reasons: Sequence[str]) -> str:
    shown = "; ".join(reasons[:SHOWN_REASONS])
    more = len(reasons) - SHOWN_REASONS
    return f"{shown}; and {more} more such" if more > 0 else shown
