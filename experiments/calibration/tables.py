"""The README's table."""

from typing import Any

BEGIN, END = "<!-- results -->", "<!-- /results -->"


def table(results: list[dict[str, Any]]) -> str:
    """One line per method, as Markdown."""
    lines = [
        "| method | data sets | z of the width | z of the units | KS p of the rank | mean error | largest | CPU s per set | |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *map(_line, results)])


def fill(readme: str, results: list[dict[str, Any]]) -> str:
    """The README with the table between its markers."""
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n{table(results)}\n{END}{rest.split(END)[1]}"


def _line(result: dict[str, Any]) -> str:
    units = f"{min(result['unit_z']):.1f} to {max(result['unit_z']):.1f}"
    errors = f"{result['mean_error']:.3f} | {result['largest_error']:.3f}"
    verdict = "passes" if result["passed"] else "fails"
    cells = [f"{result['z']:.1f}", units, _probability(result["ks_p"]), errors, f"{result['seconds_per_set']:.2g}", verdict]
    return f"| {result['method']} | {result['data_sets']:,} | {' | '.join(cells)} |"


def _probability(value: float) -> str:
    return "below 0.0001" if value < 1e-4 else f"{value:.2g}"
