"""The frame of the experiments: order, going on, workers, settings that changed, and what is written when."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.study import Row, Study, StudyError

CONFIG = {"settings": {"factor": 2}, "grid": {"x": [3, 1, 2]}, "quick": {"settings": {"factor": 10}, "grid": {"x": [5]}}}
README = "# Doubling\n\n<!-- doubles -->\n<!-- /doubles -->\n\nThe end.\n"


def cases(grid: dict[str, Any]) -> list[Row]:
    return [{"x": x} for x in grid["x"]]


def measure(case: Row, settings: dict[str, Any], data_dir: Path) -> Row:
    if case["x"] == 13:
        raise ValueError("unlucky")
    return {"y": settings["factor"] * case["x"], "process": os.getpid(), "folder": str(data_dir)}


def tables(rows: list[Row]) -> dict[str, str]:
    return {"doubles": "\n".join(f"{row['x']}: {row['y']}" for row in rows)}


def draw(rows: list[Row], folder: Path) -> None:
    (folder / "figure.txt").write_text(str(len(rows)))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    here = tmp_path / "doubling"
    here.mkdir()
    (here / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (here / "README.md").write_text(README)
    return Study(here, cases, measure, tables, draw)


def _run(study: Study, *arguments: str) -> None:
    assert study.main(["--data-dir", str(study.here), *arguments]) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_rows_are_stored_in_the_order_of_the_cases_and_shown(study: Study, workers: int) -> None:
    _run(study, "--workers", str(workers))
    rows = study.load()
    assert [(row["x"], row["y"]) for row in rows] == [(3, 6), (1, 2), (2, 4)]
    assert all(row["cpu_seconds"] >= 0 and row["folder"] == str(study.here) for row in rows)
    assert "<!-- doubles -->\n3: 6\n1: 2\n2: 4\n<!-- /doubles -->\n\nThe end." in (study.here / "README.md").read_text()
    assert (study.here / "figure.txt").read_text() == "3"
    assert (workers == 1) == any(row["process"] == os.getpid() for row in rows)


def test_it_goes_on_where_it_stopped(study: Study) -> None:
    _run(study, "--minutes", "0")
    assert study.load() == []
    stored = {"settings": CONFIG["settings"], "rows": [{"x": 1, "y": 100}]}
    study.results.write_text(json.dumps(stored))
    _run(study)
    assert [(row["x"], row["y"]) for row in study.load()] == [(3, 6), (1, 100), (2, 4)]


def test_quick_writes_nothing(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(study.here.iterdir())
    _run(study, "--quick")
    assert "5: 50" in capsys.readouterr().out
    assert sorted(study.here.iterdir()) == before
    assert (study.here / "README.md").read_text() == README


def test_draw_measures_nothing(study: Study) -> None:
    study.results.write_text(json.dumps({"settings": CONFIG["settings"], "rows": [{"x": 1, "y": 100}]}))
    assert study.main(["--draw"]) == 0
    assert "1: 100" in (study.here / "README.md").read_text()
    assert len(study.load()) == 1


def test_results_of_other_settings_are_not_mixed(study: Study) -> None:
    study.results.write_text(json.dumps({"settings": {"factor": 3}, "rows": [{"x": 1, "y": 3}]}))
    with pytest.raises(StudyError, match="other settings \\(factor\\)"):
        _run(study)
    assert json.loads(study.results.read_text())["rows"] == [{"x": 1, "y": 3}]


def test_results_of_a_case_that_has_left_the_grid_are_named(study: Study) -> None:
    study.results.write_text(json.dumps({"settings": CONFIG["settings"], "rows": [{"x": 1, "y": 2}, {"x": 77, "y": 154}]}))
    with pytest.raises(StudyError, match=r"not in the grid: \{'x': 77"):
        _run(study)


def test_a_case_that_fails_is_named_and_those_before_it_are_kept(study: Study) -> None:
    (study.here / "config.yaml").write_text(yaml.safe_dump(CONFIG | {"grid": {"x": [3, 13, 2]}}))
    with pytest.raises(ValueError, match="unlucky") as raised:
        _run(study)
    assert "'x': 13" in raised.value.__notes__[0]
    assert [row["x"] for row in study.load()] == [3]
