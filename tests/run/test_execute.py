"""A run from settings to metrics, for every kind of data; what it refuses; and that it leaves nothing half-done."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import bayes_guided as bg
from bayes_guided.architecture import load_reduced
from bayes_guided.config import RunConfig, load_config
from bayes_guided.exceptions import (
    BayesGuidedError,
    CollapseError,
    ConfigError,
    DataFileError,
    ExampleInputError,
    LabelError,
    NoMAPError,
    ProtectedGroupError,
    RunFolderError,
)
from bayes_guided.run import Metrics, run
from bayes_guided.run.folder import RunFolder
from tests.run.conftest import MakeConfig, write_csv, write_idx, write_npz

FIGURES = {
    f"{name}.{kind}"
    for name in ("unit_survival", "width_law", "row_norms", "training", "architecture")
    for kind in ("png", "pdf")
}


def _contents(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def _data_settings(kind: str, folder: Path) -> dict[str, Any]:
    if kind == "digits":
        return {"kind": "digits", "validation": 0.2}
    if kind == "idx":
        return {"kind": "idx", "folder": str(write_idx(folder / "images"))}
    if kind == "csv":
        return {"kind": "csv", "path": str(write_csv(folder / "a.csv")), "task": "regression", "target": "y"}
    return {"kind": "npz", "path": str(write_npz(folder / "a.npz"))}


@pytest.mark.parametrize("kind", ["digits", "idx", "csv", "npz"])
def test_every_kind_of_data_end_to_end(kind: str, tmp_path: Path, make_config: MakeConfig) -> None:
    config = make_config(_data_settings(kind, tmp_path), baseline=True)
    result = run(config, tmp_path / "out", progress=False, figures=False)
    metrics = result.metrics

    assert not result.reused
    expected = {
        "config.yaml",
        "metrics.json",
        "comparison.nc",
        "fit/fit.safetensors",
        "reduced/plan.json",
        "reduced/model.safetensors",
    }
    assert _contents(tmp_path / "out") == expected
    assert Metrics.load(tmp_path / "out" / "metrics.json") == metrics

    # The numbers again, from what lies in the folder.
    data = config.load_data()
    completed = load_config(tmp_path / "out" / "config.yaml")
    fit = bg.load_fit(tmp_path / "out" / "fit", completed.net.build())
    small = load_reduced(tmp_path / "out" / "reduced", completed.net.build())
    test = (data.test_x, data.test_y)
    assert metrics.test_error == pytest.approx(fit.evaluate(test).error * data.target_std)
    assert metrics.test_error_reduced == pytest.approx(metrics.test_error, abs=1e-4)
    assert metrics.test_error_refit == pytest.approx(fit.evaluate(test, refit=True).error * data.target_std)
    assert fit.refit is not None
    torch.testing.assert_close(small(data.test_x), fit.refit.net(data.test_x))
    assert metrics.test_error_unguided is not None
    assert (metrics.validation_error is None) == (data.validation_x is None)

    sub, full = fit.sub_architecture(), fit.architecture.full()
    assert dict(zip(metrics.group_names, metrics.widths, strict=True)) == sub.widths
    assert (metrics.units_before, metrics.units_after) == (full.num_units, sub.num_units) == (18, sum(metrics.widths))
    assert (metrics.macs_before, metrics.macs_after) == (full.macs, sub.macs)
    assert metrics.parameters_before == sum(p.numel() for p in fit.net.parameters())
    assert metrics.parameters_after == sum(p.numel() for p in small.parameters())
    assert metrics.error_name == ("RMSE" if kind == "csv" else "error")


def test_regression_errors_are_in_the_datas_own_units(tmp_path: Path, make_config: MakeConfig) -> None:
    """The target's standard deviation is about 75, so an RMSE of standardised targets would be about 1."""
    config = make_config(_data_settings("csv", tmp_path))
    metrics = run(config, tmp_path / "out", progress=False, figures=False).metrics
    data = config.load_data()
    spread = float(data.test_y.std()) * data.target_std
    assert spread > 40
    assert 0.02 * spread < metrics.test_error < 2 * spread


def test_metrics_hold_what_the_issue_names(tmp_path: Path, make_config: MakeConfig) -> None:
    run(make_config(), tmp_path / "out", progress=False, figures=False)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    named = "test_error test_error_reduced test_error_refit units_before units_after widths parameters_before parameters_after"
    assert set(f"{named} macs_before macs_after seconds peak_memory_mb versions seed".split()) <= set(metrics)
    assert isinstance(metrics["widths"], list)
    assert set(metrics["versions"]) == {"python", "torch", "pyro", "bayes_guided"}
    assert 0 < metrics["seconds"] <= metrics["seconds_total"]
    assert 20 < metrics["peak_memory_mb"] < 1e5
    assert metrics["test_error_unguided"] is None


def test_same_seed_same_numbers_and_the_callers_generator_is_untouched(tmp_path: Path, make_config: MakeConfig) -> None:
    config = make_config(seed=3, fit={"epochs": 1, "batch_size": 64})
    state = torch.get_rng_state()
    first = run(config, tmp_path / "a", progress=False, figures=False).metrics
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    second = run(config, tmp_path / "b", progress=False, figures=False).metrics
    assert (first.test_error, first.widths) == (second.test_error, second.widths)
    assert first.test_error_refit is None
    weights = [(tmp_path / name / "reduced" / "model.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]
    other = run(config.model_copy(update={"seed": 4}), tmp_path / "c", progress=False, figures=False).metrics
    assert other.test_error != first.test_error


def test_a_complete_folder_is_read_and_not_run_again(tmp_path: Path, make_config: MakeConfig) -> None:
    config = make_config()
    first = run(config, tmp_path / "out", progress=False, figures=False)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    again = run(config, tmp_path / "out", progress=False, figures=False)
    assert again.reused
    assert again.metrics == first.metrics
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def test_an_interrupted_run_goes_on_to_the_same_bits(
    tmp_path: Path, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(fit={"epochs": 2, "batch_size": 32, "refit_epochs": 1, "checkpoint_seconds": 0.05})
    whole = run(config, tmp_path / "whole", progress=False, figures=False).metrics

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("bayes_guided.run.execute.measure", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(config, tmp_path / "cut", progress=False, figures=False)
    assert not (tmp_path / "cut" / "metrics.json").exists()
    assert (tmp_path / "cut" / "checkpoint").exists()
    resumed = run(config, tmp_path / "cut", progress=False, figures=False)
    assert not resumed.reused
    assert (resumed.metrics.test_error, resumed.metrics.widths) == (whole.test_error, whole.widths)
    weights = [(tmp_path / name / "reduced" / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1]
    assert not (tmp_path / "cut" / "checkpoint").exists()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"device": "abacus"}, ConfigError, "'device' is 'abacus'"),
        ({"data": {"kind": "npz", "path": "none.npz"}}, DataFileError, r"none\.npz"),
        ({"net": {"name": "lenet5"}}, ExampleInputError, ""),
        ({"net": {"module": "none.py:net"}}, ConfigError, r"none\.py"),
        ({"net": {"name": "mlp", "protect": ["layers.9"]}}, ProtectedGroupError, r"layers\.9"),
        ({"net": {"name": "mlp", "settings": {"hidden": []}}}, BayesGuidedError, ""),
        ({"net": {"name": "mlp", "settings": {"outputs": 3}}}, LabelError, "labels run from 0 to 9"),
        ({"prior": {"strength": 1, "family": "GroupHorseshoe"}}, NoMAPError, "without bound"),
        ({"prior": {"strength": 1, "guidance": {"profile": "step", "free": 500}}}, BayesGuidedError, ""),
        ({"prior": {"strength": 1e4}}, CollapseError, "strength"),
        ({"data": {"kind": "digits", "validation": 0.0001}}, ConfigError, "fraction"),
    ],
)
def test_a_refused_run_leaves_no_folder_behind(
    changes: dict[str, Any], error: type[Exception], message: str, tmp_path: Path, make_config: MakeConfig
) -> None:
    with pytest.raises(error, match=message):
        run(make_config(**changes), tmp_path / "runs" / "out", progress=False)
    assert not (tmp_path / "runs").exists()


def _corrupt(kind: str, folder: Path) -> dict[str, Any]:
    settings = _data_settings(kind, folder)
    path = Path(settings.get("path") or next(Path(settings["folder"]).glob("train-images*")))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if kind != "csv" else content + b"1,2,three,4\n")
    return settings


@pytest.mark.parametrize("kind", ["idx", "csv", "npz"])
def test_corrupt_data_files_are_refused(kind: str, tmp_path: Path, make_config: MakeConfig) -> None:
    with pytest.raises(DataFileError):
        run(make_config(_corrupt(kind, tmp_path)), tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_counts_under_a_poisson_likelihood(tmp_path: Path, make_config: MakeConfig) -> None:
    config = make_config(_data_settings("npz", tmp_path), likelihood="Poisson", fit={"epochs": 1})
    assert run(config, tmp_path / "out", progress=False, figures=False).metrics.error_name == "RMSE"


def test_figures_also_for_a_prior_without_a_threshold_reading(tmp_path: Path, make_config: MakeConfig) -> None:
    config = make_config(prior={"strength": 0.3, "family": "SparseGroupLaplace"}, fit={"epochs": 1})
    run(config, tmp_path / "out", progress=False)
    assert _contents(tmp_path / "out" / "figures") == FIGURES


def test_folder_of_another_run_is_untouched(tmp_path: Path, make_config: MakeConfig) -> None:
    run(make_config(fit={"epochs": 1}), tmp_path / "out", progress=False, figures=False)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    with pytest.raises(RunFolderError, match=r"fit\.epochs is 1 there, 2 here"):
        run(make_config(fit={"epochs": 2}), tmp_path / "out", progress=False, figures=False)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def test_config_in_the_folder_is_complete(tmp_path: Path, make_config: MakeConfig) -> None:
    run(make_config(fit={"epochs": 1}), tmp_path / "out", progress=False, figures=False)
    written: RunConfig = load_config(RunFolder(tmp_path / "out").config)
    assert written.net.settings == {"hidden": [12, 6], "inputs": 64, "outputs": 10}
    assert written.likelihood == "Categorical"
