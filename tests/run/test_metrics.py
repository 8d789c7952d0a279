"""The numbers on disk."""

from dataclasses import replace
from pathlib import Path

import pytest

from bayes_guided.exceptions import RunFolderError
from bayes_guided.run.metrics import Metrics, peak_memory_mb, versions


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(
        method="map",
        approximation="MAP: one point",
        error_name="error",
        test_error=0.03,
        test_nll=0.1,
        test_calibration_error=0.01,
        test_error_reduced=0.03,
        test_error_refit=0.02,
        test_error_unguided=None,
        validation_error=None,
        validation_error_refit=None,
        validation_error_unguided=None,
        group_names=["a", "b"],
        widths=[3, 4],
        widths_before=[30, 40],
        units_before=70,
        units_after=7,
        parameters_before=1000,
        parameters_after=90,
        macs_before=900,
        macs_after=80,
        reading="map",
        curvature=12.5,
        effective_units_prior=20.0,
        effective_units=7.0,
        epochs=5,
        refit_epochs=2,
        seconds=1.5,
        seconds_unguided=None,
        seconds_total=2.5,
        peak_memory_mb=300.0,
        seed=0,
        versions=versions(),
    )


def test_round_trip(tmp_path: Path, metrics: Metrics) -> None:
    metrics = replace(metrics, test_error=0.1 + 0.2, test_error_refit=None)
    metrics.save(tmp_path / "metrics.json")
    assert Metrics.load(tmp_path / "metrics.json") == metrics


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"test_error": 1}', "\x00", "3"])
def test_damaged_files_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(RunFolderError, match="damaged or from another version"):
        Metrics.load(tmp_path / "metrics.json")


def test_a_missing_file_means_an_unfinished_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="unfinished"):
        Metrics.load(tmp_path / "metrics.json")


def test_peak_memory_is_in_mebibytes() -> None:
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("no /proc here to compare with")
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    assert peak_memory_mb() == pytest.approx(int(line.split()[1]) / 1024, rel=0.05)
