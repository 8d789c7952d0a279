"""Relative data paths: --data-dir, then beside the configuration, then BAYES_GUIDED_DATA."""

from pathlib import Path

import pytest

from bayes_guided.config.paths import absolute_data, absolute_module
from bayes_guided.exceptions import DataFileError


def test_beside_the_configuration_unless_it_is_only_in_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "data").mkdir()
    beside, stored = tmp_path / "config" / "mnist", tmp_path / "data" / "mnist"
    monkeypatch.delenv("BAYES_GUIDED_DATA", raising=False)
    assert absolute_data(Path("mnist"), tmp_path / "config", None) == beside
    monkeypatch.setenv("BAYES_GUIDED_DATA", str(tmp_path / "data"))
    assert absolute_data(Path("mnist"), tmp_path / "config", None) == stored
    beside.mkdir()
    assert absolute_data(Path("mnist"), tmp_path / "config", None) == beside
    assert absolute_data(Path("mnist"), tmp_path / "config", tmp_path / "data") == stored


def test_absolute_paths_stay(tmp_path: Path) -> None:
    assert absolute_data(tmp_path / "a.csv", Path("/config"), None) == tmp_path / "a.csv"
    assert absolute_data(tmp_path / "a.csv", Path("/config"), tmp_path) == tmp_path / "a.csv"


def test_a_data_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="--data-dir"):
        absolute_data(Path("mnist"), tmp_path, tmp_path / "none")


def test_modules_lie_beside_the_configuration() -> None:
    assert absolute_module("nets/mine.py:build", Path("/config")) == "/config/nets/mine.py:build"
    assert absolute_module("/abs/mine.py:build", Path("/config")) == "/abs/mine.py:build"
    assert absolute_module("no function", Path("/config")) == "no function"
