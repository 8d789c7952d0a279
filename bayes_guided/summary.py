"""The table that a run ends with."""

from rich.table import Table

from bayes_guided.run import Metrics

_METHODS = {
    "map": "Guided MAP fit",
    "svi": "Variational fit",
    "inclusion_svi": "Variational fit of a spike and slab",
    "ensemble": "Ensemble of guided MAP fits",
    "mcmc": "Markov chains",
}


def summary_table(metrics: Metrics) -> Table:
    """Sizes before and after, test errors along the way (percent where they are fractions), and prior against posterior."""
    table = Table(title=_METHODS[metrics.method], title_justify="left")
    for column in ("", "before", "after", "left"):
        table.add_column(column, justify="left" if not column else "right")
    widths = zip(metrics.group_names, metrics.widths_before, metrics.widths, strict=True)
    sizes = (
        *((f"units of {name}", before, after) for name, before, after in widths),
        ("units in all", metrics.units_before, metrics.units_after),
        ("parameters", metrics.parameters_before, metrics.parameters_after),
        ("MACs per sample", metrics.macs_before, metrics.macs_after),
    )
    for name, before, after in sizes:
        table.add_row(name, f"{before:,}", f"{after:,}", f"{after / before:.1%}" if before else "-")
    table.add_section()
    for name, error in (
        ("unguided", metrics.test_error_unguided),
        ("MAP" if metrics.method == "map" else metrics.method, metrics.test_error),
        ("reduced", metrics.test_error_reduced),
        ("refitted", metrics.test_error_refit),
    ):
        place = ("-" if error is None else _error(metrics.error_name, error), "")
        table.add_row(f"test {metrics.error_name}, {name}", *(place if name == "unguided" else reversed(place)), "")
    table.add_row("test NLL, nats per case", "", f"{metrics.test_nll:.4f}", "")
    table.add_row("test calibration error", "", f"{metrics.test_calibration_error:.2%}", "")
    table.add_section()
    expected = f"{metrics.effective_units_prior:,.1f}", f"{metrics.effective_units:,.1f}"
    table.add_row(f"expected units, reading: {metrics.reading}", *expected, "")
    table.add_section()
    unguided = "-" if metrics.seconds_unguided is None else f"{metrics.seconds_unguided:.1f}"
    table.add_row("seconds of training", unguided, f"{metrics.seconds:.1f}", "")
    return table


def _error(name: str, value: float) -> str:
    return f"{value:.2%}" if name == "error" else f"{value:.4g}"
