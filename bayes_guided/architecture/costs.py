"""Parameters and multiply-accumulates as exact functions of the widths.

Convention for MACs, per sample of the example inputs: one multiply-accumulate per weight of every linear layer and
convolution and position where the weight is applied; of an attention layer, the four projections count, at every token.
Biases, norms, gates, activations, pooling and products between activations (attention scores) count as zero.

Gates that `reduce` folds into their neighbours are no parameters of any sub-architecture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from bayes_guided.exceptions import ProtectedGroupError
from bayes_guided.nn import Gate

from . import layers
from .blocks import is_under
from .folding import folded_gates
from .tracing import Tracing
from .unit_group import Extent, UnitGroup

Width = TypeVar("Width", int, Float[Tensor, "..."])


@dataclass(frozen=True, eq=False)
class CostTerm:
    """One product of extents in one layer: `parameters` and `macs` are its coefficients."""

    layer: str
    parameters: int
    macs: Fraction
    factors: tuple[Extent, ...]


@dataclass(frozen=True, eq=False)
class Costs:
    """Costs of every sub-architecture of a network, as sums of products of extents.

    A layer gives a product of at most two, times the widths (0 or 1) of the blocks that it lies in.

    The methods raise ProtectedGroupError for the name of a group that does not exist.
    """

    terms: tuple[CostTerm, ...]
    full_widths: Mapping[str, int]

    def parameters(self, widths: Mapping[str, Width]) -> Width:
        """Number of parameters (count) at these widths; tensors of widths broadcast. Missing groups are full."""
        return self._total(widths, [term.parameters for term in self.terms])

    def macs(self, widths: Mapping[str, Width]) -> Width:
        """Multiply-accumulates per sample (count) at these widths; tensors broadcast. Missing groups are full."""
        return self._total(widths, [term.macs for term in self.terms])

    def unit_parameters(self, group: str) -> int:
        """Parameters (count) that leave the full network with one unit of `group`."""
        return self.parameters(self.full_widths) - self.parameters(self._one_less(group))

    def unit_macs(self, group: str) -> int:
        """Multiply-accumulates per sample (count) that leave the full network with one unit of `group`."""
        return self.macs(self.full_widths) - self.macs(self._one_less(group))

    def _one_less(self, group: str) -> dict[str, int]:
        return {**self.full_widths, group: self.full_widths[group] - 1}

    def _total(self, widths: Mapping[str, Width], coefficients: Sequence[int | Fraction]) -> Width:
        for group in widths:
            if group not in self.full_widths:
                known = ", ".join(self.full_widths)
                raise ProtectedGroupError(f"there is no group {group!r} to have a width; the groups are {known}")
        filled = {**self.full_widths, **widths}
        vectorised = any(isinstance(width, Tensor) for width in filled.values())
        total = 0
        for term, coefficient in zip(self.terms, coefficients, strict=True):
            value = float(coefficient) if vectorised else coefficient
            for factor in term.factors:
                value = value * _extent(factor, filled)
            total = total + value
        return total if vectorised else round(total)  # pyright: ignore[reportReturnType, reportCallIssue, reportArgumentType]


def _extent(extent: Extent, widths: Mapping[str, Width]) -> Width:
    return sum((count * widths[group] for group, count in extent.per_unit.items()), extent.fixed)  # pyright: ignore[reportReturnType, reportCallIssue, reportArgumentType]


def count_costs(net: nn.Module, groups: Sequence[UnitGroup], tracing: Tracing, batch: int) -> Costs:
    """Costs of `net` as functions of the groups' widths; `batch` samples went through `tracing`."""
    extents = _Extents(groups)
    terms: list[CostTerm] = []
    counted: set[nn.Parameter] = set()
    for name, module in net.named_modules():
        fresh = {n: p for n, p in module.named_parameters(recurse=False) if p not in counted}
        counted.update(fresh.values())
        positions = Fraction(tracing.positions.get(name, 0), batch)
        blocks = extents.blocks(name)
        for term in _layer_terms(name, module, fresh, positions, extents):
            terms.append(replace(term, factors=(*term.factors, *blocks)))
    return Costs(tuple(terms), {group.name: group.size for group in groups})


def _layer_terms(
    name: str, module: nn.Module, parameters: Mapping[str, nn.Parameter], positions: Fraction, extents: "_Extents"
) -> list[CostTerm]:
    channels = layers.out_channels(module)
    if isinstance(module, Gate) and extents.is_folded(name):
        return []
    if channels is None:
        macs = positions * module.embed_dim if isinstance(module, layers.Attention) else Fraction(0)
        return [CostTerm(name, sum(p.numel() for p in parameters.values()), macs, ())]
    out = extents.of(name, "out", channels)
    if isinstance(module, layers.Attention):
        # A third of the channels each are queries, keys and values.
        projections = CostTerm(name, 0, positions / 3, (out,))
        others = sum(p.numel() for n, p in parameters.items() if not n.startswith("in_proj"))
        rest = CostTerm(name, others, Fraction(0), ())
        return [projections, rest, *_channelwise_terms(name, module, parameters, out)]
    if not isinstance(module, nn.Linear | _ConvNd):
        return _channelwise_terms(name, module, parameters, out)
    incoming = layers.in_channels(module) or 0
    factors, share = (out,), channels
    if not layers.is_channelwise(module):
        conv_groups = layers.channel_groups(module)
        factors = (out, extents.of(name, "in", incoming, conv_groups))
        share = channels * incoming // conv_groups
    kernel = module.weight.numel() // max(share, 1)
    terms = [CostTerm(name, kernel if "weight" in parameters else 0, kernel * positions, factors)]
    others = sum(p.numel() for n, p in parameters.items() if n not in ("weight", "bias"))
    if "bias" in parameters:
        terms.append(CostTerm(name, 1, Fraction(0), (out,)))
    if others:
        terms.append(CostTerm(name, others, Fraction(0), ()))
    return terms


def _channelwise_terms(name: str, module: nn.Module, parameters: Mapping[str, nn.Parameter], out: Extent) -> list[CostTerm]:
    """What each channel of a layer owns, other than the weights that `_layer_terms` counts as a product."""
    owned = [parameters[entry.name] for entry in layers.owned_parameters(module) if entry.name in parameters]
    return [CostTerm(name, p.numel() // (layers.out_channels(module) or 1), Fraction(0), (out,)) for p in owned]


class _Extents:
    """Channels of each side of each layer as functions of widths."""

    def __init__(self, groups: Sequence[UnitGroup]) -> None:
        self._per_unit: dict[tuple[str, str], dict[str, int]] = {}
        for group in groups:
            for (layer, side), index in group.removals.items():
                self._per_unit.setdefault((layer, side), {})[group.name] = index.shape[1]
        self._sizes = {group.name: group.size for group in groups}
        self._whole = {g.name: [c.module for c in g.cuts if c.side == "whole"] for g in groups if g.removable_whole}
        self._folded = set(folded_gates(groups))

    def blocks(self, layer: str) -> tuple[Extent, ...]:
        """The widths of the blocks without which the layer is gone."""
        return tuple(Extent(0, {group: 1}) for group, modules in self._whole.items() if is_under(layer, modules))

    def is_folded(self, gate: str) -> bool:
        """Whether the gate is no parameter of a reduced network."""
        return gate in self._folded

    def of(self, layer: str, side: str, channels: int, conv_groups: int = 1) -> Extent:
        """The extent of a side with `channels` channels at full width, divided by the groups of a convolution."""
        per_unit = {g: n // conv_groups for g, n in self._per_unit.get((layer, side), {}).items()}
        removable = sum(count * self._sizes[group] for group, count in per_unit.items())
        return Extent(channels // conv_groups - removable, per_unit)
