"""Several comparisons along a dimension "fit"."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from bayes_guided.exceptions import ComparisonError

from .layout import VARIABLES
from .result import Comparison

_PER_FIT = ("num_units", "method", "approximation", "tau", "curvature", "notes")
_SHARED = ("reading", "prior_reading", "level")


def side_by_side(comparisons: Mapping[str, Comparison]) -> Comparison:
    """Comparisons of single fits under their names, in the order given, along a first dimension "fit".

    All must be in the same reading; `tau` and `curvature` may differ and stand beside each fit. Fits of different
    architectures share the groups of equal name: what a fit lacks is NaN (False for flags, 0 for `num_units`). Drawn widths
    are kept where every fit has as many.

    Raises:
        ComparisonError: if there is none, one holds several fits already, or their readings or levels differ.
    """
    _check(comparisons)
    datasets = [comparison.dataset for comparison in comparisons.values()]
    if len({dataset.sizes.get("draw") for dataset in datasets}) > 1:
        datasets = [dataset.drop_dims("draw", errors="ignore") for dataset in datasets]
    axes = {
        "group": list(dict.fromkeys(name for dataset in datasets for name in dataset["group"].values)),
        **{axis: np.arange(max(dataset.sizes[axis] for dataset in datasets)) for axis in ("unit", "width", "size")},
    }
    fill = {name: False if variable.flag else np.nan for name, variable in VARIABLES.items()} | {"num_units": 0}
    common = [dataset.reindex(axes, fill_value=fill) for dataset in datasets]
    names = xr.DataArray(list(comparisons), dims="fit", name="fit")
    joined = xr.concat(
        common, names, data_vars="all", coords=list(_PER_FIT), compat="override", join="exact", combine_attrs="override"
    )
    return Comparison(joined)


def _check(comparisons: Mapping[str, Comparison]) -> None:
    if not comparisons:
        raise ComparisonError("there is nothing to compare; give one pair {name: (prior, fit)} or more.")
    first = next(iter(comparisons.values())).dataset
    for name, comparison in comparisons.items():
        if comparison.fits:
            raise ComparisonError(f'"{name}" holds several fits already: {", ".join(comparison.fits)}; give single ones.')
        for key in _SHARED:
            if comparison.dataset.attrs[key] != first.attrs[key]:
                raise ComparisonError(
                    f'"{name}" has {key} {comparison.dataset.attrs[key]}, others {first.attrs[key]}: readings of survival '
                    "differ by orders of magnitude, so all must be the same."
                )
