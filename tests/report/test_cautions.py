"""Every warning appears where it is due, and only there."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import xarray as xr

import bayes_guided as bg
from bayes_guided.comparison import Comparison
from bayes_guided.report import ReportedRun
from bayes_guided.report.cautions import cautions, notes, shared


def titles(run: ReportedRun) -> list[str]:
    return [caution.title for caution in cautions(run)]


def with_dataset(run: ReportedRun, **changes: Any) -> ReportedRun:
    return replace(run, comparison=Comparison(run.comparison.dataset.assign(changes)))


def test_a_calm_run_has_nothing_grave(middle: ReportedRun) -> None:
    assert not any(caution.grave for caution in cautions(middle))
    assert titles(middle)[-1].startswith("What stands between")
    assert "MAP: one point" in cautions(middle)[-1].text
    assert "One seed" in titles(middle)


def test_grave_ones_come_first(svi: ReportedRun) -> None:
    order = [caution.grave for caution in cautions(svi)]
    assert order == sorted(order, reverse=True)
    assert "Mean-field evidence" in titles(svi)
    unknown = svi.comparison.dataset["guidance"] * float("nan")
    assert "Mean-field evidence" not in titles(with_dataset(svi, log_bayes_factor=unknown))


@pytest.mark.parametrize(
    ("width", "norm", "title"), [(0, 0.0, "Collapsed group"), (1, 0.0, "Collapsed group"), (1, 2.0, "Bottleneck")]
)
def test_collapsed_groups(middle: ReportedRun, width: int, norm: float, title: str) -> None:
    dataset = middle.comparison.dataset
    first = dataset["group"] == middle.comparison.groups[0]
    run = with_dataset(
        middle,
        model_width=xr.where(first, width, dataset["num_units"]),
        row_norm=dataset["row_norm"].where(~first, norm).where(dataset["guidance"].notnull()),
    )
    assert [found for found in titles(run) if found.endswith(": layers.0")] == [f"{title}: layers.0"]
    assert not any(": layers.1" in found for found in titles(run))


@pytest.mark.parametrize(("prior", "posterior", "due"), [(0.999, 0.999, True), (0.5, 0.999, False), (0.999, 0.5, False)])
def test_threshold_survival_near_one(middle: ReportedRun, prior: float, posterior: float, due: bool) -> None:
    dataset = middle.comparison.dataset
    exists = dataset["guidance"].notnull()
    changed = dataset.assign(
        prior_survival=xr.where(exists, prior, float("nan")), posterior_survival=xr.where(exists, posterior, float("nan"))
    )
    for reading in ("threshold", "evidence"):
        run = replace(middle, comparison=Comparison(changed.assign_attrs(reading=reading)))
        assert any("Threshold survival" in title for title in titles(run)) == (due and reading == "threshold")


def test_protected_units(middle: ReportedRun) -> None:
    protected = middle.comparison.dataset["protected"].copy()
    protected[1, :2] = True
    found = next(caution for caution in cautions(with_dataset(middle, protected=protected)) if "Protected" in caution.title)
    assert found.title == "Protected units: 2"
    assert "2 in layers.1" in found.text
    assert not any("Protected" in title for title in titles(middle))


def test_unconverged_chains(middle: ReportedRun) -> None:
    """Chains of four draws after a warm-up far too short."""
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    data = (x, (x[:, 0] > 0).long())
    fit = bg.fit_mcmc(middle.fit.net, middle.fit.prior, data, chains=2, warmup=40, draws=4, max_tree_depth=1, seed=0)
    found = [caution for caution in cautions(replace(middle, fit=fit)) if caution.title == "Unconverged chains"]
    assert [caution.text for caution in found] == list(fit.diagnostics.warnings)
    assert found
    assert all(caution.grave for caution in found)


def test_notes_are_those_of_the_comparison(svi: ReportedRun) -> None:
    given = svi.comparison.notes[""]
    assert [note.lower().rstrip(".") for note in notes(svi)] == [note.lower().rstrip(".") for note in given]


def test_what_several_runs_share_is_said_once() -> None:
    found = shared({"a": ["x", "y"], "b": ["x"], "c": ["x", "y"]})
    assert found == [("x", ""), ("y", "a, c")]
