"""Shapes of networks, and the hash that tells structures apart."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from .unit_group import UnitGroup


def shapes_of(named: Iterable[tuple[str, Tensor]]) -> dict[str, tuple[int, ...]]:
    """Shapes by name."""
    return {name: tuple(tensor.shape) for name, tensor in named}


def fingerprint(shapes: Mapping[str, tuple[int, ...]], groups: Sequence[UnitGroup]) -> str:
    """A hash of parameters, rows and what leaves with them: of the structure, not of weights."""
    structure = {
        "parameters": [[name, list(shape)] for name, shape in shapes.items()],
        "groups": [
            [
                group.name,
                [[block.parameter, block.axis, block.role, block.index.tolist()] for block in group.blocks],
                [[cut.module, cut.side, cut.index.tolist()] for cut in (*group.cuts, *group.folds)],
            ]
            for group in groups
        ],
    }
    return hashlib.sha256(json.dumps(structure).encode()).hexdigest()
