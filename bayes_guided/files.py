"""Files that are either whole or absent: atomic writes, and trees of tensors and plain values in one safetensors file."""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from bayes_guided.exceptions import CheckpointError, RunFolderError

_FORMAT = "1"


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that a reader, or a kill at any moment, sees the old file or the new one, never a part.

    A kill may leave a hidden file `.<name>.*.partial` beside it, which nothing reads; `remove_partials` clears those.

    Raises:
        RunFolderError: if the folder cannot be written or the disk is full; the old file stays.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise RunFolderError(
            f"cannot write '{path}': {error.strerror or error}; free some space or give a folder that can be written."
        ) from error


def remove_partials(path: Path) -> None:
    """Removes what killed writers of this file left beside it; only for a file with a single writer.

    Raises:
        RunFolderError: if the folder cannot be written.
    """
    try:
        for partial in path.parent.glob(f".{path.name}.*.partial"):
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise RunFolderError(f"cannot clean '{path.parent}': {error.strerror or error}.") from error


def save_tree(path: Path, tree: Any, *, kind: str) -> None:
    """Writes nested dicts, lists and tuples of tensors and JSON values to one safetensors file, with a digest of it all.

    `kind` names what the file is, so that a file of another kind is refused on reading.

    Raises:
        RunFolderError: as `write_atomically`.
        CheckpointError: if the tree holds something that is neither a tensor nor a JSON value.
    """
    tensors: dict[str, Tensor] = {}
    try:
        structure = json.dumps(_take_tensors(tree, "", tensors))
    except TypeError as error:
        raise CheckpointError(
            f"'{path}' cannot hold this {kind}: {error}. Nothing is pickled, so networks, their inputs and their extra "
            "state have to consist of tensors, numbers and text."
        ) from error
    metadata = {"kind": kind, "format": _FORMAT, "structure": structure, "digest": digest(tensors, structure)}
    write_atomically(path, safetensors.torch.save(tensors, metadata=metadata))


def load_tree(path: Path, *, kind: str) -> Any:
    """Reads what `save_tree` wrote, tensors on the CPU.

    Raises:
        CheckpointError: if the file is missing, truncated, corrupt, of another kind or of another version.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no {kind} at '{path}'.") from error
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"'{path}' is not a whole safetensors file ({error}); restore it or start anew.") from error
    if metadata.get("kind") != kind:
        raise CheckpointError(f"'{path}' holds a {metadata.get('kind', 'foreign file')}, not a {kind}.")
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(f"'{path}' has format {metadata.get('format')}; this version reads format {_FORMAT}.")
    structure = metadata.get("structure", "")
    if metadata.get("digest") != digest(tensors, structure):
        raise CheckpointError(f"'{path}' is corrupt: its content does not match its digest; restore it or start anew.")
    return _put_tensors(json.loads(structure), tensors)


def digest(tensors: Mapping[str, Tensor], text: str = "") -> str:
    """A hash of the tensors' names, types, shapes and bits, and of a text."""
    found = hashlib.blake2b(text.encode(), digest_size=16)
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _take_tensors(node: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """The tree as JSON, each tensor replaced by its name; the names begin with a number, since paths could coincide."""
    if isinstance(node, Tensor):
        name = f"{len(tensors)}{name}"
        tensors[name] = node.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(node, dict):
        return {"dict": [[key, _take_tensors(value, f"{name}/{key}", tensors)] for key, value in node.items()]}
    if isinstance(node, list | tuple):
        items = [_take_tensors(value, f"{name}/{place}", tensors) for place, value in enumerate(node)]
        return {"tuple": items} if isinstance(node, tuple) else items
    return node


def _put_tensors(node: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, list):
        return [_put_tensors(value, tensors) for value in node]
    if not isinstance(node, dict):
        return node
    if "tensor" in node:
        return tensors[node["tensor"]]
    if "tuple" in node:
        return tuple(_put_tensors(value, tensors) for value in node["tuple"])
    return {key: _put_tensors(value, tensors) for key, value in node["dict"]}
