"""Channels of a network as vertices, couplings as edges, units as connected components."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Positions: TypeAlias = np.ndarray
"""Integer array of channel positions."""

Mapping: TypeAlias = Callable[[Positions], tuple[Positions, Positions]]
"""Positions on one side to pairs (position, coupled position on the other side)."""


@dataclass(eq=False)
class Station:
    """One side of a layer, or an operation between layers, through which channels pass.

    `operation` is autograd's name of an operation that is no layer.
    """

    layer: str | None
    side: str
    reasons: tuple[str, ...] = ()
    operation: str = ""
    edges: list[tuple["Station", tuple[Mapping, ...]]] = field(default_factory=list)

    def couple(self, other: "Station", mappings: Iterable[Mapping] = ()) -> None:
        """Removing channels here removes the mapped channels of `other`."""
        self.edges.append((other, tuple(mappings)))


@dataclass(frozen=True, eq=False)
class Passage:
    """The channels of one station that belong to the same set of units: `unit[i]` is the label of `position[i]`."""

    station: Station
    position: Positions
    unit: Positions


def couple_channels(roots: Iterable[tuple[Station, int]], joined: Iterable[tuple[Station, Station]] = ()) -> list[Passage]:
    """Follow every channel of the roots (station, number of channels) through the edges and label what is coupled.

    Two positions carry the same label exactly if removing one forces the removal of the other. `joined` are further pairs
    of stations whose channels with the same position are coupled.
    """
    edges: dict[Station, list[tuple[Station, tuple[Mapping, ...]]]] = {}
    for one, two in joined:
        edges.setdefault(one, []).append((two, ()))
        edges.setdefault(two, []).append((one, ()))
    seen: dict[Station, Positions] = {}
    pairs: list[tuple[Station, Positions, Station, Positions]] = []
    frontier = [(station, np.arange(channels)) for station, channels in roots]
    while frontier:
        station, positions = frontier.pop()
        fresh = np.setdiff1d(positions, seen.get(station, np.empty(0, dtype=np.int64)))
        if fresh.size == 0:
            continue
        seen[station] = np.union1d(seen.get(station, fresh), fresh)
        for other, mappings in [*station.edges, *edges.get(station, ())]:
            source, target = _follow(fresh, mappings)
            if target.size:
                pairs.append((station, source, other, target))
                frontier.append((other, np.unique(target)))
    return _label(seen, pairs)


def relation(source: Positions, target: Positions) -> Mapping:
    """The mapping that couples `source[i]` to `target[i]` for every i; positions may repeat on both sides."""

    def apply(positions: Positions) -> tuple[Positions, Positions]:
        return _compose(positions, positions, source, target)

    return apply


def _follow(positions: Positions, mappings: tuple[Mapping, ...]) -> tuple[Positions, Positions]:
    source, target = positions, positions
    for mapping in mappings:
        via, mapped = mapping(np.unique(target))
        source, target = _compose(source, target, via, mapped)
    return source, target


def _compose(source: Positions, target: Positions, via: Positions, mapped: Positions) -> tuple[Positions, Positions]:
    """Relation composition: all (s, m) with (s, t) in the first and (t, m) in the second relation."""
    order = np.argsort(via, kind="stable")
    via, mapped = via[order], mapped[order]
    start = np.searchsorted(via, target, side="left")
    count = np.searchsorted(via, target, side="right") - start
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(source, count), mapped[np.repeat(start, count) + within]


def _label(seen: dict[Station, Positions], pairs: list[tuple[Station, Positions, Station, Positions]]) -> list[Passage]:
    offsets, total = {}, 0
    for station, positions in seen.items():
        offsets[station] = total
        total += positions.size

    def vertices(station: Station, positions: Positions) -> Positions:
        return offsets[station] + np.searchsorted(seen[station], positions)

    rows = [vertices(station, source) for station, source, _, _ in pairs]
    columns = [vertices(other, target) for _, _, other, target in pairs]
    row = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
    column = np.concatenate(columns) if columns else np.empty(0, dtype=np.int64)
    graph = coo_matrix((np.ones(row.size, dtype=np.int8), (row, column)), shape=(total, total))
    _, labels = connected_components(graph, directed=False)
    return [
        Passage(station, positions, labels[offsets[station] : offsets[station] + positions.size])
        for station, positions in seen.items()
    ]
