"""Runs of units; the numbers themselves are compared with the library's in test_prior_view."""

import pytest

from bayes_guided.run.prior_numbers import runs


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ([], []),
        ([4], [[4, 4]]),
        ([0, 1, 2], [[0, 2]]),
        ([0, 2, 3, 7], [[0, 0], [2, 3], [7, 7]]),
    ],
)
def test_runs(units: list[int], expected: list[list[int]]) -> None:
    assert runs(units) == expected
    assert [unit for first, last in runs(units) for unit in range(first, last + 1)] == units
