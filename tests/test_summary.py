"""The table that a run ends with."""

import io

from rich.console import Console

from bayes_guided.run import Metrics
from bayes_guided.summary import summary_table


def _printed(**changes: object) -> list[str]:
    values: dict[str, object] = {
        "method": "map",
        "approximation": "MAP: one point",
        "error_name": "error",
        "test_nll": 0.1234,
        "test_calibration_error": 0.0123,
        "reading": "map",
        "curvature": 10.0,
        "effective_units_prior": 60.25,
        "effective_units": 51.0,
        "test_error": 0.031,
        "test_error_reduced": 0.032,
        "test_error_refit": 0.0225,
        "test_error_unguided": 0.0195,
        "validation_error": None,
        "validation_error_refit": None,
        "validation_error_unguided": None,
        "group_names": ["conv[0]", "fc"],
        "widths": [35, 16],
        "widths_before": [256, 128],
        "units_before": 384,
        "units_after": 51,
        "parameters_before": 50_826,
        "parameters_after": 3_021,
        "macs_before": 50_432,
        "macs_after": 2_960,
        "epochs": 60,
        "refit_epochs": 20,
        "seconds": 6.3,
        "seconds_unguided": 4.4,
        "seconds_total": 12.0,
        "peak_memory_mb": 400.0,
        "seed": 0,
        "versions": {},
    }
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(summary_table(Metrics(**{**values, **changes})))  # pyright: ignore[reportArgumentType]
    return [" ".join(line.replace("│", " ").split()) for line in console.export_text().splitlines()]


def test_every_size_and_error_on_its_line() -> None:
    lines = _printed()
    for line in (
        "units of conv[0] 256 35 13.7%",
        "units of fc 128 16 12.5%",
        "units in all 384 51 13.3%",
        "parameters 50,826 3,021 5.9%",
        "MACs per sample 50,432 2,960 5.9%",
        "test error, unguided 1.95%",
        "test error, MAP 3.10%",
        "test error, reduced 3.20%",
        "test error, refitted 2.25%",
        "test NLL, nats per case 0.1234",
        "test calibration error 1.23%",
        "expected units, reading: map 60.2 51.0",
        "seconds of training 4.4 6.3",
    ):
        assert line in lines, line


def test_what_was_not_measured_is_a_dash_and_rmse_is_no_percentage() -> None:
    lines = _printed(
        error_name="RMSE", test_error=3.14159, test_error_refit=None, test_error_unguided=None, seconds_unguided=None
    )
    for line in ("test RMSE, unguided -", "test RMSE, MAP 3.142", "test RMSE, refitted -", "seconds of training - 6.3"):
        assert line in lines, line
