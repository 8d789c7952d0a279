"""Reduced networks on disk: a JSON plan of what was cut, and the weights as safetensors. Nothing is pickled."""

import copy
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from bayes_guided.exceptions import ArchitectureMismatchError, CheckpointError
from bayes_guided.files import write_atomically

from . import layers
from .blocks import is_under
from .fingerprint import shapes_of
from .folding import drop_gates, folded_gates
from .plan import FORMAT, PLAN_FILE, ReductionPlan, Removal, check_positions, read_plan
from .removal import remove_channels, removed_channels
from .sub_architecture import SubArchitecture

WEIGHTS_FILE = "model.safetensors"


def save_reduced(small: nn.Module, sub: SubArchitecture, directory: str | os.PathLike[str]) -> None:
    """Write `small`, a network that `reduce` made for `sub` (trained further or not), into `directory`.

    Raises:
        ArchitectureMismatchError: if `small` does not have the widths of `sub`.
        CheckpointError: if the network keeps state that is not a tensor.
    """
    _check_widths(small, sub)
    architecture = sub.architecture
    weights = save_tensors(_tensors(small))
    added = [n for n, _ in small.named_parameters() if n not in architecture.parameter_shapes]
    plan = ReductionPlan(
        format=FORMAT,
        fingerprint=architecture.fingerprint,
        parameter_shapes={name: list(shape) for name, shape in architecture.parameter_shapes.items()},
        buffer_shapes={name: list(shape) for name, shape in architecture.buffer_shapes.items()},
        survivors=sub.survivors,
        removed=[
            Removal(layer=layer, side=side, positions=positions)
            for (layer, side), positions in removed_channels(architecture.groups, sub.masks).items()
        ],
        folded_gates=folded_gates(architecture.groups),
        added_biases=[name.rpartition(".")[0] for name in added],
        frozen=[name for name, parameter in small.named_parameters() if not parameter.requires_grad],
        weights_sha256=hashlib.sha256(weights).hexdigest(),
    )
    folder = Path(directory)
    write_atomically(folder / WEIGHTS_FILE, weights)
    write_atomically(folder / PLAN_FILE, plan.model_dump_json(indent=1).encode())


def load_reduced(directory: str | os.PathLike[str], net: nn.Module) -> nn.Module:
    """The saved reduced network, rebuilt from a copy of `net`: a full-size network of the same class, any weights.

    Raises:
        CheckpointError: if a file is missing, damaged, or not what `save_reduced` wrote.
        ArchitectureMismatchError: if `net` does not have the layers of the network that was reduced.
    """
    folder = Path(directory)
    plan = read_plan(folder / PLAN_FILE)
    weights = _read_weights(folder / WEIGHTS_FILE, plan.weights_sha256)
    _check_full_network(net, plan)
    small = copy.deepcopy(net)
    check_positions(small, plan, folder / PLAN_FILE)
    remove_channels(small, {(removal.layer, removal.side): removal.positions for removal in plan.removed})
    drop_gates(small, plan.folded_gates)
    for name in plan.added_biases:
        module = small.get_submodule(name)
        module.bias = nn.Parameter(torch.zeros(layers.out_channels(module) or 0))
    _fill(small, weights, folder / WEIGHTS_FILE)
    for name, parameter in small.named_parameters():
        parameter.requires_grad_(name not in plan.frozen)
    return small


def _check_widths(small: nn.Module, sub: SubArchitecture) -> None:
    shapes = shapes_of(small.named_parameters())
    architecture = sub.architecture
    expected = sub.num_parameters
    found = sum(p.numel() for name, p in small.named_parameters() if name in architecture.parameter_shapes)
    gone = [layer for layer, side in removed_channels(architecture.groups, sub.masks) if side == "whole"]
    gone += folded_gates(architecture.groups)
    missing = [name for name in architecture.parameter_shapes if name not in shapes and not is_under(name, gone)]
    if missing or found != expected:
        raise ArchitectureMismatchError(
            f"the network to save has {found:,} parameters, the sub-architecture {expected:,}"
            + (f", and {missing[0]!r} is missing" if missing else "")
            + ": save what reduce(net, sub) returned, with the same sub"
        )


def _tensors(small: nn.Module) -> dict[str, Tensor]:
    tensors = {}
    for name, value in small.state_dict().items():
        if not isinstance(value, Tensor):
            raise CheckpointError(f"the network keeps extra state {name!r} that is not a tensor: it cannot be saved")
        # safetensors refuses tensors that share memory, as tied weights do.
        tensors[name] = value.detach().cpu().clone().contiguous()
    return tensors


def _read_weights(path: Path, sha256: str) -> dict[str, Tensor]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CheckpointError(f"{path} is truncated, damaged, or belongs to another {PLAN_FILE}")
    try:
        return load_tensors(content)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a safetensors file: {error}") from error


def _check_full_network(net: nn.Module, plan: ReductionPlan) -> None:
    for kind, saved, found in (
        ("parameter", plan.parameter_shapes, shapes_of(net.named_parameters())),
        ("buffer", plan.buffer_shapes, shapes_of(net.named_buffers())),
    ):
        for name in [*saved, *found]:
            if list(found.get(name, ())) != saved.get(name, []) or (name in found) != (name in saved):
                raise ArchitectureMismatchError(
                    f"{kind} {name!r} has shape {_say(found, name)} in the given network and {_say(saved, name)} in "
                    "the one that was reduced: give a full-size network of the same class and settings"
                )


def _say(shapes: Mapping[str, object], name: str) -> str:
    return f"{tuple(shapes[name])}" if name in shapes else "none"  # pyright: ignore[reportArgumentType]


def _fill(small: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    state = small.state_dict()
    for name, value in state.items():
        if name not in weights or weights[name].shape != value.shape:
            raise CheckpointError(f"{path} has no tensor {name!r} of shape {tuple(value.shape)}")
    unknown = set(weights) - set(state)
    if unknown:
        raise CheckpointError(f"{path} has tensors that the network does not: {', '.join(sorted(unknown))}")
    for name, parameter in [*small.named_parameters(), *small.named_buffers()]:
        if name in weights:
            parameter.data = parameter.data.to(weights[name].dtype)
    small.load_state_dict(dict(weights))
