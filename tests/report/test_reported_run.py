"""Runs that cannot be reported are refused by name."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bayes_guided.comparison import Comparison
from bayes_guided.exceptions import (
    ArchitectureMismatchError,
    BayesGuidedError,
    CheckpointError,
    ComparisonError,
    ComparisonFileError,
    ConfigError,
    RunFolderError,
)
from bayes_guided.report import read_reported


def change_metrics(folder: Path, **changes: Any) -> None:
    path = folder / "metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def other_architecture(folder: Path) -> None:
    path = folder / "comparison.nc"
    dataset = Comparison.from_netcdf(path).dataset.isel(group=[0])
    Comparison(dataset).to_netcdf(path, force=True)


def cut(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:200])


@pytest.mark.parametrize(
    ("damage", "error", "said"),
    [
        (lambda folder: (folder / "metrics.json").unlink(), RunFolderError, "unfinished"),
        (lambda folder: (folder / "config.yaml").unlink(), RunFolderError, "holds no run"),
        (lambda folder: (folder / "config.yaml").write_text("net: ["), ConfigError, "config.yaml"),
        (cut("metrics.json"), RunFolderError, "damaged or from another version"),
        (lambda folder: change_metrics(folder, of_the_future=1), RunFolderError, "another version"),
        (lambda folder: change_metrics(folder, test_error="low"), RunFolderError, "test_error"),
        (lambda folder: change_metrics(folder, widths_before=[1, 2]), ArchitectureMismatchError, "metrics.json"),
        (cut("fit/fit.safetensors"), CheckpointError, "fit"),
        (lambda folder: (folder / "comparison.nc").unlink(), ComparisonFileError, "comparison"),
        (cut("comparison.nc"), ComparisonFileError, "comparison"),
        (other_architecture, ArchitectureMismatchError, "different runs"),
    ],
)
def test_damaged_runs(
    folders: dict[str, Path], tmp_path: Path, damage: Callable[[Path], object], error: type[BayesGuidedError], said: str
) -> None:
    place = tmp_path / "run"
    shutil.copytree(folders["middle"], place)
    damage(place)
    with pytest.raises(error, match=said):
        read_reported([place])


def test_runs_are_named_after_their_folders(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders["weak"])
    assert [run.name for run in read_reported([".", folders["svi"]])] == ["weak", "svi"]


def test_names_must_tell_runs_apart(folders: dict[str, Path]) -> None:
    with pytest.raises(ComparisonError, match="same name"):
        read_reported([folders["weak"], folders["weak"]])
    with pytest.raises(ComparisonError, match="nothing to report"):
        read_reported([])
