"""Comparisons for ArviZ, which is an extra."""

from typing import TYPE_CHECKING

import xarray as xr

from bayes_guided.exceptions import MissingExtraError

if TYPE_CHECKING:
    import arviz

_WIDTHS = {"prior": "prior_width", "posterior": "posterior_width"}


def as_inference_data(dataset: xr.Dataset) -> "arviz.InferenceData":
    """Drawn widths and sizes as `prior` and `posterior` of one chain under the same names, all else as `constant_data`.

    Raises:
        MissingExtraError: if ArviZ is not installed.
    """
    try:
        import arviz
    except ImportError as error:
        raise MissingExtraError(
            "to_arviz needs ArviZ, which is not installed: pip install 'bayes-guided[diagnostics]'."
        ) from error
    groups = {side: _draws(dataset, name) for side, name in _WIDTHS.items() if name in dataset}
    constant = dataset.drop_vars([name for name in (*_WIDTHS.values(), "draw") if name in dataset.variables])
    return arviz.InferenceData(attrs=None, warn_on_custom_groups=False, **groups, constant_data=constant)


def _draws(dataset: xr.Dataset, name: str) -> xr.Dataset:
    width = dataset[name].reset_coords(drop=True)
    size = width.sum("group").assign_attrs(width.attrs, long_name="units in all groups of drawn models")
    draws = xr.Dataset({"width": width, "size": size}, attrs={"reading": dataset.attrs["reading"]})
    return draws.expand_dims(chain=[0])
