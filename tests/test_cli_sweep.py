"""`bayes-guided sweep`: run, go on, status, best, report; refusals are one line."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

from tests.sweep.conftest import write_sweep, written
from tests.test_cli import invoke, refusal


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep's configuration; the working folder is another."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return write_sweep(tmp_path)


@pytest.fixture
def cluster() -> Iterator[str]:
    """The address of a Dask cluster whose workers are threads of this process, which start at once."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address="127.0.0.1:0"
    ) as found:
        yield found.scheduler_address


def test_run_status_best(config: Path, cluster: str) -> None:
    first = invoke("sweep", config, "--scheduler", cluster, "--set", "trials=2")
    assert first.exit_code == 0
    assert "2 of 2 trials done, 0 running, 0 failed" in first.stdout
    assert first.stdout.splitlines()[-1] == "written to sweeps/small"
    assert first.stderr == ""
    before = written(Path("sweeps/small"))

    more = invoke("sweep", "run", config, "--scheduler", cluster, "--set", "trials=4")
    assert "4 of 4 trials done" in more.stdout
    after = written(Path("sweeps/small"))
    assert len(after) == 4
    assert {name: after[name] for name in before} == before

    assert invoke("sweep", "status", "sweeps/small").stdout.count("complete") == 4
    best = invoke("sweep", "best", "sweeps/small").stdout
    assert "Front" in best
    assert "prior.strength" in best

    pages = invoke("sweep", "report", "sweeps/small").stdout.splitlines()
    assert pages == ["sweeps/small/report.html", "sweeps/small/front.html"]
    page = Path(pages[0]).read_text()
    assert page.count("<svg") == 3
    assert 'href="front.html"' in page
    assert "exists and is kept" in refusal("sweep", "report", "sweeps/small")
    assert invoke("sweep", "report", "sweeps/small", "--force").exit_code == 0


def test_refusals(config: Path, tmp_path: Path) -> None:
    assert "'none.yaml' cannot be read" in refusal("sweep", "none.yaml")
    assert "unknown key 'trails'" in refusal("sweep", config, "--set", "trails=3")
    assert "holds no sweep" in refusal("sweep", "status", "nowhere")
    assert "holds no sweep" in refusal("sweep", "best", tmp_path)
    assert "there is no Dask scheduler" in refusal("sweep", config, "--scheduler", "nonsense://x")
    url = "postgresql://me:hush@127.0.0.1:1/db"
    refused = refusal("sweep", config, "--set", f"storage={url}")
    assert "cannot be used" in refused
    assert "hush" not in refused
    assert "cannot write" in refusal("sweep", config, "--out", "/proc/here")


def test_help() -> None:
    shown = invoke("sweep", "--help").stdout
    assert all(command in shown for command in ("run", "status", "best", "report"))
