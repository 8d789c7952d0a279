"""Digits under every method, from settings to a folder that can be read, compared and reduced; collapses and kills."""

import multiprocessing
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

import bayes_guided as bg
from bayes_guided.architecture import load_reduced
from bayes_guided.cli import app
from bayes_guided.config import CompareSettings, MAPSettings, RunConfig, parse_config
from bayes_guided.exceptions import (
    CollapseError,
    ConfigError,
    DivergedError,
    ExactLimitError,
    ReadingError,
    UnitCostError,
)
from bayes_guided.files import load_tree
from bayes_guided.priors import Normal
from bayes_guided.run import Metrics, compare_runs, load_run, run
from tests.test_files import same

from .conftest import small_settings
from .killed import start

Case = dict[str, Any]

SVI: Case = {"method": "svi", "epochs": 1, "batch_size": 64, "elbo_draws": 2, "start_sd": 0.02}
MCMC: Case = {"method": "mcmc", "chains": 2, "warmup": 40, "draws": 4, "max_tree_depth": 2}
INDEPENDENT: Case = {"kind": "independent", "guidance": "linear", "strength": 1.0}
NESTED: Case = {"kind": "nested", "law": {"kind": "uniform"}}
TINY_NET: Case = {"name": "mlp", "settings": {"hidden": [4]}}
FEW: Case = {"kind": "npz", "path": "few.npz"}

CASES: dict[str, Case] = {
    "mean_field": {"fit": SVI, "data": {"kind": "digits", "validation": 0.2}},
    "low_rank": {"fit": {**SVI, "guide": "low_rank", "rank": 2}, "data": FEW},
    "auto_normal": {"fit": {**SVI, "guide": "AutoNormal", "kept_draws": 100}, "data": FEW},
    "learned_strength": {"fit": {**SVI, "strength": {"shape": 2.0, "rate": 2.0}}, "data": FEW, "baseline": True},
    "independent": {"fit": SVI, "models": INDEPENDENT},
    "nested": {"fit": {**SVI, "restarts": 2}, "models": NESTED, "data": FEW},
    "guided_l0": {"fit": {**SVI, "guide": "guided_l0"}, "models": INDEPENDENT, "data": FEW},
    "ensemble": {"fit": {"method": "ensemble", "members": 3, "vary": "both", "epochs": 1, "batch_size": 64}},
    "mcmc": {"fit": MCMC, "data": FEW, "net": TINY_NET},
    "mcmc_models": {"fit": MCMC, "data": FEW, "net": TINY_NET, "models": INDEPENDENT},
}
READING = dict.fromkeys(CASES, "evidence") | {
    "auto_normal": "shrinkage",
    "mcmc": "shrinkage",
    "ensemble": "map",
    **dict.fromkeys(("independent", "nested", "guided_l0", "mcmc_models"), "inclusion"),
}
DRAWN = ("mean_field", "mcmc")
"""Runs whose figures are drawn: most of a small run's time."""


def settings_of(case: Case) -> Case:
    return small_settings(**{"data": {"kind": "digits"}, "compare": {"draws": 50}, **case})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs' folder, with fifty of the digits in a file."""
    folder = tmp_path_factory.mktemp("methods")
    digits = bg.datasets.load_digits()
    np.savez(folder / "few.npz", x=digits.train_x[:50].numpy(), y=digits.train_y[:50].numpy())
    return folder


def config_of(name: str, place: Path) -> RunConfig:
    return parse_config(settings_of(CASES[name]), source="test", folder=place)


@pytest.fixture(scope="module")
def finished(place: Path) -> dict[str, Path]:
    """Every method's run."""
    folders = {}
    for name in CASES:
        folders[name] = run(config_of(name, place), place / name, progress=False, figures=name in DRAWN).folder
    return folders


@pytest.mark.parametrize("name", CASES)
def test_the_folder_holds_fit_numbers_comparison_and_reduced_network(name: str, finished: dict[str, Path]) -> None:
    found = {str(path.relative_to(finished[name])) for path in finished[name].rglob("*") if path.is_file()}
    figures = {path for path in found if path.startswith("figures/")}
    expected = {"config.yaml", "metrics.json", "comparison.nc", "fit/fit.safetensors", "reduced/plan.json"}
    assert found - figures == {*expected, "reduced/model.safetensors"}
    trained = {"figures/training.png"} if name != "mcmc" else set()
    drawn = {f"figures/{figure}.png" for figure in ("unit_survival", "width_law", "bayes_factors", "architecture")}
    assert (drawn | trained <= figures) if name in DRAWN else not figures
    assert ("figures/training.png" in figures) == (name in DRAWN and name != "mcmc")


@pytest.mark.parametrize("name", CASES)
def test_the_numbers_are_those_of_the_saved_fit(name: str, finished: dict[str, Path], place: Path) -> None:
    saved = load_run(finished[name])
    metrics, fit, config = saved.metrics, saved.fit, config_of(name, place)
    data = config.load_data()
    test = fit.evaluate((data.test_x, data.test_y))
    assert metrics == Metrics.load(finished[name] / "metrics.json")
    assert (metrics.method, metrics.approximation) == (fit.method, fit.approximation)
    assert (metrics.test_error, metrics.error_name) == (pytest.approx(test.error), "error")
    assert metrics.test_nll == pytest.approx(test.nll)
    assert (metrics.epochs, metrics.refit_epochs) == (len(fit.history), 0)
    assert dict(zip(metrics.group_names, metrics.widths, strict=True)) == fit.sub_architecture().widths
    assert metrics.test_error_refit is None
    assert (metrics.test_error_unguided is not None) == config.baseline
    assert (metrics.validation_error is not None) == (data.validation_x is not None)
    comparison = compare_runs([finished[name]])
    assert metrics.reading == comparison.reading == READING[name]
    assert metrics.effective_units == float(comparison.dataset["posterior_effective_size"])


@pytest.mark.parametrize("name", CASES)
def test_the_reduced_network_is_the_fits(name: str, finished: dict[str, Path]) -> None:
    saved = load_run(finished[name])
    small = load_reduced(finished[name] / "reduced", saved.config.net.build())
    x = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(small(x), saved.fit.reduce()(x))
    assert sum(parameter.numel() for parameter in small.parameters()) == saved.metrics.parameters_after


@pytest.mark.parametrize("name", CASES)
def test_runs_are_compared_in_the_readings_that_their_settings_promise(name: str, finished: dict[str, Path]) -> None:
    """And in no other; without the data, at the curvature that the run measured."""
    saved = load_run(finished[name])
    config = saved.config
    promised = config.fit.readings(config.prior.family, models=config.models is not None)
    assert promised == saved.fit.readings
    for reading in ("map", "threshold", "shrinkage", "evidence", "inclusion"):
        settings = CompareSettings(reading=reading, tau=0.3, draws=50)
        if reading in promised:
            assert compare_runs([finished[name]], settings).reading == reading
        else:
            with pytest.raises(ReadingError):
                compare_runs([finished[name]], settings)


def test_methods_stand_side_by_side(finished: dict[str, Path]) -> None:
    settings = CompareSettings(reading="threshold", tau=0.3, draws=50)
    comparison = compare_runs([finished["low_rank"], finished["auto_normal"]], settings)
    assert comparison.dataset["fit"].values.tolist() == ["low_rank", "auto_normal"]


def test_the_command_takes_a_method(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bayes_guided.run.execute.draw_figures", lambda *_: [])
    path = place / "asked.yaml"
    settings = settings_of({"data": FEW, "fit": {"epochs": 1}})
    del settings["name"]
    path.write_text(yaml.safe_dump(settings))
    runner = CliRunner()
    chosen = ["--set", "fit={method: svi, epochs: 1, guide: row_scale, norm: exact}"]
    done = runner.invoke(app, ["fit", str(path), *chosen])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == "written to runs/asked"
    assert Metrics.load(Path("runs/asked/metrics.json")).method == "svi"
    assert runner.invoke(app, ["compare", "runs/asked", "--tau", "0.3"]).exit_code == 0
    refused = runner.invoke(app, ["fit", str(path), "--set", "method=svi"])
    assert refused.exit_code == 2
    assert "'fit.method'" in refused.stderr


def test_the_baseline_has_the_budget_of_the_fit(place: Path, finished: dict[str, Path]) -> None:
    """Under the rest's ridge alone, from the same start."""
    config, saved = config_of("learned_strength", place), load_run(finished["learned_strength"])
    data = config.load_data()
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        net = saved.config.net.build()
    architecture = bg.Architecture.from_module(net, data.train_x[:2])
    prior = bg.GuidedPrior(architecture, weights=Normal(0.5), rest=Normal(0.5))
    settings = MAPSettings(epochs=1, batch_size=64, lr=1e-2)
    fit = settings.fit(
        net, prior, (data.train_x, data.train_y), likelihood=bg.likelihoods.Categorical(), seed=0, progress=False
    )
    assert saved.metrics.test_error_unguided == pytest.approx(fit.evaluate((data.test_x, data.test_y)).error)


def test_killed_while_it_fits_and_after_it_goes_on_to_the_same_bits(place: Path, finished: dict[str, Path]) -> None:
    """SIGKILL at a checkpoint in the middle, and between the saved fit and the rest of the folder."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([start.__module__])
    settings = settings_of(CASES["mean_field"])
    settings["fit"] = {**settings["fit"], "checkpoint_seconds": 1e-3}
    folder, exits = place / "killed", []
    for writes in (4, 3, None):
        process = context.Process(target=start, args=(settings, folder, writes))
        process.start()
        process.join(120)
        exits.append(process.exitcode)
        assert (folder / "metrics.json").exists() == (writes is None)
        assert (folder / "checkpoint").exists() == (writes is not None)
    assert exits == [-signal.SIGKILL, -signal.SIGKILL, 0]
    trees = [load_tree(path / "fit" / "fit.safetensors", kind="fit") for path in (folder, finished["mean_field"])]
    for tree in trees:
        del tree["seconds"]
    assert same(*trees)
    assert load_run(folder).metrics.test_error == load_run(finished["mean_field"]).metrics.test_error


def test_a_fit_that_lost_a_group_is_no_run(place: Path, tmp_path: Path) -> None:
    """All its training is done when it is found out, so its checkpoint stays; it ends the same when it is started again."""
    changes = {"models": {**INDEPENDENT, "strength": 1e4}, "fit": {**SVI, "epochs": 40, "lr": 0.3}, "data": FEW}
    config = parse_config(settings_of(changes), source="test", folder=place)
    for _ in range(2):
        with pytest.raises(CollapseError, match="allow_empty"):
            run(config, tmp_path / "out", progress=False)
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["checkpoint", "config.yaml"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"fit": {**CASES["ensemble"]["fit"], "epochs": 80}, "prior": {"strength": 1e4}}, CollapseError, "strength"),
        ({"fit": {**SVI, "guide": "full"}, "net": {"name": "mlp", "settings": {"hidden": [64]}}}, ExactLimitError, "full"),
        ({"fit": {**SVI, "guide": "full", "norm": "exact"}, "net": TINY_NET}, ConfigError, "norm"),
        ({"fit": {**SVI, "lr": 1e30, "epochs": 9}}, DivergedError, "learning rate"),
        ({"fit": MCMC, "prior": {"strength": 1, "family": "SparseGroupLaplace"}}, ConfigError, r"prior\.family"),
        ({"prior": {"strength": 1, "family": "TreeGroupLaplace"}}, ConfigError, r"prior\.family"),
        ({"fit": {**SVI, "guide": "guided_l0"}, "models": NESTED}, UnitCostError, "cost"),
    ],
)
def test_what_cannot_be_done_is_named_and_leaves_no_folder(
    changes: Case, error: type[Exception], message: str, place: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        run(parse_config(settings_of({"data": FEW, **changes}), source="test", folder=place), tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()
