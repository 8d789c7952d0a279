"""Tables and headlines hold the dataset's numbers."""

from pathlib import Path

import numpy as np

from bayes_guided.comparison import Comparison, side_by_side
from bayes_guided.report import ReportedRun, read_reported
from bayes_guided.report.differing import differing_settings, settings_table, strengths_apart
from bayes_guided.report.headline import cards, summary
from bayes_guided.report.tables import Table, group_table, run_table
from tests.report.conftest import STRENGTHS


def cell(table: Table, row: str, column: str) -> str:
    place = list(table.columns).index(column)
    return next(line[place] for line in table.rows if line[0] == row)


def test_groups(svi: ReportedRun) -> None:
    dataset = svi.comparison.dataset
    table = group_table(svi.comparison)
    for group in svi.comparison.groups:
        part = dataset.sel(group=group)
        factors = part["log_bayes_factor"].values
        assert cell(table, group, "expected before") == f"{float(part['prior_effective_width']):.3g}"
        assert cell(table, group, "wanted") == str(int((factors > 5).sum()))
        assert cell(table, group, "unwanted") == str(int((factors < -5).sum()))
        # Independent weights are independent units: the divergence is the sum over units, and nothing is shared.
        assert cell(table, group, "KL (nats)") == f"{float(part['unit_divergence'].sum()):.4g}"
        assert cell(table, group, "total correlation (nats)") == "0"
    assert cell(table, "all groups", "units") == str(int(dataset["num_units"].sum()))
    assert table.total


def test_a_divergence_that_is_only_bounded_says_so(svi: ReportedRun) -> None:
    """As of a fit whose units are known one by one."""
    unknown = {
        name: values.where(False)
        for name, values in svi.comparison.dataset.items()
        if str(name).startswith(("divergence", "total")) and "lower_bound" not in str(name)
    }
    table = group_table(Comparison(svi.comparison.dataset.assign(unknown)))
    for group in svi.comparison.groups:
        bound = float(svi.comparison.dataset["divergence_lower_bound"].sel(group=group))
        assert cell(table, group, "KL (nats)") == f"> {bound:.4g}"
    assert "total correlation (nats)" not in table.columns, "no row has a number"


def test_runs_stand_side_by_side(folders: dict[str, Path]) -> None:
    runs = read_reported([folders[name] for name in STRENGTHS])
    table = run_table(runs, side_by_side({run.name: run.comparison for run in runs}))
    for run in runs:
        assert cell(table, run.name, "strength") == f"{STRENGTHS[run.name]:g}"
        assert cell(table, run.name, "in the model") == str(run.metrics.units_after)
        assert cell(table, run.name, "error, refitted") == f"{100 * (run.metrics.test_error_refit or np.nan):.2f} %"


def test_settings_that_differ(folders: dict[str, Path], svi: ReportedRun) -> None:
    runs = read_reported([folders[name] for name in STRENGTHS])
    configs = [run.config for run in runs]
    assert differing_settings(configs) == ["prior.strength"]
    assert strengths_apart(configs) == list(STRENGTHS.values())
    assert settings_table(runs).rows == [["prior.strength", "0.1", "3.0", "0.5"]]
    assert "fit.method" in differing_settings([runs[0].config, svi.config])
    assert strengths_apart([runs[0].config, svi.config]) is None


def test_headline(middle: ReportedRun, svi: ReportedRun) -> None:
    shown = {card.label: card for card in cards(middle)}
    metrics = middle.metrics
    assert shown["units left"].value == str(metrics.units_after)
    assert shown["parameters"].beside.startswith(f"of {metrics.parameters_before}")
    assert shown["test error, refitted"].value == f"{100 * (metrics.test_error_refit or np.nan):.2f} %"
    assert f"{metrics.units_after} of 18 units are left" in summary(middle)
    wanted = int((svi.comparison.dataset["log_bayes_factor"] > 5).sum())
    assert {card.label: card.value for card in cards(svi)}["units the data want"] == str(wanted)
