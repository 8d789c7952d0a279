"""Small runs, made once for all tests of the report, and the pages on them."""

from pathlib import Path

import pytest

from bayes_guided.config import parse_config
from bayes_guided.report import ReportedRun, html_report, read_reported
from bayes_guided.run import run
from tests.run.conftest import small_settings, write_npz

STRENGTHS = {"weak": 0.1, "strong": 3.0, "middle": 0.5}
"""Not in the order of strength, as a user may name them."""


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Finished runs: three MAPs that differ in strength, and a mean-field SVI."""
    base = tmp_path_factory.mktemp("runs")
    write_npz(base / "a.npz")
    asked = {name: {"prior": {"strength": strength}} for name, strength in STRENGTHS.items()}
    asked["svi"] = {"fit": {"method": "svi", "epochs": 2, "batch_size": 32}}
    for name, changes in asked.items():
        settings = small_settings({"kind": "npz", "path": "a.npz"}, **{"name": name, **changes})
        run(parse_config(settings, source="test", folder=base), base / name, figures=False)
    return {name: base / name for name in asked}


@pytest.fixture(scope="session")
def middle(folders: dict[str, Path]) -> ReportedRun:
    """One of the MAPs."""
    return read_reported([folders["middle"]])[0]


@pytest.fixture(scope="session")
def svi(folders: dict[str, Path]) -> ReportedRun:
    """The mean-field fit, which has Bayes factors."""
    return read_reported([folders["svi"]])[0]


@pytest.fixture(scope="session")
def page(svi: ReportedRun) -> str:
    """The whole page on one run."""
    return html_report([svi])


@pytest.fixture(scope="session")
def path_page(folders: dict[str, Path]) -> str:
    """The page on the three MAPs, without figures."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("bayes_guided.report.writing.pictures", lambda *_: iter(()))
        return html_report(read_reported([folders[name] for name in STRENGTHS]))


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages have no figures, which take most of the time."""
    monkeypatch.setattr("bayes_guided.report.writing.pictures", lambda *_: iter(()))
