"""Data sections: the kinds uci and openml read, located, loaded and refused; a limit and label noise on any kind."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from bayes_guided import datasets
from bayes_guided.config import load_config, parse_config
from bayes_guided.config.loading import to_yaml
from bayes_guided.exceptions import ConfigError, LabelError, SplitIndexError

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


def test_limit_and_label_noise_leave_validation_and_test_as_they_are() -> None:
    def load(**changes: Any) -> datasets.Dataset:
        data = {"kind": "digits", "validation": 0.2, "seed": 5, **changes}
        return parse_config(settings(data), source="here", folder=Path("/config")).load_data()

    whole, some = load(), load(limit=300, label_noise=0.1)
    clean = whole.limited(300, seed=5)
    assert torch.equal(some.train_x, clean.train_x)
    assert torch.equal(some.train_y, clean.with_label_noise(0.1, seed=5).train_y)
    assert int((some.train_y != clean.train_y).sum()) == 30
    for part in ("validation_x", "validation_y", "test_x", "test_y"):
        assert torch.equal(getattr(some, part), getattr(whole, part))
    with pytest.raises(ConfigError, match="a limit of 5,000 training cases is out of range; the training part has 1,150"):
        load(limit=5000)


def test_label_noise_on_a_regression_is_refused(folder: Path) -> None:
    config = parse_config(settings({"kind": "uci", "folder": str(folder), "label_noise": 0.1}), source="here", folder=folder)
    with pytest.raises(LabelError, match="label noise needs classes"):
        config.load_data()


@pytest.mark.parametrize(("key", "value"), [("limit", 0), ("limit", 0.5), ("label_noise", 1.5), ("label_noise", -0.1)])
def test_limits_and_noises_out_of_range_are_refused(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"'data.{key}' is {value}"):
        parse_config(settings({"kind": "digits", key: value}), source="here", folder=Path("/config"))


def test_a_limit_in_the_wrong_place_is_sent_to_the_right_one() -> None:
    with pytest.raises(ConfigError, match=r"'limit' belongs elsewhere: write it as 'data\.limit'"):
        parse_config({**settings({"kind": "digits"}), "limit": 10}, source="here", folder=Path("/config"))


def test_a_configuration_without_them_is_written_as_it_ever_was() -> None:
    text = to_yaml(parse_config(settings({"kind": "digits"}), source="here", folder=Path("/config")))
    assert "limit" not in text
    assert "label_noise" not in text
