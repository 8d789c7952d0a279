"""Data sections of the kinds uci and openml: read, located, loaded and refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from bayes_guided import datasets
from bayes_guided.config import load_config, parse_config
from bayes_guided.config.loading import to_yaml
from bayes_guided.exceptions import ConfigError, SplitIndexError

OPENML = {"kind": "openml", "name": "boston", "version": 1, "task": "regression", "target": "MEDV", "seed": 3}


def settings(data: dict[str, Any]) -> dict[str, Any]:
    return {"net": {"name": "mlp"}, "data": data, "prior": {"family": "GroupLaplace", "strength": 1.0}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sets" / "small"
    folder.mkdir(parents=True)
    (folder / "data.txt").write_text("1 2\n2 5\n3 4\n4 9\n")
    for name, content in {"features": "0", "target": "1", "train_0": "0\n1\n3", "test_0": "2"}.items():
        (folder / f"index_{name}.txt").write_text(content)
    return folder


def test_a_standard_split_through_a_file(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(settings({"kind": "uci", "folder": "small", "split": 0, "validation": 0.4})))
    config = load_config(path, data_dir=tmp_path / "sets")
    data, whole = config.load_data(), datasets.load_uci(folder)
    assert torch.equal(data.test_x, whole.test_x)
    assert data.validation_x is not None
    assert len(data.train_x) + len(data.validation_x) == 3
    assert config.completed(data).likelihood == "Normal"
    again = load_config(path, data_dir=tmp_path / "sets", overrides=["data.split=4"])
    with pytest.raises(SplitIndexError, match="no split 4; splits 0 are there"):
        again.load_data()
    with pytest.raises(ConfigError, match=r"'data\.split' is -1"):
        load_config(path, overrides=["data.split=-1"])


def test_openml_is_asked_for_what_the_file_says(monkeypatch: pytest.MonkeyPatch) -> None:
    config = parse_config(settings(OPENML), source="here", folder=Path("/config"))
    assert parse_config(yaml.safe_load(to_yaml(config)), source="again", folder=Path("/elsewhere")) == config
    asked: list[tuple[Any, ...]] = []
    answer = datasets.load_digits()

    def load(*given: Any, **named: Any) -> datasets.Dataset:
        asked.append((given, named))
        return answer

    monkeypatch.setattr(datasets, "load_openml", load)
    assert config.load_data() is answer
    named = {"version": 1, "task": "regression", "target": "MEDV", "test_fraction": 0.2, "seed": 3}
    assert asked == [(("boston",), named)]


@pytest.mark.parametrize(("key", "value"), [("version", 0), ("name", ""), ("task", "ranking")])
def test_openml_s_settings_out_of_range_are_refused(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"'data.{key}' is"):
        parse_config(settings({**OPENML, key: value}), source="here", folder=Path("/config"))
