"""Every unit's numbers, compact enough for a page: columns of all units in network order, four bytes a number."""

import base64
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from .path_chart import Path
from .reported_run import ReportedRun

COLUMNS = {
    "guidance": "guidance",
    "protected": "protected",
    "in_model": "in model",
    "prior_survival": "prior survival",
    "posterior_survival": "posterior survival",
    "posterior_lower": "from",
    "posterior_upper": "to",
    "log_bayes_factor": "log Bayes factor (nats)",
    "row_norm": "row norm",
    "margin": "margin",
}
"""Variables of the dataset that the table of units shows, with their headings."""

_SHADES = 64


def page_data(runs: list[ReportedRun], path: Path | None) -> dict[str, Any]:
    """What the page's script works on, as JSON values."""
    shades = [to_hex(colormaps["cividis"](place / (_SHADES - 1))) for place in range(_SHADES)]
    return {
        "runs": [unit_data(run) for run in runs],
        "path": None if path is None else [point.label for point in path.points],
        "shades": shades,
    }


def unit_data(run: ReportedRun) -> dict[str, Any]:
    """Names and sizes of groups, and the columns that have any number, base64 of little-endian float32, or bytes for flags.

    The values of a column stand group after group, in the units' original order.
    """
    dataset = run.comparison.dataset
    sizes = [int(size) for size in dataset["num_units"].values]
    exists = np.arange(dataset.sizes["unit"]) < np.array(sizes)[:, None]
    columns = []
    for name, label in COLUMNS.items():
        values = dataset[name].transpose("group", "unit").values[exists]
        is_flag = values.dtype == bool
        if not is_flag and np.isnan(values).all():
            continue
        coded = values.astype(np.uint8 if is_flag else "<f4").tobytes()
        described = dataset[name].attrs.get("long_name", label)
        columns.append({
            "name": name, "label": label, "help": described, "flag": is_flag, "data": base64.b64encode(coded).decode()
        })  # fmt: skip
    return {
        "name": run.name,
        "reading": run.comparison.reading,
        "priorReading": str(dataset.attrs["prior_reading"]),
        "groups": run.comparison.groups,
        "sizes": sizes,
        "columns": columns,
    }
