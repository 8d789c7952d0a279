"""Groups whose couplings form a forest: chains and trees."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Branch:
    """A group, its parent (None for a root) and the coupling to it."""

    name: str
    parent: str | None
    coupling: float


def forest(names: list[str], couplings: Mapping[tuple[str, str], float]) -> list[Branch] | None:
    """The groups ordered so that parents come first, or None if the couplings have a cycle."""
    neighbours: dict[str, dict[str, float]] = {name: {} for name in names}
    for (first, second), value in couplings.items():
        neighbours[first][second] = value
        neighbours[second][first] = value
    branches: dict[str, Branch] = {}
    for root in names:
        pending = [] if root in branches else [Branch(root, None, 0.0)]
        while pending:
            branch = pending.pop()
            if branch.name in branches:
                return None
            branches[branch.name] = branch
            pending += [
                Branch(other, branch.name, value) for other, value in neighbours[branch.name].items() if other != branch.parent
            ]
    return list(branches.values())
