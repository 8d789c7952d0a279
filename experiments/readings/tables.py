"""The generated parts of the README, from results.json and config.yaml alone."""

import math
import re
from collections.abc import Callable
from typing import Any

from .compute import Config, Results, Setting

Row = dict[str, Any]

_MARKED = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(text: str, results: Results, config: Config) -> str:
    """The README's text with each part between markers replaced by what the results say.

    Raises:
        KeyError: if the text marks a part that does not exist.
    """
    return _MARKED.sub(lambda found: f"{found[1]}{PARTS[found[2]](results, config)}\n{found[3]}", text)


def setting_name(setting: Setting) -> str:
    """A reading with its number, as tables and the figure's legend show it."""
    symbol = "weight size" if setting.kind == "threshold" else "h ="
    return f"{setting.kind}, {symbol} {setting.value:,g}"


def warning(results: Results, config: Config) -> str:
    """What the pruning threshold says of small models, in the numbers of this run."""
    smallest, largest = min(config.thresholds), max(config.strengths)
    main = _find(results, config.main_family, config.main_strength, Setting("threshold", smallest))
    hardest = _find(results, config.main_family, largest, Setting("threshold", smallest))
    needed = _half_width(results, config.main_family, Setting("threshold", smallest))
    units = results["layer"]["units"]
    return (
        "> **Warning: at a pruning threshold the continuous prior puts no mass on small models.** Take "
        f"`{config.main_family}` under {config.guidance} guidance and call a unit absent if the root mean square of its "
        f"weights is below {smallest:g}. At strength {main['strength']:g} the log odds that a unit is present are at least "
        f"{_number(main['log_odds_last'])} nats, for the unit pressed hardest too; the mean width is "
        f"{main['mean_width']:.1f} of {units}, and the probability of at most {units // 2} units is "
        f"{_probability(main['log_prob_at_most_half'])}. At strength {hardest['strength']:g} they are still "
        f"{_number(hardest['log_odds_last'])} nats, {hardest['mean_width']:.1f} units and "
        f"{_probability(hardest['log_prob_at_most_half'])}. The strength that would make half of the layer absent a priori is "
        f"{_number(needed)}. The exact zeros of a MAP fit are a property of the posterior's mode: they do not show that this "
        "prior favours small models."
    )


def main_table(results: Results, config: Config) -> str:
    """One family and guidance: every reading at every strength."""
    half = results["layer"]["units"] // 2
    header = ["reading", "strength", "log odds, first to last unit (nats)", "width, mean ± sd (units)", f"P(width ≤ {half})"]
    rows = []
    for setting in config.settings:
        for strength in config.strengths:
            row = _find(results, config.main_family, strength, setting)
            rows.append([setting_name(setting), f"{strength:g}", *_summary(row)])
    return _markdown(header, rows)


def family_table(results: Results, config: Config) -> str:
    """All families at the main strength."""
    half = results["layer"]["units"] // 2
    header = ["reading", "family", "log odds, first to last unit (nats)", "width, mean ± sd (units)", f"P(width ≤ {half})"]
    rows = []
    for setting in config.settings:
        for family in config.families:
            if not _is_missing(results, family, setting):
                row = _find(results, family, config.main_strength, setting)
                rows.append([setting_name(setting), family, *_summary(row)])
    return _markdown(header, rows)


def half_width_table(results: Results, config: Config) -> str:
    """The way back: the strength at which half of the units are expected."""
    rows = []
    for setting in config.settings:
        cells = [
            "none" if _is_missing(results, family, setting) else _number(_half_width(results, family, setting))
            for family in config.families
        ]
        rows.append([setting_name(setting), *cells])
    return _markdown(["reading", *config.families], rows)


def missing_readings(results: Results, config: Config) -> str:
    """The package's own words on readings that a family does not have."""
    return "\n".join(f"* {row['family']}, {row['reading']}: {row['reason']}" for row in results["missing"])


def layer(results: Results, config: Config) -> str:
    """What layer this is."""
    facts = results["layer"]
    widths = "-".join(str(n) for n in (config.net["inputs"], *config.net["hidden"], config.net["outputs"]))
    return (
        f"The layer is `{config.group}` of a {widths} network: U = {facts['units']} units of D = "
        f"{facts['weights_per_unit']} weights, bias included. Its {facts['guidance']} guidance rises from "
        f"g = {facts['guidance_first']:.4f} at the first unit to {facts['guidance_last']:.4f} at the last."
    )


PARTS: dict[str, Callable[[Results, Config], str]] = {
    "layer": layer,
    "warning": warning,
    "main_table": main_table,
    "family_table": family_table,
    "half_width_table": half_width_table,
    "missing_readings": missing_readings,
}
"""The parts that the README may mark, by name."""


def _summary(row: Row) -> list[str]:
    odds = f"{_number(row['log_odds_first'])} to {_number(row['log_odds_last'])}"
    return [odds, f"{row['mean_width']:.1f} ± {row['sd_width']:.1f}", _probability(row["log_prob_at_most_half"])]


def _find(results: Results, family: str, strength: float, setting: Setting) -> Row:
    wanted = {"family": family, "strength": strength, "reading": setting.kind, "value": setting.value}
    return next(row for row in results["readings"] if wanted.items() <= row.items())


def _half_width(results: Results, family: str, setting: Setting) -> float:
    wanted = {"family": family, "reading": setting.kind, "value": setting.value}
    return next(row["strength"] for row in results["half_width"] if wanted.items() <= row.items())


def _is_missing(results: Results, family: str, setting: Setting) -> bool:
    return any((row["family"], row["reading"]) == (family, setting.kind) for row in results["missing"])


def _number(value: float) -> str:
    """Three significant digits or all before the point, with a real minus sign."""
    rounded = abs(float(f"{value:.3g}"))
    digits = max(0, 2 - math.floor(math.log10(rounded))) if rounded else 0
    return f"{value:,.{digits}f}".replace("-", "−")


def _probability(log_probability: float) -> str:
    """A fraction if it is not tiny, else a power of e."""
    fraction = math.exp(log_probability)
    return f"{fraction:.3f}" if fraction >= 5e-4 else f"e<sup>{_number(log_probability)}</sup>"


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
