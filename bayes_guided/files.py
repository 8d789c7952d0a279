"""Files that are either whole or absent: atomic writes, and trees of tensors and plain values in one safetensors file."""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from bayes_guided.exceptions import CheckpointError, RunFolderError

_TENSOR = "__tensor__"


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that a reader, or a kill at any moment, sees the old file or the new one, never a part.

    Raises:
        RunFolderError: if the folder cannot be written or the disk is full; the old file stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise RunFolderError(f"cannot write '{path}': {error.strerror}; give a folder that can be written.") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise RunFolderError(f"cannot write '{path}': {error.strerror}; free some space or give another folder.") from error


def save_tree(path: Path, tree: Any, *, kind: str) -> None:
    """Writes nested dicts and lists of tensors and JSON values to one safetensors file, with a digest of the tensors.

    `kind` names what the file is, so that a file of another kind is refused on reading.

    Raises:
        RunFolderError: as `write_atomically`.
    """
    tensors: dict[str, Tensor] = {}
    structure = _take_tensors(tree, "", tensors)
    metadata = {"kind": kind, "structure": json.dumps(structure), "digest": _digest(tensors)}
    write_atomically(path, safetensors.torch.save(tensors, metadata=metadata))


def load_tree(path: Path, *, kind: str) -> Any:
    """Reads what `save_tree` wrote, tensors on the CPU.

    Raises:
        CheckpointError: if the file is missing, truncated, corrupt, or of another kind.
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
    if metadata.get("digest") != _digest(tensors):
        raise CheckpointError(f"'{path}' is corrupt: its tensors do not match their digest; restore it or start anew.")
    try:
        return _put_tensors(json.loads(metadata["structure"]), tensors)
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"'{path}' is corrupt: its structure cannot be read ({error}).") from error


def _take_tensors(node: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, Tensor):
        tensors[name] = node.detach().cpu().contiguous().clone()
        return {_TENSOR: name}
    if isinstance(node, dict):
        return {"keys": [[key, _take_tensors(value, f"{name}/{key}", tensors)] for key, value in node.items()]}
    if isinstance(node, list | tuple):
        return [_take_tensors(value, f"{name}/{place}", tensors) for place, value in enumerate(node)]
    return node


def _put_tensors(node: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, dict):
        if _TENSOR in node:
            return tensors[node[_TENSOR]]
        return {key: _put_tensors(value, tensors) for key, value in node["keys"]}
    if isinstance(node, list):
        return [_put_tensors(value, tensors) for value in node]
    return node


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
