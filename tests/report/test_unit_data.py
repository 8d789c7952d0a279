"""The page's numbers are the dataset's."""

import numpy as np
import pytest

from bayes_guided.report import ReportedRun
from bayes_guided.report.unit_data import COLUMNS, unit_data
from tests.report.pages import Page, column


@pytest.mark.parametrize("which", ["middle", "svi"])
def test_columns_equal_the_dataset(which: str, request: pytest.FixtureRequest) -> None:
    run: ReportedRun = request.getfixturevalue(which)
    found, dataset = unit_data(run), run.comparison.dataset
    names = [described["name"] for described in found["columns"]]
    assert ("log_bayes_factor" in names) == (which == "svi"), "a column without numbers is left out"
    for name in names:
        expected = [
            dataset[name].sel(group=group, unit=unit).item()
            for group, size in zip(found["groups"], found["sizes"], strict=True)
            for unit in range(size)
        ]
        np.testing.assert_array_equal(column(found, name), np.array(expected, column(found, name).dtype))
    for name in COLUMNS.keys() - set(names):
        assert bool(dataset[name].isnull().all())


def test_the_page_holds_them(page: str, svi: ReportedRun) -> None:
    assert Page(page).data["runs"] == [unit_data(svi)]


def test_four_bytes_a_number(svi: ReportedRun) -> None:
    found = unit_data(svi)
    for described in found["columns"]:
        units = sum(found["sizes"])
        assert len(described["data"]) <= 4 / 3 * (1 if described["flag"] else 4) * units + 4
