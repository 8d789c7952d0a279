"""The UCI experiment: its quick form, its order and table, and that the README shows what is stored."""

import json
import math
from pathlib import Path

import pytest
import torch
import yaml

from bayes_guided.datasets import load_uci
from experiments.uci_regression import run
from experiments.uci_regression.methods import measure
from experiments.uci_regression.tables import fill, table

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
CONFIG = yaml.safe_load((run.HERE / "config.yaml").read_text())
RESULTS = json.loads((run.HERE / "results.json").read_text())


@pytest.mark.skipif(not (SHARED / "uci").is_dir(), reason="the UCI files of ../shared/data are not here")
def test_quick_measures_all_methods_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in run.HERE.iterdir() if path.is_file()}
    assert run.main(["--quick", "--data-dir", str(SHARED)]) == 0
    printed = capsys.readouterr().out
    assert all(f"| yacht | {method} | 0 |" in printed for method in ("MAP, refitted", "SVI, mean field", "ensemble of 2"))
    assert before == {path: path.read_bytes() for path in run.HERE.iterdir() if path.is_file()}


def test_numbers_are_in_the_data_s_own_units_and_the_strength_is_the_best_on_validation(tmp_path: Path) -> None:
    """A target that is ten times another has ten times its RMSE, and a log density that is less by log 10 per case."""
    torch.manual_seed(0)
    x = torch.randn(60, 2)
    y = (x @ torch.tensor([1.0, -2.0])).round(decimals=4)
    rows = []
    for factor in (1, 10):
        folder = tmp_path / f"times{factor}"
        folder.mkdir()
        lines = (f"{a:.6f} {b:.6f} {factor * float(c):.4f}\n" for (a, b), c in zip(x.tolist(), y, strict=True))
        (folder / "data.txt").write_text("".join(lines))
        indices = {"features": [0, 1], "target": [2], "train_0": range(50), "test_0": range(50, 60)}
        for name, values in indices.items():
            (folder / f"index_{name}.txt").write_text("".join(f"{value}\n" for value in values))
        config = CONFIG | run.QUICK | {"hidden": 8, "strengths": [0.1, 1e4]}
        rows.append(measure(load_uci(folder, split=0), 0, 16, config))
    for one, ten in zip(*rows, strict=True):
        assert ten["rmse"] == pytest.approx(10 * one["rmse"], rel=1e-3)
        assert ten["log_density"] == pytest.approx(one["log_density"] - math.log(10), abs=1e-3)
        best = max(range(2), key=lambda place: one["validation_log_density"][place])
        assert one["strength"] == [0.1, 1e4][best]
        assert 1 <= one["width"] <= 8


def test_it_goes_on_where_it_stopped_first_splits_first() -> None:
    config = {"datasets": {"a": {"splits": [0, 1]}, "b": {"splits": [0, 1]}}}
    assert run.wanted(config, []) == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert run.wanted(config, [{"dataset": "b", "split": 0}]) == [("a", 0), ("a", 1), ("b", 1)]


def test_the_readme_shows_the_stored_results_and_they_are_of_this_configuration() -> None:
    readme = (run.HERE / "README.md").read_text()
    assert table(RESULTS) in readme
    assert fill(readme, RESULTS) == readme
    for row in RESULTS:
        assert row["split"] in CONFIG["datasets"][row["dataset"]]["splits"]
        best = max(range(len(CONFIG["strengths"])), key=lambda place: row["validation_log_density"][place])
        assert row["strength"] == CONFIG["strengths"][best]


def test_means_and_standard_errors_over_splits() -> None:
    row = {"dataset": "yacht", "method": "MAP", "log_density": -1.0, "width": 5, "parameters": 41, "seconds": 2.0}
    rows = [row | {"split": split, "rmse": rmse} for split, rmse in enumerate([1.0, 2.0, 3.0, 4.0])]
    # The sample's standard deviation is sqrt(5/3); over sqrt(4) that is 0.645.
    assert "| yacht | MAP | 0, 1, 2, 3 | 2.50 ± 0.65 | -1.00 ± 0.00 | 5.0 (5 to 5) | 41 | 2 |" in table(rows)
    assert "| yacht | MAP | 0 | 1.00 | -1.00 |" in table(rows[:1])
