"""What was found, in a sentence and in large numbers."""

from dataclasses import dataclass

import numpy as np

from bayes_guided.comparison import Comparison
from bayes_guided.comparison.table import STRONG
from bayes_guided.run import Metrics

from .numbers import NONE, error, number, percent
from .reported_run import ReportedRun
from .tables import divergence, errors, wanted


@dataclass(frozen=True)
class Card:
    """A number in large type: what it is, its value, and what to hold it against."""

    label: str
    value: str
    beside: str


def summary(run: ReportedRun) -> str:
    """The run in one sentence."""
    metrics = run.metrics
    part = percent(metrics.units_after / metrics.units_before)
    how = "reduced" if metrics.test_error_refit is None else "reduced and refitted"
    best = error(metrics.error_name, best_error(metrics))
    baseline = metrics.test_error_unguided
    against = "" if baseline is None else f", against {error(metrics.error_name, baseline)} unguided"
    return (
        f"{metrics.units_after:,} of {metrics.units_before:,} units are left ({part}); the {how} network has test "
        f"{metrics.error_name} {best}{against}."
    )


def best_error(metrics: Metrics) -> float:
    """The test error of the network that the run hands over."""
    return metrics.test_error_reduced if metrics.test_error_refit is None else metrics.test_error_refit


def cards(run: ReportedRun) -> list[Card]:
    """The headline numbers, those that there are."""
    metrics, dataset = run.metrics, run.comparison.dataset
    found = [
        _left("units left", metrics.units_after, metrics.units_before),
        _left("parameters", metrics.parameters_after, metrics.parameters_before),
        _left("MACs per sample", metrics.macs_after, metrics.macs_before),
        _test_error(metrics),
        _expected(run.comparison),
    ]
    units, unwanted = wanted(dataset)
    if units != NONE:
        found.append(Card("units the data want", units, f"{unwanted} they do not (beyond {STRONG:g} nats)"))
    nats = divergence(dataset["divergence_all"], dataset["divergence_lower_bound_all"])
    if nats != NONE:
        found.append(Card("KL posterior from prior", nats, "nats, over models"))
    if not np.isnan(dataset["log_evidence"]):
        fit, occam = (number(float(dataset[name])) for name in ("log_fit", "log_occam_factor"))
        found.append(Card("log evidence", number(float(dataset["log_evidence"])), f"nats: fit {fit}, Occam factor {occam}"))
    return found


def _left(label: str, after: int, before: int) -> Card:
    return Card(label, f"{after:,}", f"of {before:,} ({percent(after / before) if before else NONE})")


def _test_error(metrics: Metrics) -> Card:
    named = dict(zip(("fit", "reduced", "refitted", "unguided"), errors(metrics), strict=True))
    shown = "refitted" if named["refitted"] is not None else "reduced"
    value = error(metrics.error_name, named.pop(shown))
    others = [f"{error(metrics.error_name, other)} {name}" for name, other in named.items() if other is not None]
    return Card(f"test {metrics.error_name}, {shown}", value, ", ".join(others))


def _expected(comparison: Comparison) -> Card:
    before, after = (number(float(comparison.dataset[f"{side}_effective_size"]), 3) for side in ("prior", "posterior"))
    if comparison.reading == "map":
        return Card("units expected before the data", before, f"reading “{comparison.dataset.attrs['prior_reading']}”")
    return Card("units expected after the data", after, f"{before} before; reading “{comparison.reading}”")
