"""The README's tables: what was measured and the published numbers, and their difference on the same splits."""

from statistics import mean, stdev
from typing import Any

from experiments.study import Row

from .published import PUBLISHED, SPLIT_LOGS, UNITS, Published


def tables(rows: list[Row]) -> dict[str, str]:
    """Means with standard errors over splits, and of the differences to published runs that are logged by split."""
    return {"results": _results(rows), "differences": _differences(rows)}


def difference(rows: list[Row], dataset: str, method: str) -> tuple[float, float | None]:
    """Mean and standard error over splits of the RMSE less that of the published run on the same split."""
    published = SPLIT_LOGS[dataset].rmse
    of_set = [row for row in rows if row["dataset"] == dataset]
    return mean_and_error([row["methods"][method]["rmse"] - published[row["split"]] for row in of_set])


def mean_and_error(values: list[float]) -> tuple[float, float | None]:
    """The mean and its standard error; of a single value no error."""
    return mean(values), stdev(values) / len(values) ** 0.5 if len(values) > 1 else None


def _results(rows: list[Row]) -> str:
    lines = [
        "| data | method | splits | test RMSE | test log density, nats | hidden units | parameters | CPU seconds a fit |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        of_set = [row for row in rows if row["dataset"] == dataset]
        splits = [row["split"] for row in of_set]
        for method in of_set[0]["methods"]:
            lines.append(_measured(dataset, method, splits, [row["methods"][method] for row in of_set]))
        for method, numbers in PUBLISHED[dataset].items():
            lines.append(_published(dataset, method, numbers))
    return "\n".join(lines)


def _differences(rows: list[Row]) -> str:
    lines = ["| data | published run | method | test RMSE less the published one |", "|---|---|---|---|"]
    for dataset in [name for name in SPLIT_LOGS if name in {row["dataset"] for row in rows}]:
        for method in next(row["methods"] for row in rows if row["dataset"] == dataset):
            found = _as_text(*difference(rows, dataset, method))
            lines.append(f"| {dataset} | *{SPLIT_LOGS[dataset].run}* | {method} | {found} |")
    return "\n".join(lines)


def _measured(dataset: str, method: str, splits: list[int], found: list[dict[str, Any]]) -> str:
    numbers = [_as_text(*mean_and_error([one[name] for one in found])) for name in ("rmse", "log_density")]
    widths = [one["width"] for one in found]
    size = f"{mean(widths):.1f} ({min(widths):.3g} to {max(widths):.3g}) | {mean(one['parameters'] for one in found):,.0f}"
    seconds = f"{mean(one['seconds'] for one in found):.1f}"
    return f"| {dataset} | {method} | {', '.join(map(str, splits))} | {' | '.join(numbers)} | {size} | {seconds} |"


def _published(dataset: str, method: str, found: Published) -> str:
    numbers = f"{found.rmse:.2f} ± {found.rmse_error:.2f} | {found.log_density:.2f} ± {found.log_density_error:.2f}"
    return f"| {dataset} | *{method}* | 0 to 19 | {numbers} | {UNITS} | | |"


def _as_text(middle: float, error: float | None) -> str:
    return f"{middle:.2f}" + ("" if error is None else f" ± {error:.2f}")
