"""Comparisons for ArviZ."""

import sys

import numpy as np
import pytest

import bayes_guided as bg
from bayes_guided.exceptions import ComparisonError, MissingExtraError

from .fakes import MarginalFit, independent_prior, product_table, small_architecture, table_fit

SURVIVAL = [0.9, 0.5, 0.5, 0.1, 0.5, 0.5]


@pytest.fixture(scope="module")
def comparison():
    prior = independent_prior(small_architecture(4, 2), [0.0] * 6)
    return bg.compare(prior, table_fit(prior, *product_table(SURVIVAL)), draws=200)


def test_arviz_summarises_the_drawn_widths(comparison):
    arviz = pytest.importorskip("arviz")
    data = comparison.to_arviz()
    for side in ("prior", "posterior"):
        drawn = data[side]
        assert drawn["width"].dims == ("chain", "draw", "group")
        np.testing.assert_array_equal(drawn["width"][0], comparison.dataset[f"{side}_width"])
        np.testing.assert_array_equal(drawn["size"][0], comparison.dataset[f"{side}_width"].sum("group"))
    summary = arviz.summary(data, kind="stats")
    assert summary.loc["size", "mean"] == pytest.approx(
        float(comparison.dataset["posterior_width"].sum("group").mean()), abs=5e-4
    )
    np.testing.assert_array_equal(data["constant_data"]["log_bayes_factor"], comparison.dataset["log_bayes_factor"])


def test_a_fit_without_joint_models_has_constant_data_only():
    pytest.importorskip("arviz")
    prior = independent_prior(small_architecture(4, 2), [0.0] * 6)
    data = bg.compare(prior, table_fit(prior, *product_table(SURVIVAL), kind=MarginalFit)).to_arviz()
    assert data.groups() == ["constant_data"]


def test_several_fits_and_a_missing_arviz_are_named(comparison, monkeypatch):
    with pytest.raises(ComparisonError, match="one posterior at a time"):
        bg.comparison.side_by_side({"a": comparison}).to_arviz()
    monkeypatch.setitem(sys.modules, "arviz", None)
    with pytest.raises(MissingExtraError, match=r"bayes-guided\[diagnostics\]"):
        comparison.to_arviz()
