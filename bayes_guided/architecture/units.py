"""Coupled channels to groups of units: which layers a group couples, and what its rows hold."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

from bayes_guided.nn import Gate

from . import layers
from .channel_graph import Passage, Station, couple_channels
from .discovery import Discovered
from .suspicion import SINGLE_UNIT
from .unit_group import Cut, RowBlock, UnitGroup

UNFOLLOWED = "has channels that could not be followed into"


@dataclass(frozen=True, eq=False)
class Candidate:
    """Units with the same couplings; `index[station]` has the positions of every unit there, shape (units, positions)."""

    index: dict[Station, Int[Tensor, "units positions"]]
    reasons: tuple[str, ...]

    @property
    def size(self) -> int:
        return next(iter(self.index.values())).shape[0]

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers whose output channels belong to the units, in the order of the forward pass."""
        return tuple(s.layer for s in self.index if s.layer is not None and s.side == "out")


def candidates(net: nn.Module, found: Discovered, selecting: Collection[str] = ()) -> list[Candidate]:
    """All groups of like units in network order, with every reason that speaks against removing them.

    The channels on both sides of a gate are the same units, except at the gates named in `selecting`: those choose from
    channels that stay.
    """
    roots = [
        (station, layers.out_channels(net.get_submodule(station.layer)) or 0)
        for station in found.stations
        if station.layer is not None and station.side == "out" and _is_root(net, station.layer)
    ]
    order = {name: rank for rank, name in enumerate(found.tracing.calls)}
    passages = couple_channels(roots, _joined_by_gates(net, found, selecting))
    reasons = _reasons_by_unit(net, passages, selecting)
    groups = [Candidate(index, _merge_reasons(index, labels, reasons)) for index, labels in _alike(passages, order)]
    return sorted(_flag_unlike(net, groups, selecting), key=lambda group: order[_name(net, group)])


def gates(net: nn.Module, candidate: Candidate) -> list[str]:
    """Names of the gates that the units pass."""
    return [name for name in candidate.layers if isinstance(net.get_submodule(name), Gate)]


def has_producer(net: nn.Module, candidate: Candidate) -> bool:
    """Whether a layer of the network makes the units' channels, rather than its input."""
    return any(is_producer(net, name) for name in candidate.layers)


def is_producer(net: nn.Module, layer: str) -> bool:
    """Whether a layer makes channels: a linear layer or a convolution."""
    return isinstance(net.get_submodule(layer), nn.Linear | nn.modules.conv._ConvNd)


def _is_root(net: nn.Module, layer: str) -> bool:
    return is_producer(net, layer) or isinstance(net.get_submodule(layer), Gate)


def _joined_by_gates(net: nn.Module, found: Discovered, selecting: Collection[str]) -> list[tuple[Station, Station]]:
    sides: dict[str, list[Station]] = defaultdict(list)
    for station in found.stations:
        if station.layer is not None and isinstance(net.get_submodule(station.layer), Gate):
            sides[station.layer].append(station)
    return [(one, two) for name, (one, two) in sides.items() if name not in selecting]


def _reasons_by_unit(net: nn.Module, passages: list[Passage], selecting: Collection[str]) -> dict[int, list[str]]:
    reasons: dict[int, list[str]] = defaultdict(list)
    for passage in passages:
        given = list(passage.station.reasons)
        if passage.station.layer in selecting and passage.station.side == "in":
            given.append(f"is read through the gate {passage.station.layer!r}, whose units leave without it")
        if passage.station.layer is not None:
            module = net.get_submodule(passage.station.layer)
            channels = layers.out_channels(module) if passage.station.side == "out" else layers.in_channels(module)
            if channels is not None and passage.position.size and passage.position[-1] >= channels:
                given.append(f"{UNFOLLOWED} {passage.station.layer!r}")
        if given:
            for unit in np.unique(passage.unit).tolist():
                reasons[unit] += given
    return reasons


def _alike(
    passages: list[Passage], order: Mapping[str, int]
) -> list[tuple[dict[Station, Int[Tensor, "units positions"]], list[int]]]:
    """Units grouped by where they pass and with how many channels, each with its positions per station."""
    layered = sorted(
        (p for p in passages if p.station.layer is not None),
        key=lambda p: (order.get(p.station.layer or "", len(order)), p.station.side == "in"),
    )
    places: dict[int, dict[int, np.ndarray]] = defaultdict(dict)
    for number, passage in enumerate(layered):
        by_unit = np.argsort(passage.unit, kind="stable")
        units, starts = np.unique(passage.unit[by_unit], return_index=True)
        for unit, positions in zip(units.tolist(), np.split(passage.position[by_unit], starts[1:]), strict=True):
            places[unit][number] = positions
    groups: dict[tuple[tuple[int, int], ...], list[int]] = defaultdict(list)
    for unit, where in places.items():
        groups[tuple((number, positions.size) for number, positions in where.items())].append(unit)
    result = []
    for pattern, units in groups.items():
        units.sort(key=lambda unit: int(places[unit][pattern[0][0]][0]))
        index = {
            layered[number].station: torch.from_numpy(np.stack([places[unit][number] for unit in units]))
            for number, _ in pattern
        }
        result.append((index, units))
    return result


def _merge_reasons(
    index: Mapping[Station, Tensor], labels: Collection[int], reasons: Mapping[int, list[str]]
) -> tuple[str, ...]:
    merged = list(dict.fromkeys(reason for unit in labels for reason in reasons.get(unit, ())))
    # Where the couplings are lost, a layer of an unusual type is the cause and comes first.
    merged.sort(key=lambda reason: reason.startswith(UNFOLLOWED))
    if len(labels) == 1:
        merged.append(SINGLE_UNIT)
    return tuple(merged)


def _flag_unlike(net: nn.Module, groups: list[Candidate], selecting: Collection[str]) -> list[Candidate]:
    """Protect layers whose channels fall into several groups: a split or a slice treats their units differently."""
    owners: dict[str, list[Candidate]] = defaultdict(list)
    for group in groups:
        for name in group.layers:
            module = net.get_submodule(name)
            if not layers.is_channelwise(module) or name in selecting:
                owners[name].append(group)
    unlike = {id(g): name for name, several in owners.items() if len(several) > 1 for g in several}
    return [
        Candidate(g.index, (*g.reasons, f"has units in {unlike[id(g)]!r} that own rows of unequal size or couple unequally"))
        if id(g) in unlike
        else g
        for g in groups
    ]


def _name(net: nn.Module, group: Candidate) -> str:
    """The first gate, if it is the group's alone, else the first layer that produces its channels."""
    own = [name for name in gates(net, group) if _covers(net, group, name)]
    return next(iter([*own, *(n for n in group.layers if is_producer(net, n)), *gates(net, group)]))


def _covers(net: nn.Module, group: Candidate, gate: str) -> bool:
    (index,) = (index for station, index in group.index.items() if station.layer == gate and station.side == "out")
    return index.numel() == layers.out_channels(net.get_submodule(gate))


def as_group(net: nn.Module, candidate: Candidate) -> UnitGroup:
    """The public description of a group: its rows block by block, and the other channels that leave with a unit.

    A row is made of the gates, where there are any; the weights of the other layers then belong to the rest.
    """
    name, gated = _name(net, candidate), gates(net, candidate)
    blocks: list[RowBlock] = []
    cuts: list[Cut] = []
    stations = sorted(candidate.index.items(), key=lambda item: item[0].layer != name)
    for station, index in stations:
        assert station.layer is not None
        module = net.get_submodule(station.layer)
        rows_here = station.side == "out" and (not gated or station.layer in gated)
        owned = layers.owned_parameters(module) if rows_here else ()
        if not owned and layers.out_channels(module) is not None:
            cuts.append(Cut(station.layer, station.side, index))
        for entry in owned:
            parameter = module.get_parameter(entry.name)
            size = index.shape[1] * parameter.numel() // parameter.shape[entry.axis]
            blocks.append(RowBlock(f"{station.layer}.{entry.name}".lstrip("."), entry.axis, index, entry.role, size))
    return UnitGroup(name, candidate.size, sum(b.size for b in blocks), tuple(blocks), tuple(cuts))
