"""The law of the sum of widths on a forest: messages that also carry the size of the subtree."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.priors.models.forest import Branch
from bayes_guided.priors.models.log_convolution import log_convolve, log_sum_law


def size_law_cost(branches: Sequence[Branch], sizes: Mapping[str, int]) -> float:
    """About how many logarithms `forest_size_law` takes."""
    subtree = {branch.name: sizes[branch.name] for branch in branches}
    cost = 0.0
    for branch in reversed(branches):
        if branch.parent is not None:
            cost += float(sizes[branch.parent]) * sizes[branch.name] * subtree[branch.name]
            subtree[branch.parent] += subtree[branch.name]
    return cost


def forest_size_law(
    branches: Sequence[Branch], own: Mapping[str, Float[Tensor, "_"]], minimums: Mapping[str, int]
) -> Float[Tensor, "sizes"]:
    """Log weights of 0, 1, ... units in all groups, from the log weights of each group's possible widths."""
    tables = {name: _diagonal(weights.numpy(), minimums[name]) for name, weights in own.items()}
    roots = []
    for branch in reversed(branches):
        table = tables[branch.name]
        if branch.parent is None:
            roots.append(np.logaddexp.reduce(table, axis=0))
            continue
        children = np.arange(len(table)) + minimums[branch.name]
        parent = tables[branch.parent]
        rows = []
        for place, row in enumerate(parent):
            width = place + minimums[branch.parent]
            received = np.logaddexp.reduce(table - branch.coupling * width * children[:, None], axis=0)
            rows.append(log_convolve(row, received))
        tables[branch.parent] = np.stack(rows)
    return torch.from_numpy(log_sum_law(roots))


def _diagonal(weights: np.ndarray, minimum: int) -> np.ndarray:
    """Log weights by width and size of the subtree, which at first is the width itself."""
    table = np.full((len(weights), len(weights) + minimum), -np.inf)
    places = np.arange(len(weights))
    table[places, places + minimum] = weights
    return table
