"""Files that are whole or absent: every kind of damage to a small file is tried, and every way a write can fail."""

import errno
import math
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from bayes_guided.exceptions import CheckpointError, RunFolderError
from bayes_guided.files import digest, load_tree, remove_partials, save_tree, write_atomically

TREE = {
    "weights": {"a": torch.arange(6.0).reshape(2, 3), 7: torch.tensor(1.5)},
    "text": ["x", None, True, 3, (0.1, [torch.tensor([1, -2])])],
}


def same(left: Any, right: Any) -> bool:
    """Equal types, keys, values and bits."""
    if type(left) is not type(right):
        return False
    if isinstance(left, Tensor):
        return left.dtype == right.dtype and left.shape == right.shape and digest({"": left}) == digest({"": right})
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    return left == right or (isinstance(left, float) and math.isnan(left) and math.isnan(right))


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Inside, the system refuses to write beyond `size` bytes of any file, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


# Writing ------------------------------


def test_a_file_is_written_into_a_new_folder_and_replaced_whole(tmp_path):
    path = tmp_path / "new" / "folder" / "file.bin"
    write_atomically(path, b"old" * 1000)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_permissions_follow_the_users_umask(tmp_path):
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "private", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600


def test_a_write_that_stops_half_way_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with largest_file(4096), pytest.raises(RunFolderError, match=r"file.*File too large"):
        write_atomically(path, b"n" * 100_000)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failing", ["os.fsync", "pathlib.Path.replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, failing):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    monkeypatch.setattr(failing, no_space)
    with pytest.raises(RunFolderError, match="No space left on device; free some space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "file"
    write_atomically(path, b"old")
    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "plain").write_bytes(b"a file")
    with pytest.raises(RunFolderError, match=r"plain/deeper/file"):
        write_atomically(tmp_path / "plain" / "deeper" / "file", b"x")
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(RunFolderError, match="folder"):
        write_atomically(tmp_path / "folder", b"x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "plain"]


def test_partial_files_of_killed_writers_are_cleared_and_only_those(tmp_path, monkeypatch):
    path = tmp_path / "map.safetensors"
    write_atomically(path, b"whole")
    with monkeypatch.context() as patch:  # what SIGKILL leaves: nothing runs after it
        patch.setattr("os.fsync", no_space)
        patch.setattr("pathlib.Path.unlink", lambda *_, **__: None)
        with pytest.raises(RunFolderError):
            write_atomically(path, b"part")
    (tmp_path / ".map.safetensors").write_bytes(b"the user's")
    write_atomically(tmp_path / "refit.safetensors", b"another")
    assert len(list(tmp_path.iterdir())) == 4
    remove_partials(path)
    assert {p.name for p in tmp_path.iterdir()} == {"map.safetensors", ".map.safetensors", "refit.safetensors"}
    remove_partials(tmp_path / "absent" / "file")


# Trees ------------------------------


@pytest.mark.parametrize(
    "tree",
    [
        TREE,
        {"a/b": torch.zeros(2), "a": {"b": torch.ones(2)}, "": torch.tensor(3)},
        [float("nan"), float("inf"), -0.0, 0.1 + 0.2, 5e-324, 2**80],
        {1: "int", "1": "text", "tensor": "a name like the format's own", "dict": [], "tuple": ()},
        [torch.zeros(2, 3).T, torch.zeros(0, 4), torch.tensor(float("nan")), torch.randn(3).expand(2, 3)],
        [torch.zeros(2, dtype=t) for t in (torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.bool, torch.uint8)],
        {},
        None,
    ],
)
def test_trees_come_back_to_the_bit(tmp_path, tree):
    save_tree(tmp_path / "tree", tree, kind="thing")
    assert same(load_tree(tmp_path / "tree", kind="thing"), tree)


def test_tensors_that_share_memory_and_parameters_are_saved_as_values(tmp_path):
    weights = torch.nn.Parameter(torch.randn(4))
    save_tree(tmp_path / "tree", [weights, weights.detach()[:2], weights], kind="thing")
    loaded = load_tree(tmp_path / "tree", kind="thing")
    assert [torch.equal(found, wanted) for found, wanted in zip(loaded, [weights, weights[:2], weights], strict=True)] == [
        True
    ] * 3
    assert not loaded[0].requires_grad


def test_what_is_neither_tensor_nor_text_is_refused_and_nothing_written(tmp_path):
    with pytest.raises(CheckpointError, match="set is not JSON serializable"):
        save_tree(tmp_path / "tree", {"extra": {1, 2}}, kind="thing")
    assert list(tmp_path.iterdir()) == []


def test_the_digest_sees_names_types_shapes_and_bits():
    base = {"a": torch.zeros(4)}
    others = [
        {"b": torch.zeros(4)},
        {"a": torch.zeros(2, 2)},
        {"a": torch.zeros(4, dtype=torch.int32)},
        {"a": torch.tensor([0.0, 0.0, 0.0, -0.0])},
        {"a": torch.zeros(4), "b": torch.zeros(0)},
    ]
    assert len({digest(base), digest(base, "text"), *(digest(other) for other in others)}) == 7
    assert digest(base) == digest({"a": torch.zeros(8)[::2]})


# Damage ------------------------------


@pytest.fixture
def saved(tmp_path) -> Path:
    save_tree(tmp_path / "fit.safetensors", TREE, kind="MAP fit")
    return tmp_path / "fit.safetensors"


def is_refused(path: Path) -> bool:
    """Whether damage was refused, by the file's name; a load that succeeds must give what was saved."""
    try:
        loaded = load_tree(path, kind="MAP fit")
    except CheckpointError as error:
        return str(path) in str(error)
    assert same(loaded, TREE)
    return False


def test_damage_to_any_byte_is_refused_or_harmless(saved):
    content = saved.read_bytes()
    refused = 0
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << (3 * place % 8)
        saved.write_bytes(damaged)
        refused += is_refused(saved)
    assert refused > 0.99 * len(content)


def test_every_truncation_is_refused(saved):
    content = saved.read_bytes()
    for length in range(0, len(content), 3):
        saved.write_bytes(content[:length])
        assert is_refused(saved)


def test_bytes_added_at_the_end_are_refused(saved):
    saved.write_bytes(saved.read_bytes() + b"\0")
    assert is_refused(saved)


def test_missing_foreign_and_other_files_are_refused_by_name(tmp_path, saved):
    with pytest.raises(CheckpointError, match=r"there is no MAP fit at .*absent"):
        load_tree(tmp_path / "absent", kind="MAP fit")
    with pytest.raises(CheckpointError, match="holds a MAP fit, not a checkpoint"):
        load_tree(saved, kind="checkpoint")
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        load_tree(tmp_path, kind="MAP fit")
    foreign = tmp_path / "foreign"
    safetensors.torch.save_file({"weight": torch.zeros(3)}, foreign)
    with pytest.raises(CheckpointError, match="holds a foreign file, not a MAP fit"):
        load_tree(foreign, kind="MAP fit")
    torch.save({"weight": torch.zeros(3)}, foreign)
    with pytest.raises(CheckpointError, match="foreign"):
        load_tree(foreign, kind="MAP fit")
    safetensors.torch.save_file({"weight": torch.zeros(3)}, foreign, metadata={"kind": "MAP fit", "format": "99"})
    with pytest.raises(CheckpointError, match="format 99"):
        load_tree(foreign, kind="MAP fit")
