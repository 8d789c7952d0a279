"""Finished runs, read back."""

import shutil
from pathlib import Path

import pytest
import torch

from bayes_guided.architecture import load_reduced
from bayes_guided.config import parse_config
from bayes_guided.exceptions import BayesGuidedError, CheckpointError, ConfigError, RunFolderError
from bayes_guided.run import draw_run, load_run, reduce_run, run
from tests.run.conftest import small_settings


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    config = parse_config(small_settings({"kind": "digits"}), source="test", folder=folder)
    return run(config, folder / "out", progress=False, figures=False).folder


@pytest.fixture
def damaged(finished: Path, tmp_path: Path) -> Path:
    """A copy, to be damaged."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def test_fit_config_and_metrics_come_back(finished: Path) -> None:
    saved = load_run(finished)
    assert saved.fit.sub_architecture().widths == dict(zip(saved.metrics.group_names, saved.metrics.widths, strict=True))
    data = saved.config.load_data()
    assert saved.fit.evaluate((data.test_x, data.test_y)).error == saved.metrics.test_error


def test_figures_can_be_drawn_of_a_run_that_drew_none(finished: Path) -> None:
    assert not (finished / "figures").exists()
    paths = draw_run(finished)
    assert len(paths) == 10
    assert all(path.stat().st_size > 1000 for path in paths)


def test_the_reduced_network_can_be_written_elsewhere(finished: Path, tmp_path: Path) -> None:
    assert reduce_run(finished, tmp_path / "small") == tmp_path / "small"
    assert reduce_run(finished) == finished / "reduced"
    saved = load_run(finished)
    small = load_reduced(tmp_path / "small", saved.config.net.build())
    x = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    assert saved.fit.refit is not None
    torch.testing.assert_close(small(x), saved.fit.refit.net(x))


def test_loading_leaves_the_callers_generator_alone(finished: Path) -> None:
    state = torch.get_rng_state()
    load_run(finished)
    assert torch.equal(torch.get_rng_state(), state)


def test_folders_without_a_finished_run(damaged: Path, tmp_path: Path) -> None:
    for place in (tmp_path / "none", tmp_path):
        with pytest.raises(RunFolderError, match="holds no run"):
            load_run(place)
    (damaged / "metrics.json").unlink()
    with pytest.raises(RunFolderError, match="unfinished"):
        load_run(damaged)


@pytest.mark.parametrize("name", ["config.yaml", "metrics.json", "fit/fit.safetensors"])
def test_damaged_files_are_refused(name: str, damaged: Path) -> None:
    path = damaged / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] + b"}{")
    with pytest.raises((ConfigError, RunFolderError, CheckpointError)):
        draw_run(damaged)


def test_a_fit_of_another_network_is_refused(damaged: Path) -> None:
    text = (damaged / "config.yaml").read_text()
    (damaged / "config.yaml").write_text(text.replace("- 12", "- 13"))
    with pytest.raises(BayesGuidedError, match="network"):
        load_run(damaged)


def test_a_place_that_cannot_be_written(finished: Path) -> None:
    with pytest.raises(RunFolderError, match="cannot write"):
        reduce_run(finished, "/proc/bayes_guided")
