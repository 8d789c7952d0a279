"""From columns per group to a comparison's dataset, with laws of the widths that follow from the survivals."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayes_guided.comparison.layout import VARIABLES


def dataset_of(
    sizes: Mapping[str, int], per_unit: Mapping[str, list[np.ndarray]], attributes: dict[str, Any], *, method: str
) -> xr.Dataset:
    """Rows shorter than the longest end in NaN, or False."""
    longest, total = max(sizes.values()), sum(sizes.values())
    values: dict[str, Any] = {name: _rows(rows, longest) for name, rows in per_unit.items()}
    for side in ("prior", "posterior"):
        laws = [_law(survival) for survival in per_unit[f"{side}_survival"]]
        values[f"{side}_width_pmf"] = _rows(laws, longest + 1)
        values[f"{side}_size_pmf"] = _law(np.concatenate(per_unit[f"{side}_survival"]))
    values["model_width"] = np.array([float(kept.sum()) for kept in per_unit["in_model"]])
    values["model_size"] = values["model_width"].sum()
    coordinates = {
        "group": list(sizes),
        "unit": np.arange(longest),
        "width": np.arange(longest + 1),
        "size": np.arange(total + 1),
        "num_units": ("group", list(sizes.values())),
        "method": method,
    }
    return xr.Dataset({name: (VARIABLES[name].dims, value) for name, value in values.items()}, coordinates, attributes)


def _rows(rows: list[np.ndarray], length: int) -> np.ndarray:
    fill = False if rows[0].dtype == bool else np.nan
    return np.stack([np.concatenate([row, np.full(length - len(row), fill)]) for row in rows])


def _law(survival: np.ndarray) -> np.ndarray:
    """Of the number of present units, were they independent."""
    law = np.ones(1)
    for probability in survival:
        law = np.convolve(law, [1 - probability, probability])
    return law
