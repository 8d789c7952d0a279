"""Groups under one another, and runs under one another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from bayes_guided.comparison import Comparison
from bayes_guided.comparison.table import STRONG
from bayes_guided.run import Metrics

from .numbers import NONE, count, error, number
from .reported_run import ReportedRun


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows; with `total` the last row sums up the others."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    total: bool = False


def group_table(comparison: Comparison) -> Table:
    """One line per group and one for all: sizes before and after the data, what the data want, divergence."""
    dataset = comparison.dataset
    lines = [{"group": group, **_sizes(dataset.sel(group=group), "width", "")} for group in comparison.groups]
    if len(lines) > 1:
        lines.append({"group": "all groups", **_sizes(dataset, "size", "_all")})
    caption = (
        f"Units per group before and after the data, reading “{comparison.reading}”. Wanted and unwanted: log Bayes factor "
        f"beyond ±{STRONG:g} nats. “>” marks a lower bound."
    )
    return _table(caption, lines, total=len(lines) > 1)


def run_table(runs: Sequence[ReportedRun], beside: Comparison) -> Table:
    """The runs under one another; prior and posterior come from the comparison in which they stand side by side."""
    # A point's expected units are those in its model.
    left_out = ["protected", "total correlation (nats)", *(["expected after"] if beside.reading == "map" else [])]
    lines = []
    for run in runs:
        metrics = run.metrics
        named = zip(("fit", "reduced", "refitted", "unguided"), errors(metrics), strict=True)
        sizes = _sizes(beside.fit(run.name).dataset, "size", "_all")
        lines.append(
            {
                "run": run.name,
                "method": metrics.method,
                "strength": number(run.config.prior.strength),
                **{name: cell for name, cell in sizes.items() if name not in left_out},
                "parameters": f"{metrics.parameters_after:,}",
                **{f"error, {name}": error(metrics.error_name, value) for name, value in named},
                "NLL (nats)": number(metrics.test_nll),
                "seconds": number(metrics.seconds, 3),
            }
        )
    return _table(f"The runs side by side, reading “{beside.reading}”; errors and NLL on the test data.", lines)


def errors(metrics: Metrics) -> tuple[float | None, ...]:
    """Test errors of the fit, and of the reduced, the refitted and the unguided network."""
    return metrics.test_error, metrics.test_error_reduced, metrics.test_error_refit, metrics.test_error_unguided


def wanted(part: xr.Dataset) -> tuple[str, str]:
    """Numbers of units that the data want and do not want."""
    factors = part["log_bayes_factor"].values
    if np.isnan(factors).all():
        return NONE, NONE
    return f"{int((factors > STRONG).sum()):,}", f"{int((factors < -STRONG).sum()):,}"


def divergence(exact: xr.DataArray, bound: xr.DataArray) -> str:
    """The divergence, or its lower bound where that is all there is."""
    return f"> {number(float(bound))}" if np.isnan(exact) and not np.isnan(bound) else number(float(exact))


def _sizes(part: xr.Dataset, what: str, suffix: str) -> dict[str, str]:
    """The cells of one group (`what` is "width") or of all groups ("size", whose variables end in `suffix`)."""
    units, protected = int(part["num_units"].sum()), int(part["protected"].sum())
    liked, disliked = wanted(part)
    return {
        "units": f"{units:,}",
        "protected": f"{protected:,}",
        "expected before": number(float(part[f"prior_effective_{what}"]), 3),
        "expected after": number(float(part[f"posterior_effective_{what}"]), 3),
        "in the model": count(float(part[f"model_{what}"])),
        "wanted": liked,
        "unwanted": disliked,
        "KL (nats)": divergence(part[f"divergence{suffix}"], part[f"divergence_lower_bound{suffix}"]),
        "total correlation (nats)": number(float(part[f"total_correlation{suffix}"])),
    }


def _table(caption: str, lines: Sequence[dict[str, str]], *, total: bool = False) -> Table:
    """Without the columns that have no number in any line."""
    columns = [name for name in lines[0] if any(line[name] != NONE for line in lines)]
    return Table(caption, columns, [[line[name] for name in columns] for line in lines], total)
