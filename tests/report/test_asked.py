"""The prior in words, held against sums over all models."""

import itertools
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from bayes_guided.comparison import compare
from bayes_guided.report import ReportedRun
from bayes_guided.report.asked import asked
from tests.comparison.fakes import independent_prior, product_table, small_architecture, table_fit

ODDS = [2.0, -1.0, -2.5, 0.5, -3.0]
"""Prior log odds of the units of two groups, of 3 and 2."""


def reported(middle: ReportedRun, odds: list[float]) -> ReportedRun:
    """A run whose fit has only the first unit of either group, for certain."""
    prior = independent_prior(small_architecture(3, 2), odds)
    table, probabilities = product_table([1.0, 0.0, 0.0, 1.0, 0.0])
    fit = table_fit(prior, table[probabilities > 0], probabilities[probabilities > 0])
    return replace(middle, fit=fit, comparison=compare(prior, fit))


def factor_said(run: ReportedRun) -> tuple[float, str]:
    """The exponent and the whole sentence on sizes."""
    sentence = next(line for line in asked(run) if line.startswith("A network of"))
    text = re.sub("<[^>]+>", "", str(sentence).replace("<sup>", "^"))
    found = re.search(r"e\^([\d.,]+) times (more|less)", text)
    assert found is not None
    return float(found[1].replace(",", "")) * (1 if found[2] == "more" else -1), text


@pytest.mark.parametrize("sign", [1, -1])
def test_the_factor_between_sizes_is_that_of_all_models(middle: ReportedRun, sign: int) -> None:
    odds = [sign * value for value in ODDS]
    law = np.zeros(6)
    for mask in itertools.product((0, 1), repeat=5):
        law[sum(mask)] += math.exp(sum(bit * value for bit, value in zip(mask, odds, strict=True)))
    exponent, text = factor_said(reported(middle, odds))
    assert "2 units" in text
    assert "one of 5" in text
    assert exponent == pytest.approx(math.log(law[2] / law[5]), abs=0.01)


def test_the_factor_goes_on_where_doubles_end(middle: ReportedRun) -> None:
    odds = [500.0, -400.0, -400.0, 500.0, -400.0]
    exponent, text = factor_said(reported(middle, odds))
    assert exponent == pytest.approx(1200, abs=5)
    assert "at least" not in text


def test_expected_sizes_and_ends_of_groups(middle: ReportedRun) -> None:
    text = " ".join(map(str, asked(reported(middle, ODDS))))
    survival = [1 / (1 + math.exp(-value)) for value in ODDS]
    assert f"<b>{sum(survival):.3g}</b> of 5 units" in text
    assert f"{survival[0]:.3g}" in text
    assert f"{survival[4]:.3g}" in text
    log_prior = sum(-math.log1p(math.exp(-v if i in (0, 3) else v)) for i, v in enumerate(ODDS))
    assert f"e<sup>−{-log_prior:.4g}</sup>" in text


def test_names_the_family_strength_and_guidance(middle: ReportedRun) -> None:
    first = str(asked(middle)[0])
    assert "GroupLaplace" in first
    assert "0.5" in first
    assert "linear guidance" in first
    assert "“evidence”" in first


def test_the_expected_size_stands_in_for_one_that_the_prior_all_but_excludes(middle: ReportedRun) -> None:
    odds = [-900.0, 1.0, 1.0, -900.0, 1.0]
    exponent, text = factor_said(reported(middle, odds))
    assert "A network of 2 units" in text, "round(3 x 0.73); the fit's own two have probability e^-1800"
    assert exponent == pytest.approx(math.log(3) - 1 + 1800, abs=5)
