"""The plan of a reduction on disk: what was cut, from what, in the full network's coordinates."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from torch import nn

from bayes_guided.exceptions import CheckpointError
from bayes_guided.nn import Gate

from . import layers

PLAN_FILE = "plan.json"
FORMAT = 2


class Removal(BaseModel):
    """Channels cut from one side of one layer, in the full network's coordinates; side "whole": the layer itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    layer: str
    side: str
    positions: list[int]


class ReductionPlan(BaseModel):
    """How to rebuild a reduced network from a full-size one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    format: int
    fingerprint: str
    parameter_shapes: dict[str, list[int]]
    buffer_shapes: dict[str, list[int]]
    survivors: dict[str, list[int]]
    removed: list[Removal]
    folded_gates: list[str]
    added_biases: list[str]
    frozen: list[str]
    weights_sha256: str


def read_plan(path: Path) -> ReductionPlan:
    """The plan in `path`.

    Raises:
        CheckpointError: if the file is missing, damaged or something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged or not a plan: {error}") from error
    if isinstance(content, dict) and content.get("format") != FORMAT:
        raise CheckpointError(f"{path} has format {content.get('format')!r}; this version reads format {FORMAT}")
    try:
        return ReductionPlan.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise CheckpointError(f"{path} is not a plan of a reduced network: {where}: {first['msg']}") from error


def check_positions(net: nn.Module, plan: ReductionPlan, path: Path) -> None:
    """Refuse a plan whose channels `net` does not have.

    Raises:
        CheckpointError: naming the layer.
    """
    modules = dict(net.named_modules())
    for removal in plan.removed:
        module = modules.get(removal.layer)
        counts = {"out": layers.out_channels, "in": layers.in_channels, "whole": lambda _: 1}
        channels = counts[removal.side](module) if module is not None and removal.side in counts else None
        if channels is None or not _are_channels(removal.positions, channels, module):
            raise CheckpointError(f"{path} asks to cut {removal.side!r} channels that {removal.layer!r} does not have")
    for name in plan.added_biases:
        if name not in modules or getattr(modules[name], "bias", False) is not None:
            raise CheckpointError(f"{path} asks to add a bias to {name!r}, which cannot take one")
    for name in plan.folded_gates:
        if not isinstance(modules.get(name), Gate):
            raise CheckpointError(f"{path} asks to fold {name!r}, which is no gate")


def _are_channels(positions: list[int], channels: int, module: nn.Module | None) -> bool:
    """Distinct channels in range; of an attention layer, whole heads."""
    distinct = set(positions)
    if len(distinct) != len(positions) or not distinct <= set(range(channels)):
        return False
    if not isinstance(module, layers.Attention) or len(positions) <= 1:
        return True
    width, third = module.head_dim, channels // 3
    heads = {position % third // width for position in distinct}
    return distinct == {part * third + head * width + j for part in range(3) for head in heads for j in range(width)}
