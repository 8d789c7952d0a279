"""Saved and loaded: the same function, in a fresh network, without pickle."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import nn

from bayes_guided.architecture import Architecture, load_reduced, reduce, save_reduced
from bayes_guided.exceptions import ArchitectureMismatchError, CheckpointError
from tests.architecture.zoo import Case, architecture, every_case, run
from tests.architecture.zoo_nets import Residual, mlp


@every_case
def test_round_trip(case: Case, tmp_path: Path) -> None:
    found, net = architecture(case), case.net()
    sub = found.sub_architecture({g.name: torch.arange(g.size) % 2 == 0 for g in found.groups})
    small = reduce(net, sub)
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.mul_(1.1)
    save_reduced(small, sub, tmp_path / "small")
    fresh = case.build()
    full = {name: tuple(parameter.shape) for name, parameter in fresh.named_parameters()}
    loaded = load_reduced(tmp_path / "small", fresh)
    assert all(torch.equal(a, b) for a, b in zip(run(loaded, case.example()), run(small, case.example()), strict=True))
    assert list(loaded.state_dict()) == list(small.state_dict())
    assert [p.requires_grad for p in loaded.parameters()] == [p.requires_grad for p in small.parameters()]
    assert {name: tuple(parameter.shape) for name, parameter in fresh.named_parameters()} == full
    assert sorted(path.name for path in (tmp_path / "small").iterdir()) == ["model.safetensors", "plan.json"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    net = Residual()
    found = Architecture.from_module(net, torch.randn(2, 3, 8, 8))
    sub = found.sub_architecture({"stem": torch.arange(6) != 2})
    folder = tmp_path_factory.mktemp("saved")
    save_reduced(reduce(net, sub), sub, folder)
    return folder


def test_the_plan_keeps_the_original_indices(saved: Path) -> None:
    plan = json.loads((saved / "plan.json").read_text())
    assert plan["survivors"]["stem"] == [0, 1, 3, 4, 5]
    assert {"layer": "conv1", "side": "in", "positions": [2]} in plan["removed"]


def test_double_precision_comes_back(tmp_path: Path) -> None:
    net = mlp(nn.ReLU()).double()
    found = Architecture.from_module(net, torch.randn(2, 5, dtype=torch.float64))
    sub = found.sub_architecture({"0": torch.arange(8) < 3})
    small = reduce(net, sub)
    save_reduced(small, sub, tmp_path)
    loaded = load_reduced(tmp_path, mlp(nn.ReLU()))
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), small.parameters(), strict=True))


def test_saving_again_replaces(tmp_path: Path) -> None:
    net = mlp(nn.ReLU())
    found = Architecture.from_module(net, torch.randn(2, 5))
    for width in (5, 3):
        sub = found.sub_architecture({"0": torch.arange(8) < width})
        save_reduced(reduce(net, sub), sub, tmp_path)
    assert load_reduced(tmp_path, mlp(nn.ReLU())).get_parameter("0.weight").shape == (3, 5)


def test_a_network_of_other_widths_is_not_saved(tmp_path: Path) -> None:
    net = mlp(nn.ReLU())
    found = Architecture.from_module(net, torch.randn(2, 5))
    sub = found.sub_architecture({"0": torch.arange(8) < 3})
    with pytest.raises(ArchitectureMismatchError, match="123 parameters"):
        save_reduced(net, sub, tmp_path)
    with pytest.raises(ArchitectureMismatchError, match="missing"):
        save_reduced(Residual(), sub, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("other", [mlp(nn.ReLU()), nn.Sequential(Residual())], ids=["class", "names"])
def test_another_network_is_refused(saved: Path, other: nn.Module) -> None:
    with pytest.raises(ArchitectureMismatchError, match="same class"):
        load_reduced(saved, other)


@pytest.mark.parametrize("name", ["plan.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign", "empty"])
def test_damaged_files_are_named(saved: Path, tmp_path: Path, name: str, damage: str) -> None:
    folder = Path(shutil.copytree(saved, tmp_path / "copy"))
    content = (folder / name).read_bytes()
    if damage == "missing":
        (folder / name).unlink()
    else:
        foreign = {"plan.json": b'{"format": 1, "widths": [1, 2]}', "model.safetensors": b"\x80\x04pickle"}
        (folder / name).write_bytes({"truncated": content[:-7], "foreign": foreign[name], "empty": b""}[damage])
    with pytest.raises(CheckpointError, match=name):
        load_reduced(folder, Residual())


def edited(saved: Path, folder: Path, **changes: object) -> Path:
    shutil.copytree(saved, folder)
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps({**plan, **changes}))
    return folder


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 3},
        {"removed": [{"layer": "stem", "side": "out", "positions": [17]}]},
        {"removed": [{"layer": "stem", "side": "out", "positions": [-1]}]},
        {"removed": [{"layer": "stem", "side": "out", "positions": [1, 1]}]},
        {"removed": [{"layer": "stem", "side": "above", "positions": [1]}]},
        {"removed": [{"layer": "nothing", "side": "out", "positions": [1]}]},
        {"removed": [{"layer": "stem", "side": "out", "positions": ["1"]}]},
        {"added_biases": ["head"]},
        {"weights_sha256": "0" * 64},
    ],
)
def test_a_plan_that_does_not_fit_is_refused(saved: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match=r"plan\.json"):
        load_reduced(edited(saved, tmp_path / "copy", **changes), Residual())


def test_weights_of_another_plan_are_refused(saved: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(saved, tmp_path / "copy"))
    (folder / "model.safetensors").write_bytes(save({"stem.weight": torch.zeros(1)}))
    with pytest.raises(CheckpointError, match="belongs to another"):
        load_reduced(folder, Residual())


def test_an_interrupted_save_keeps_the_old_one(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(shutil.copytree(saved, tmp_path / "copy"))
    net = Residual()
    found = Architecture.from_module(net, torch.randn(2, 3, 8, 8))

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_reduced(net, found.full(), folder)
    assert len(load_reduced(folder, Residual()).get_parameter("stem.weight")) == 5
    assert len(list(folder.iterdir())) == 2
