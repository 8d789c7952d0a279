"""The dataset of a comparison: its variables, what they mean, and how groups of different sizes share their axes.

A group's values stand in one row of (group, unit), in the original index of the network, and rows shorter than the longest are
filled with NaN (False for flags). `dataset["posterior_survival"].sel(group="fc1")` is then a curve over unit indices, sums and
means over "unit" skip what does not exist, and per-group numbers multiply per-unit ones without further ado; `num_units` says
where each row ends. Laws of widths stand the same way in (group, width), the law of the whole model's size in (size,).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from bayes_guided.architecture import Architecture

PER_UNIT = ("group", "unit")
PER_GROUP = ("group",)
PER_WIDTH = ("group", "width")
PER_SIZE = ("size",)
PER_DRAW = ("draw", "group")


@dataclass(frozen=True)
class Variable:
    """Dimensions, unit of measurement and meaning of a variable of the dataset."""

    dims: tuple[str, ...]
    units: str
    meaning: str
    flag: bool = False


VARIABLES: dict[str, Variable] = {
    "guidance": Variable(PER_UNIT, "1", "guidance coefficient g_u; of a spike and slab, that of the slab"),
    "protected": Variable(PER_UNIT, "1", "unit is in every model, outside p(m), evidence and divergences", flag=True),
    "in_model": Variable(PER_UNIT, "1", "unit is in the model that the fit chooses", flag=True),
    "row_norm": Variable(PER_UNIT, "1", "Euclidean norm of the unit's row at the fit's representative weights"),
    "margin": Variable(PER_UNIT, "1", "factor on the unit's rates at which the MAP just removes it; above 1 it is kept"),
    "prior_survival": Variable(PER_UNIT, "fraction", "P(unit present) before the data"),
    "posterior_survival": Variable(PER_UNIT, "fraction", "P(unit present) after the data; for map, its exact zeros"),
    "posterior_lower": Variable(PER_UNIT, "fraction", "lower end of the interval for posterior_survival"),
    "posterior_upper": Variable(PER_UNIT, "fraction", "upper end of the interval for posterior_survival"),
    "prior_log_odds": Variable(PER_UNIT, "nats", "log odds of presence before the data"),
    "posterior_log_odds": Variable(PER_UNIT, "nats", "log odds of presence after the data"),
    "log_bayes_factor": Variable(PER_UNIT, "nats", "posterior minus prior log odds: positive where the data want the unit"),
    "unit_divergence": Variable(PER_UNIT, "nats", "KL of the unit's posterior from its prior presence"),
    "prior_width_pmf": Variable(PER_WIDTH, "probability", "law of the number of units present, before the data"),
    "posterior_width_pmf": Variable(PER_WIDTH, "probability", "law of the number of units present, after the data"),
    "prior_width": Variable(PER_DRAW, "count", "widths of models drawn jointly from the prior"),
    "posterior_width": Variable(PER_DRAW, "count", "widths of models drawn jointly from the posterior"),
    "prior_effective_width": Variable(PER_GROUP, "count", "expected number of units present, before the data"),
    "posterior_effective_width": Variable(PER_GROUP, "count", "expected number of units present, after the data"),
    "model_width": Variable(PER_GROUP, "count", "units in the model that the fit chooses"),
    "divergence": Variable(PER_GROUP, "nats", "KL(q(m) || p(m)) of the group's models"),
    "divergence_error": Variable(PER_GROUP, "nats", "standard error of divergence, 0 where it is exact"),
    "divergence_lower_bound": Variable(PER_GROUP, "nats", "sum of unit_divergence, where the prior's units are independent"),
    "total_correlation": Variable(PER_GROUP, "nats", "dependence of the group's units under the posterior"),
    "coverage": Variable(PER_GROUP, "fraction", "probability of the models seen by the draws behind total_correlation"),
    "prior_size_pmf": Variable(PER_SIZE, "probability", "law of the number of units in all groups, before the data"),
    "posterior_size_pmf": Variable(PER_SIZE, "probability", "law of the number of units in all groups, after the data"),
    "prior_effective_size": Variable((), "count", "expected number of units in all groups, before the data"),
    "posterior_effective_size": Variable((), "count", "expected number of units in all groups, after the data"),
    "model_size": Variable((), "count", "units in all groups of the model that the fit chooses"),
    "model_log_prior": Variable((), "nats", "log prior probability of the model that the fit chooses"),
    "divergence_all": Variable((), "nats", "KL(q(m) || p(m)) of the whole model"),
    "divergence_error_all": Variable((), "nats", "standard error of divergence_all, 0 where it is exact"),
    "divergence_lower_bound_all": Variable((), "nats", "sum of all units' divergences"),
    "total_correlation_all": Variable((), "nats", "dependence of all units under the posterior"),
    "coverage_all": Variable((), "fraction", "probability of the models seen by the draws behind total_correlation_all"),
    "log_evidence": Variable((), "nats", "log p(D | m), the sum of log_fit and log_occam_factor"),
    "log_fit": Variable((), "nats", "log likelihood of all data at the fit"),
    "log_occam_factor": Variable((), "nats", "what the model pays for its flexibility"),
}
"""Every variable that a comparison may have; those of one fit that lacks an answer are NaN, and its notes say why."""


def per_group_rows(architecture: Architecture, values: Mapping[str, Tensor], *, longer: int = 0) -> NDArray[np.float64]:
    """Values (units + longer,) per group as one array, NaN behind the end of each group."""
    groups = architecture.groups
    result = np.full((len(groups), max(group.size for group in groups) + longer), np.nan)
    for place, group in enumerate(groups):
        result[place, : group.size + longer] = values[group.name].detach().double().cpu().numpy()
    return result


def flags(architecture: Architecture, masks: Mapping[str, Tensor]) -> NDArray[np.bool_]:
    """Masks per group as one array, False behind the end of each group."""
    return np.nan_to_num(per_group_rows(architecture, masks)).astype(bool)


def assemble(
    architecture: Architecture,
    values: Mapping[str, NDArray[np.generic] | float],
    scalars: Mapping[str, str | float],
    attributes: Mapping[str, str | float],
) -> xr.Dataset:
    """The dataset of one fit; `scalars` are what may differ between fits that stand side by side."""
    groups = architecture.groups
    longest = max(group.size for group in groups)
    coordinates = {
        "group": [group.name for group in groups],
        "unit": np.arange(longest),
        "width": np.arange(longest + 1),
        "size": np.arange(architecture.num_units + 1),
        "num_units": ("group", [group.size for group in groups]),
        **scalars,
    }
    variables = {
        name: xr.Variable(described.dims, values[name], {"units": described.units, "long_name": described.meaning})
        for name, described in VARIABLES.items()
        if name in values
    }
    dataset = xr.Dataset(variables, coordinates, dict(attributes))
    return dataset.assign_coords(draw=np.arange(dataset.sizes["draw"])) if "draw" in dataset.dims else dataset
