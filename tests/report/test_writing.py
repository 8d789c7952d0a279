"""The page as a document, and the file it is written to."""

import itertools
import re
from pathlib import Path

import pytest
import torch

from bayes_guided.exceptions import ComparisonError, OutputExistsError, RunFolderError
from bayes_guided.report import ReportedRun, html_report, run_report, write_report
from bayes_guided.run import load_run
from tests.report.pages import Page


@pytest.mark.parametrize("which", ["page", "path_page"])
def test_is_well_formed_and_loads_nothing(which: str, request: pytest.FixtureRequest) -> None:
    text = request.getfixturevalue(which)
    found = Page(text)
    assert len(found.ids) == len(set(found.ids))
    assert found.loads == []
    assert not re.search(r"@import|url\(\s*['\"]?(?!#|data:)", text)
    targets = re.findall(r'(?:href="#|url\(#)([^")]+)', text)
    assert set(targets) <= set(found.ids)


@pytest.mark.parametrize("which", ["page", "path_page"])
def test_is_accessible(which: str, request: pytest.FixtureRequest) -> None:
    found = Page(request.getfixturevalue(which))
    levels = [int(tag[1]) for tag, _ in found.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels)), "no level is left out"
    assert ("html", {"lang": "en"}) in found.elements
    for tag, attributes in found.elements:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert len(str(attributes["aria-label"])) > 20
        if tag == "th":
            assert attributes["scope"] in ("col", "row")


def test_says_what_was_asked_and_how_it_was_run(page: str, svi: ReportedRun) -> None:
    text = Page(page).text
    assert text.index("Mean-field evidence") < text.index("What was asked") < text.index("What was found")
    assert svi.config.prior.family in text
    assert all(version in text for version in svi.metrics.versions.values())
    assert str(svi.path) in text
    assert "How to read it" in text
    assert "strength: 0.3" in text, "the configuration"


def test_the_same_run_gives_the_same_page(svi: ReportedRun, page: str) -> None:
    assert html_report([svi]) == page


@pytest.mark.usefixtures("no_pictures")
def test_the_snippet_gives_the_reduced_network_back(folders: dict[str, Path]) -> None:
    text = write_report([folders["middle"]], folders["middle"].parent / "snippet.html").read_text()
    snippet = next(part for tag, part in Page(text).parts if tag == "pre" and "load_reduced" in part)
    given: dict[str, object] = {}
    exec(snippet, given)
    saved = load_run(folders["middle"])
    assert saved.fit.refit is not None
    inputs = torch.randn(5, 3)
    torch.testing.assert_close(given["small"].eval()(inputs), saved.fit.refit.net.eval()(inputs))


@pytest.mark.usefixtures("no_pictures")
def test_names_cannot_break_the_page(svi: ReportedRun) -> None:
    odd = ReportedRun("</script><b>&", svi.path, svi.config, svi.metrics, svi.fit, svi.comparison)
    found = Page(html_report([odd]))
    assert "</script><b>&" in found.text
    assert found.data["runs"][0]["name"] == "</script><b>&"


@pytest.mark.usefixtures("no_pictures")
def test_an_existing_file_is_kept(folders: dict[str, Path], tmp_path: Path) -> None:
    place = tmp_path / "page.html"
    place.write_text("mine")
    with pytest.raises(OutputExistsError, match="--force"):
        write_report([folders["middle"]], place)
    assert place.read_text() == "mine"
    assert write_report([folders["middle"]], place, force=True) == place
    assert place.read_text().startswith("<!DOCTYPE html>")
    assert list(tmp_path.iterdir()) == [place]


@pytest.mark.usefixtures("no_pictures")
def test_where_it_goes_by_itself(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert write_report([folders["weak"], folders["strong"]]) == Path("report.html")
    own = folders["weak"] / "report.html"
    assert run_report(folders["weak"]) == own
    written = own.stat().st_mtime_ns
    assert run_report(folders["weak"]) == own
    assert own.stat().st_mtime_ns == written, "a run that is done is not reported again"


@pytest.mark.usefixtures("no_pictures")
def test_refusals_leave_nothing(folders: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "new" / "page.html"
    with pytest.raises(ComparisonError, match="reading"):
        write_report([folders["middle"], folders["svi"]], target)
    with pytest.raises(RunFolderError, match="holds no run"):
        write_report([tmp_path], target)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RunFolderError, match="cannot write"):
        write_report([folders["middle"]], "/proc/page.html")
