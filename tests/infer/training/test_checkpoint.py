"""Checkpoint files: when they are due, what they refuse, and what a failed write leaves. Kills are in test_resume.py."""

import errno

import pytest
import torch
from torch import nn

from bayes_guided.exceptions import CheckpointError, ConfigError, RunFolderError
from bayes_guided.infer.training.checkpoint import Checkpoint, Checkpoints, Position
from bayes_guided.infer.training.history import Epoch, History
from tests.infer.problems import same_bits

IDENTITY = {"seed": 3, "prior": {"weights": {"strength": 2.0}, "coefficients": {"a": [0.5] * 400}}, "data": "abc"}


def started(seed: int = 0) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A network with buffers, two Adam steps on."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        optimizer = torch.optim.Adam(module.parameters(), lr=0.01, betas=(0.8, 0.9))
        for _ in range(2):
            optimizer.zero_grad()
            module(torch.randn(5, 3)).square().mean().backward()
            optimizer.step()
    return module, optimizer


def in_folder(folder, **changed) -> Checkpoint:
    settings = changed.pop("settings", {})
    return Checkpoints(folder, {**IDENTITY, **changed}, steps=3, seconds=1e9).phase("MAP", **settings)


def saved(folder) -> tuple[nn.Module, torch.optim.Optimizer]:
    module, optimizer = started()
    position = Position(epoch=2, batch=1, cases=5, nll=torch.tensor(0.1).double(), epoch_start={"cpu": torch.get_rng_state()})
    in_folder(folder).save(module, optimizer, position, History((Epoch(1.0, 0.5, 0.25, {"a": 3}),)))
    return module, optimizer


def test_everything_comes_back(tmp_path):
    before = torch.get_rng_state()
    module, optimizer = saved(tmp_path)
    other, adam = started(seed=1)
    found = in_folder(tmp_path).load(other, adam)
    assert found is not None
    position, history = found
    assert same_bits(module, other)
    for left, right in zip(optimizer.state.values(), adam.state.values(), strict=True):
        assert left.keys() == right.keys()
        assert all(torch.equal(left[name], right[name]) for name in left)
    assert {**adam.param_groups[0], "params": 0} == {**optimizer.param_groups[0], "params": 0}
    assert (position.epoch, position.batch, position.cases, float(position.error)) == (2, 1, 5, 0.0)
    assert torch.equal(torch.as_tensor(position.nll), torch.tensor(0.1).double())
    assert position.epoch_start is not None
    assert position.now is not None
    assert torch.equal(position.epoch_start["cpu"], before)
    assert torch.equal(position.now["cpu"], before)
    assert history == History((Epoch(1.0, 0.5, 0.25, {"a": 3}),))


def test_no_file_is_a_fresh_start_and_partial_files_are_cleared(tmp_path):
    (tmp_path / ".map.safetensors.0123abcd.partial").write_bytes(b"half a checkpoint")
    module, optimizer = started()
    assert in_folder(tmp_path).load(module, optimizer) is None
    assert list(tmp_path.iterdir()) == []
    assert in_folder(tmp_path / "absent").load(module, optimizer) is None
    assert not (tmp_path / "absent").exists()


def test_due_by_steps_or_by_seconds(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    by_steps = in_folder(tmp_path)
    assert [by_steps.is_due(step) for step in range(1, 8)] == [False, False, True, False, False, True, False]
    by_time = Checkpoints(tmp_path, {}, steps=None, seconds=10.0).phase("MAP")
    clock[0] = 109.9
    assert not by_time.is_due(1)
    clock[0] = 110.0
    assert by_time.is_due(1)
    by_time.save(*started(), Position(), History())
    assert not by_time.is_due(1)
    clock[0] = 120.0
    assert by_time.is_due(1)


@pytest.mark.parametrize(("steps", "seconds"), [(0, 1.0), (-1, 1.0), (None, 0.0), (1, -5.0), (1, float("nan"))])
def test_intervals_that_are_not_positive_are_refused(tmp_path, steps, seconds):
    with pytest.raises(ConfigError, match=r"checkpoint_(steps|seconds)=.*give a"):
        Checkpoints(tmp_path, {}, steps=steps, seconds=seconds)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 4}, r"seed is 3 there, 4 here\. Give"),
        ({"data": "abd"}, "data is 'abc' there, 'abd' here"),
        ({"prior": {**IDENTITY["prior"], "weights": {"strength": 2.5}}}, r"prior\.weights\.strength is 2\.0 there, 2\.5 here"),
        ({"prior": {**IDENTITY["prior"], "coefficients": {"a": [0.5] * 399}}}, r"prior\.coefficients\.a is \[0\.5, "),
        ({"new": 1}, "new is None there, 1 here"),
        ({"settings": {"refit": {"epochs": 2}}}, r"refit\.epochs is None there, 2 here"),
        ({f"k{i}": i for i in range(7)}, "k4 is None there, 4 here; and 2 more"),
    ],
)
def test_another_run_is_refused_by_what_differs_and_nothing_changes(tmp_path, changed, message):
    saved(tmp_path)
    module, optimizer = started(seed=1)
    content = (tmp_path / "map.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match=message) as refused:
        in_folder(tmp_path, **changed).load(module, optimizer)
    assert len(str(refused.value)) < 600 + len(str(tmp_path))
    assert same_bits(module, started(seed=1)[0])
    assert (tmp_path / "map.safetensors").read_bytes() == content


def test_a_key_that_is_gone_differs_too(tmp_path):
    saved(tmp_path)
    fewer = {"seed": 3, "data": "abc"}
    with pytest.raises(CheckpointError, match=r"prior\.weights\.strength is 2\.0 there, None here"):
        Checkpoints(tmp_path, fewer, steps=3, seconds=1.0).phase("MAP").load(*started())


@pytest.mark.parametrize("damage", ["empty", "truncated", "flipped", "foreign"])
def test_damaged_checkpoints_are_refused_by_name_and_nothing_changes(tmp_path, damage):
    saved(tmp_path)
    path = tmp_path / "map.safetensors"
    content = path.read_bytes()
    flipped = content[:-9] + bytes([content[-9] ^ 4]) + content[-8:]
    path.write_bytes({"empty": b"", "truncated": content[:-1], "flipped": flipped, "foreign": b"PK\x03\x04 a zip"}[damage])
    module, optimizer = started(seed=1)
    with pytest.raises(CheckpointError, match=str(path)):
        in_folder(tmp_path).load(module, optimizer)
    assert same_bits(module, started(seed=1)[0])


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    module, _ = saved(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(RunFolderError, match="No space left on device"):
            in_folder(tmp_path).save(*started(seed=1), Position(), History())
    other, adam = started(seed=2)
    assert in_folder(tmp_path).load(other, adam) is not None
    assert same_bits(module, other)
    assert [path.name for path in tmp_path.iterdir()] == ["map.safetensors"]


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RunFolderError, match="file/run"):
        in_folder(tmp_path / "file" / "run").save(*started(), Position(), History())
