"""What a report costs at 20 groups x 2,048 units: seconds and size.

    python -m experiments.benchmarks.report [--repeats N] [--out FILE] [--page FILE.html]

CPU and wall seconds of one thread, medians, of making the page from a comparison; the fit is the stand-in of the benchmark
`compare`, with draws of correlated units. The bars are 20 s on two cores and 3 MB.
"""

import argparse
import json
from pathlib import Path

import torch

import bayes_guided as bg
from bayes_guided.config import parse_config
from bayes_guided.report import ReportedRun, html_report
from bayes_guided.run import Metrics
from bayes_guided.run.metrics import peak_memory_mb, versions
from experiments.benchmarks.compare import StandIn, seconds, stand_in


def reported() -> ReportedRun:
    """A run with made-up numbers of training around a true comparison."""
    fit = stand_in(together=1.0)
    settings = {
        "net": {"name": "mlp", "settings": {"hidden": [4]}},
        "data": {"kind": "digits"},
        "prior": {"strength": 1.0},
        "models": {"kind": "independent", "strength": 2.0},
        "fit": {"method": "svi"},
    }
    config = parse_config(settings, source="benchmark", folder=Path.cwd())
    return ReportedRun("benchmark", Path("benchmark"), config, metrics_of(fit), fit, bg.compare(fit.prior, fit, draws=1000))


def metrics_of(fit: StandIn) -> Metrics:
    """Widths of the fit; nothing was trained."""
    sub, full = fit.sub_architecture(), fit.architecture.full()
    widths, before = sub.widths, full.widths
    return Metrics(
        method=fit.method, approximation=fit.approximation, error_name="error",
        test_error=0.0, test_nll=0.0, test_calibration_error=0.0, test_error_reduced=0.0,
        test_error_refit=None, test_error_unguided=None,
        validation_error=None, validation_error_refit=None, validation_error_unguided=None,
        group_names=list(widths), widths=list(widths.values()), widths_before=list(before.values()),
        units_before=full.num_units, units_after=sub.num_units,
        parameters_before=full.num_parameters, parameters_after=sub.num_parameters,
        macs_before=full.macs, macs_after=sub.macs,
        reading="inclusion", curvature=None, effective_units_prior=0.0, effective_units=0.0,
        epochs=0, refit_epochs=0, seconds=0.0, seconds_unguided=None, seconds_total=0.0,
        peak_memory_mb=peak_memory_mb(), seed=0, versions=versions(),
    )  # fmt: skip


def main() -> None:
    """Makes the page and prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--page", type=Path, help="keep the page")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    run = reported()
    pages: list[str] = []
    found = seconds(lambda: pages.append(html_report([run])), arguments.repeats)
    text = json.dumps({"html_report": {**found, "MB": len(pages[-1].encode()) / 1e6}}, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text)
    if arguments.page:
        arguments.page.write_text(pages[-1])


if __name__ == "__main__":
    main()
