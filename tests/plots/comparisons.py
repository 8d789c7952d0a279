"""Comparisons whose values are made up but consistent, of any size, without a fit."""

from collections.abc import Mapping

import numpy as np

from bayes_guided.comparison import Comparison
from bayes_guided.comparison.result import FORMAT
from tests.plots.datasets import dataset_of

LEVEL = 0.95


def made_up(sizes: Mapping[str, int], *, reading: str = "inclusion", interval: bool = True, seed: int = 0) -> Comparison:
    """Prior odds that fall along each group, posterior odds about them; unit 0 of each group is protected in larger ones."""
    rng = np.random.default_rng(seed)
    is_point = reading == "map"
    per_unit: dict[str, list[np.ndarray]] = {}
    for size in sizes.values():
        prior = np.linspace(3, -3, size) if size > 1 else np.array([0.5])
        factor = rng.normal(0, 4, size).round(3)
        posterior = prior + factor
        survival = 1 / (1 + np.exp(-posterior))
        protected = np.arange(size) < (size > 10)
        kept = survival > 0.5
        columns = {
            "guidance": 2 * (np.arange(size) + 1) / (size + 1),
            "protected": protected,
            "in_model": kept,
            "row_norm": np.where(kept, survival, 0.0),
            "prior_survival": np.where(protected, 1.0, 1 / (1 + np.exp(-prior))),
            "posterior_survival": kept.astype(float) if is_point else np.where(protected, 1.0, survival),
            "posterior_lower": 0.9 * survival if interval else np.full(size, np.nan),
            "posterior_upper": survival + 0.1 * (1 - survival) if interval else np.full(size, np.nan),
            "prior_log_odds": np.where(protected, np.inf, prior),
            "posterior_log_odds": np.full(size, np.nan) if is_point else np.where(protected, np.inf, posterior),
            "log_bayes_factor": np.full(size, np.nan) if is_point else np.where(protected, 0.0, factor),
        }
        for name, values in columns.items():
            per_unit.setdefault(name, []).append(values)
    attributes = {
        "format": FORMAT,
        "reading": reading,
        "prior_reading": "evidence" if is_point else reading,
        "level": LEVEL,
    }
    return Comparison(dataset_of(sizes, per_unit, attributes, method="map" if is_point else "svi"))


def unpadded(comparison: Comparison, variable: str) -> np.ndarray:
    """The values of all units of all groups, one by one: what a plot along all units must show."""
    dataset = comparison.dataset
    found = []
    for group in comparison.groups:
        row = dataset.sel(group=group)
        for unit in range(int(row["num_units"])):
            found.append(row[variable].sel(unit=unit).item())
    return np.array(found)
