"""What was found: headline numbers, the table of groups, and runs side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from bayes_guided.comparison import Comparison
from bayes_guided.comparison.table import STRONG
from bayes_guided.run import Metrics

from .numbers import NONE, count, error, number, percent
from .reported_run import ReportedRun


@dataclass(frozen=True)
class Card:
    """A number in large type: what it is, its value, and what to hold it against."""

    label: str
    value: str
    beside: str


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows; with `total` the last row sums up the others."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    total: bool = False


def summary(run: ReportedRun) -> str:
    """The run in one sentence."""
    metrics = run.metrics
    kept = f"{metrics.units_after:,} of {metrics.units_before:,} units are left ({_part(metrics, 'units')})"
    best = metrics.test_error_reduced if metrics.test_error_refit is None else metrics.test_error_refit
    how = "reduced" if metrics.test_error_refit is None else "reduced and refitted"
    baseline = metrics.test_error_unguided
    against = "" if baseline is None else f", against {error(metrics.error_name, baseline)} unguided"
    return f"{kept}; the {how} network has test {metrics.error_name} {error(metrics.error_name, best)}{against}."


def cards(run: ReportedRun) -> list[Card]:
    """The headline numbers, those that there are."""
    metrics, dataset = run.metrics, run.comparison.dataset
    found = [
        Card("units left", f"{metrics.units_after:,}", f"of {metrics.units_before:,} ({_part(metrics, 'units')})"),
        Card(
            "parameters", f"{metrics.parameters_after:,}", f"of {metrics.parameters_before:,} ({_part(metrics, 'parameters')})"
        ),
        Card("MACs per sample", f"{metrics.macs_after:,}", f"of {metrics.macs_before:,} ({_part(metrics, 'macs')})"),
        _test_error(metrics),
        _expected(run.comparison),
    ]
    wanted, unwanted = _wanted(dataset)
    if wanted != NONE:
        found.append(Card("units the data want", wanted, f"{unwanted} they do not (beyond {STRONG:g} nats)"))
    divergence = _divergence(dataset["divergence_all"], dataset["divergence_lower_bound_all"])
    if divergence != NONE:
        found.append(Card("KL posterior from prior", divergence, "nats, over models"))
    if not np.isnan(dataset["log_evidence"]):
        parts = (number(float(dataset[name])) for name in ("log_fit", "log_occam_factor"))
        found.append(Card("log evidence", number(float(dataset["log_evidence"])), "nats: fit {} + Occam {}".format(*parts)))
    return found


def group_table(comparison: Comparison) -> Table:
    """One line per group and one for all: sizes before and after the data, what the data want, divergence."""
    dataset = comparison.dataset
    rows = [_group(dataset.sel(group=group), group) for group in comparison.groups]
    if len(rows) > 1:
        rows.append(_all_groups(dataset))
    columns = [
        "group", "units", "protected", "expected before", "expected after", "in the model", "wanted", "unwanted",
        "KL (nats)", "total correlation (nats)",
    ]  # fmt: skip
    caption = (
        f"Units per group before and after the data, reading “{comparison.reading}”. Wanted and unwanted: log Bayes factor "
        f"beyond ±{STRONG:g} nats. “>” marks a lower bound."
    )
    return _without_empty(Table(caption, columns, rows, total=len(rows) > 1))


def run_table(runs: Sequence[ReportedRun], beside: Comparison) -> Table:
    """The runs under one another; prior and posterior come from the comparison in which they stand side by side."""
    rows = []
    for run in runs:
        part, metrics = beside.fit(run.name).dataset, run.metrics
        rows.append([
            run.name,
            metrics.method,
            number(run.config.prior.strength),
            number(float(part["prior_effective_size"]), 3),
            number(float(part["posterior_effective_size"]), 3),
            f"{count(float(part['model_size']))} of {int(part['num_units'].sum()):,}",
            f"{metrics.parameters_after:,}",
            *(error(metrics.error_name, value) for value in _errors(metrics)),
            number(metrics.test_nll),
            *_wanted(part),
            _divergence(part["divergence_all"], part["divergence_lower_bound_all"]),
            number(metrics.seconds, 3),
        ])  # fmt: skip
    columns = [
        "run", "method", "strength", "expected before", "expected after", "in the model", "parameters",
        "test error, fit", "reduced", "refitted", "unguided", "test NLL (nats)", "wanted", "unwanted", "KL (nats)", "seconds",
    ]  # fmt: skip
    return _without_empty(Table(f"The runs side by side, reading “{beside.reading}”.", columns, rows))


def _without_empty(table: Table) -> Table:
    """Without columns that have no number in any row."""
    shown = [place for place in range(len(table.columns)) if any(row[place] != NONE for row in table.rows)]
    rows = [[row[place] for place in shown] for row in table.rows]
    return replace(table, columns=[table.columns[place] for place in shown], rows=rows)


def _errors(metrics: Metrics) -> tuple[float | None, ...]:
    return metrics.test_error, metrics.test_error_reduced, metrics.test_error_refit, metrics.test_error_unguided


def _expected(comparison: Comparison) -> Card:
    before, after = (number(float(comparison.dataset[f"{side}_effective_size"]), 3) for side in ("prior", "posterior"))
    if comparison.reading == "map":
        return Card("units expected before the data", before, f"reading “{comparison.dataset.attrs['prior_reading']}”")
    return Card("units expected after the data", after, f"{before} before; reading “{comparison.reading}”")


def _test_error(metrics: Metrics) -> Card:
    named = dict(zip(("fit", "reduced", "refitted", "unguided"), _errors(metrics), strict=True))
    shown = "refitted" if named["refitted"] is not None else "reduced"
    others = [
        f"{error(metrics.error_name, value)} {name}" for name, value in named.items() if name != shown and value is not None
    ]
    return Card(f"test {metrics.error_name}, {shown}", error(metrics.error_name, named[shown]), ", ".join(others))


def _part(metrics: Metrics, what: str) -> str:
    before = getattr(metrics, f"{what}_before")
    return percent(getattr(metrics, f"{what}_after") / before) if before else NONE


def _group(part: xr.Dataset, group: str) -> list[str]:
    protected = int(part["protected"].sum())
    effective = [number(float(part[f"{side}_effective_width"]), 3) for side in ("prior", "posterior")]
    divergence = _divergence(part["divergence"], part["divergence_lower_bound"])
    model, total = count(float(part["model_width"])), number(float(part["total_correlation"]))
    return [group, f"{int(part['num_units']):,}", f"{protected:,}", *effective, model, *_wanted(part), divergence, total]


def _all_groups(part: xr.Dataset) -> list[str]:
    protected, units = int(part["protected"].sum()), int(part["num_units"].sum())
    effective = [number(float(part[f"{side}_effective_size"]), 3) for side in ("prior", "posterior")]
    divergence = _divergence(part["divergence_all"], part["divergence_lower_bound_all"])
    model, total = count(float(part["model_size"])), number(float(part["total_correlation_all"]))
    return ["all groups", f"{units:,}", f"{protected:,}", *effective, model, *_wanted(part), divergence, total]


def _wanted(part: xr.Dataset) -> tuple[str, str]:
    factors = part["log_bayes_factor"].values
    if np.isnan(factors).all():
        return NONE, NONE
    return f"{int((factors > STRONG).sum()):,}", f"{int((factors < -STRONG).sum()):,}"


def _divergence(exact: xr.DataArray, bound: xr.DataArray) -> str:
    return f"> {number(float(bound))}" if np.isnan(exact) and not np.isnan(bound) else number(float(exact))
