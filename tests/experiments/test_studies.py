"""Every experiment made with `Study`: its README is that of its stored results, which are of its settings and its grid."""

from importlib import import_module
from pathlib import Path

import pytest

from experiments.study import Study

NAMES = sorted(
    path.parent.name for path in Path(__file__).parents[2].glob("experiments/*/run.py") if "STUDY" in path.read_text()
)


@pytest.fixture(params=NAMES)
def study(request: pytest.FixtureRequest) -> Study:
    found = import_module(f"experiments.{request.param}.run").STUDY
    assert found.here.name == request.param
    return found


def test_the_readme_shows_the_stored_results(study: Study) -> None:
    readme = (study.here / "README.md").read_text()
    assert study.filled(readme, study.load()) == readme


def test_stored_rows_are_cases_of_the_grid_each_once(study: Study) -> None:
    _, grid = study.config(quick=False)
    cases = study.cases(grid)
    stored = [{name: row[name] for name in cases[0]} for row in study.load()]
    assert stored == [case for case in cases if case in stored]


def test_the_readme_says_what_the_experiment_asks_and_what_it_does_not_show(study: Study) -> None:
    readme = (study.here / "README.md").read_text()
    assert all(
        f"**{part}" in readme for part in ("Question", "Protocol", "Command", "Result", "What it does not show", "Time")
    )
    assert f"python -m experiments.{study.here.name}.run" in readme
