"""A comparison in a few lines of text."""

import numpy as np
import xarray as xr
from rich.table import Table
from rich.text import Text

from .result import Comparison

STRONG = 5.0
"""Nats of log Bayes factor from which a unit counts as wanted, or not wanted, by the data: odds of 150 to 1."""


def comparison_table(comparison: Comparison) -> Table:
    """One line per group, and one for all groups, of every fit; "-" stands where the fit has no answer.

    Columns: units in all; the expected number present before and after the data; units of the model that the fit chose; units
    that the data want and do not want (log Bayes factor beyond `STRONG` nats); KL(q(m) || p(m)) in nats, ">" before a lower
    bound.
    """
    found = comparison.dataset.attrs
    reading = found["reading"] if found["reading"] == found["prior_reading"] else f"map, prior {found['prior_reading']}"
    table = Table(title=f"Prior and posterior over models (reading: {reading})", title_justify="left")
    for column in ("group", "units", "prior", "posterior", "model", "wanted", "unwanted", "KL (nats)"):
        table.add_column(column, justify="right" if table.columns else "left", overflow="fold")
    for name in comparison.fits or [""]:
        part = (comparison.fit(name) if name else comparison).dataset
        if name:
            table.add_section()
            table.add_row(Text(name, style="bold"), *[""] * 7)
        for group in part["group"].values:
            table.add_row(*_line(part.sel(group=group), str(group)))
        if part.sizes["group"] > 1:
            table.add_row(*_all_groups(part))
    return table


def _line(part: xr.Dataset, group: str) -> tuple[str, ...]:
    effective = (_number(part[f"{side}_effective_width"]) for side in ("prior", "posterior"))
    divergence = _divergence(part["divergence"], part["divergence_lower_bound"])
    return (group, f"{int(part['num_units']):,}", *effective, _count(part["model_width"]), *_wanted(part), divergence)


def _all_groups(part: xr.Dataset) -> tuple[str, ...]:
    effective = (_number(part[f"{side}_effective_size"]) for side in ("prior", "posterior"))
    divergence = _divergence(part["divergence_all"], part["divergence_lower_bound_all"])
    units = f"{int(part['num_units'].sum()):,}"
    return ("all groups", units, *effective, _count(part["model_size"]), *_wanted(part), divergence)


def _wanted(part: xr.Dataset) -> tuple[str, str]:
    factors = part["log_bayes_factor"].values
    if np.isnan(factors).all():
        return "-", "-"
    return f"{int((factors > STRONG).sum()):,}", f"{int((factors < -STRONG).sum()):,}"


def _divergence(exact: xr.DataArray, bound: xr.DataArray) -> str:
    return f"> {float(bound):.4g}" if np.isnan(exact) and not np.isnan(bound) else _number(exact)


def _number(value: xr.DataArray) -> str:
    return "-" if np.isnan(value) else f"{float(value):.4g}"


def _count(value: xr.DataArray) -> str:
    return f"{int(value):,}"
