"""The README's tables."""

from statistics import mean

from experiments.cases import Row
from experiments.spread import spread

from .bars import BARS, PUBLISHED, macs, parameters
from .fits import FORMS

SETTINGS = tuple(dict.fromkeys(bar.setting for bar in BARS.values()))
"""The settings that some bar is for."""


def tables(rows: list[Row]) -> dict[str, str]:
    """Markdown by the name of the README's markers."""
    return {"results": _results(rows), "seeds": _seeds(rows), "published": _published()}


def networks(rows: list[Row], setting: str, form: str) -> list[Row]:
    """The networks handed over, one per seed."""
    return [row[form] for row in rows if row["setting"] == setting]


def _results(rows: list[Row]) -> str:
    lines = [
        "| bar | setting | images | widths, mean of seeds | parameters | MACs | test error, mean (min to max) | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, bar in BARS.items():
        for form in FORMS:
            found = networks(rows, bar.setting, form)
            if not found:
                continue
            widths = "-".join(f"{mean(row['widths'][layer] for row in found):.0f}" for layer in range(3))
            size = " | ".join(f"{mean(row[name] for row in found):,.0f}" for name in ("parameters", "macs"))
            verdict = bar.verdict(found)
            errors = spread([row["error"] for row in found], ".2%")
            lines.append(f"| {name}: {bar.says()} | {bar.setting} | {form} | {widths} | {size} | {errors} | {verdict} |")
    return "\n".join(lines)


def _seeds(rows: list[Row]) -> str:
    lines = [
        "| setting | images | seed | pixels-hidden-hidden | parameters | MACs | error of the reduced MAP | refitted |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for setting in SETTINGS:
        for form in FORMS:
            for row in (row for row in rows if row["setting"] == setting):
                found = row[form]
                widths = "-".join(map(str, found["widths"]))
                size = f"{found['parameters']:,} | {found['macs']:,}"
                errors = f"{found['map_error']:.2%} | {found['error']:.2%}"
                lines.append(f"| {setting} | {form} | {row['seed']} | {widths} | {size} | {errors} |")
    return "\n".join(lines)


def _published() -> str:
    lines = ["| published | architecture | parameters | MACs | error % | |", "|---|---|---|---|---|---|"]
    for peer in PUBLISHED:
        low, high = peer.errors
        errors = f"{low}" if low == high else f"{low} to {high}"
        size = f"{parameters(peer.widths):,} | {macs(peer.widths):,}"
        lines.append(f"| {peer.method} | {'-'.join(map(str, peer.widths))} | {size} | {errors} | {peer.note} |")
    return "\n".join(lines)
