"""Numbers as a reader wants them."""

import math

import pytest

from bayes_guided.report.numbers import count, error, factor, log_ratio, number, percent


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"), (1.0, "1"), (0.25, "0.25"), (-3.14159, "−3.142"), (1234.56, "1,235"), (60.4386, "60.44"), (1e-52, "1e−52"),
        (123456789.0, "1.235e+08"), (math.nan, "–"), (math.inf, "∞"), (-math.inf, "−∞"), (0.001, "0.001"), (100.0, "100"),
    ],
)  # fmt: skip
def test_number(value: float, shown: str) -> None:
    assert number(value) == shown


def test_counts_and_fractions() -> None:
    assert (count(12345.0), count(math.nan)) == ("12,345", "–")
    assert (percent(0.12), percent(math.nan)) == ("12.0 %", "–")
    assert (error("error", 0.01949), error("RMSE", 12.5), error("error", None)) == ("1.95 %", "12.5", "–")


def test_factors() -> None:
    assert factor(12.0) == "<b>e<sup>12</sup> times more</b>"
    assert factor(-0.5) == "<b>e<sup>0.5</sup> times less</b>"
    assert factor(0.01) == "as"


def test_log_ratios_past_the_end_of_doubles_are_bounds() -> None:
    assert log_ratio(0.5, 0.25) == (pytest.approx(math.log(2)), False)
    bound, is_bound = log_ratio(0.5, 0.0)
    assert is_bound
    assert bound < math.log(0.5) - math.log(5e-324), "what is said is less than what is"
    assert log_ratio(0.0, 0.5)[0] == -bound
    assert math.isnan(log_ratio(0.0, 0.0)[0])
