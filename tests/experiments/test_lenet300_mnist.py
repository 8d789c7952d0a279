"""The table in the README is that of the stored results, and the bars hold in them."""

import json

from experiments.lenet300_mnist import run

RESULTS = json.loads((run.HERE / "results.json").read_text())


def test_the_readme_shows_the_stored_results() -> None:
    assert run.table(RESULTS) in (run.HERE / "README.md").read_text()


def test_every_seed_has_at_most_60_and_30_units_and_the_mean_error_is_at_most_two_per_cent() -> None:
    assert all(row["widths"][0] <= 60 and row["widths"][1] <= 30 for row in RESULTS)
    assert sum(row["test_error_refit"] for row in RESULTS) / len(RESULTS) <= 0.02
