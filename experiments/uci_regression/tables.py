"""The README's table, with the published numbers beside what was measured."""

from statistics import mean, stdev
from typing import Any

BEGIN, END = "<!-- results -->", "<!-- /results -->"

# Mean and standard error over 20 splits of RMSE, then of log density, as the readme of
# github.com/yaringal/DropoutUncertaintyExps gives them; "paper" is table 1 of [GalGhahramani2016].
PUBLISHED = {
    "yacht": {"MC dropout, paper": (1.11, 0.09, -1.55, 0.03), "MC dropout, 10x epochs": (0.72, 0.06, -1.38, 0.01)},
    "energy": {"MC dropout, paper": (1.66, 0.04, -1.99, 0.02), "MC dropout, 10x epochs": (1.09, 0.05, -1.72, 0.02)},
    "concrete": {"MC dropout, paper": (5.23, 0.12, -3.04, 0.02), "MC dropout, 10x epochs": (4.81, 0.14, -2.94, 0.02)},
    "power-plant": {"MC dropout, paper": (4.02, 0.04, -2.80, 0.01), "MC dropout, 10x epochs": (4.00, 0.04, -2.79, 0.01)},
}


def table(results: list[dict[str, Any]]) -> str:
    """One line per data set and method, means with standard errors over splits, as Markdown."""
    lines = [
        "| data | method | splits | test RMSE | test log density, nats | hidden units | parameters | seconds a fit |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for dataset in dict.fromkeys(row["dataset"] for row in results):
        rows = [row for row in results if row["dataset"] == dataset]
        for method in dict.fromkeys(row["method"] for row in rows):
            lines.append(_measured(dataset, method, [row for row in rows if row["method"] == method]))
        for method, (rmse, rmse_se, density, density_se) in PUBLISHED.get(dataset, {}).items():
            numbers = f"{rmse:.2f} ± {rmse_se:.2f} | {density:.2f} ± {density_se:.2f}"
            lines.append(f"| {dataset} | *{method}* | 0 to 19 | {numbers} | 50 | | |")
    return "\n".join(lines)


def fill(readme: str, results: list[dict[str, Any]]) -> str:
    """The README with the table between its markers."""
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n{table(results)}\n{END}{rest.split(END)[1]}"


def _measured(dataset: str, method: str, rows: list[dict[str, Any]]) -> str:
    splits = sorted(row["split"] for row in rows)
    numbers = [_with_error([row[name] for row in rows]) for name in ("rmse", "log_density")]
    widths = [row["width"] for row in rows]
    size = f"{mean(widths):.1f} ({min(widths):.3g} to {max(widths):.3g}) | {mean(row['parameters'] for row in rows):,.0f}"
    seconds = f"{mean(row['seconds'] for row in rows):.0f}"
    return f"| {dataset} | {method} | {', '.join(map(str, splits))} | {' | '.join(numbers)} | {size} | {seconds} |"


def _with_error(values: list[float]) -> str:
    """The mean and its standard error; of a single value the value."""
    return f"{mean(values):.2f}" + (f" ± {stdev(values) / len(values) ** 0.5:.2f}" if len(values) > 1 else "")
