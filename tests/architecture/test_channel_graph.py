"""Coupled channels against a brute-force closure."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_guided.architecture.channel_graph import Station, couple_channels, relation

CHANNELS = 4


def closure(edges: list[tuple[int, int, list[tuple[int, int]]]], roots: set[int]) -> set[frozenset[tuple[int, int]]]:
    """Merge sets of (station, channel) until no edge joins two of them, starting from the channels of the roots."""
    reached = {(root, channel) for root in roots for channel in range(CHANNELS)}
    pairs = {((s, i), (t, j)) for s, t, coupled in edges for i, j in coupled}
    while more := {b for a, b in pairs if a in reached} - reached:
        reached |= more
    parts = {vertex: frozenset([vertex]) for vertex in reached}
    for a, b in pairs:
        if a in reached and parts[a] != parts[b]:
            merged = parts[a] | parts[b]
            parts |= dict.fromkeys(merged, merged)
    return set(parts.values())


channels = st.integers(0, CHANNELS - 1)
stations = st.integers(0, 4)
edge = st.tuples(stations, stations, st.lists(st.tuples(channels, channels), max_size=6))


@settings(deadline=None, derandomize=True)
@given(edges=st.lists(edge, max_size=8), roots=st.sets(stations, min_size=1, max_size=3))
def test_units_are_the_connected_components(edges: list[tuple[int, int, list[tuple[int, int]]]], roots: set[int]) -> None:
    nodes = [Station(str(i), "out") for i in range(5)]
    for source, target, coupled in edges:
        before, after = (np.array([pair[k] for pair in coupled], dtype=np.int64) for k in (0, 1))
        nodes[source].couple(nodes[target], [relation(before, after)])
    units: dict[int, set[tuple[int, int]]] = {}
    for passage in couple_channels([(nodes[root], CHANNELS) for root in roots]):
        for position, unit in zip(passage.position.tolist(), passage.unit.tolist(), strict=True):
            units.setdefault(unit, set()).add((nodes.index(passage.station), position))
    assert {frozenset(unit) for unit in units.values()} == closure(edges, roots)


def test_mappings_follow_one_another() -> None:
    """Two positions per channel, then an offset of three that only every second position survives."""
    start, end = Station("a", "out"), Station("b", "in")
    start.couple(
        end,
        [
            relation(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3])),
            relation(np.array([0, 2]), np.array([3, 5])),
        ],
    )
    passages = {passage.station: passage for passage in couple_channels([(start, 2)])}
    assert passages[end].position.tolist() == [3, 5]
    assert passages[end].unit.tolist() == passages[start].unit.tolist()
