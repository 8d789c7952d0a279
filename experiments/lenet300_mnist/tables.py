"""The README's tables."""

from statistics import mean

from experiments.cases import Row
from experiments.spread import spread

from .bars import BARS, PUBLISHED, macs, parameters
from .fits import FORMS

SETTINGS = tuple(dict.fromkeys(bar.setting for bar in BARS.values()))
"""The settings that some bar is for."""
TARGETS = {"labels alone": "label_error", "labels and teacher": "error"}
"""What the refit learns from, and the name of its test error."""


def tables(rows: list[Row]) -> dict[str, str]:
    """Markdown by the name of the README's markers."""
    return {"results": _results(rows), "teachers": _teachers(rows), "seeds": _seeds(rows), "published": _published()}


def networks(rows: list[Row], setting: str, form: str) -> list[Row]:
    """The networks handed over, one per seed; none if the setting was not run."""
    return [row[setting][form] for row in rows if setting in row]


def _results(rows: list[Row]) -> str:
    lines = [
        "| bar | setting | images | refit on | mean widths | parameters | MACs | test error, mean (min to max) | verdict |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, bar in BARS.items():
        for form in FORMS:
            found = networks(rows, bar.setting, form)
            for targets, error in TARGETS.items():
                if not found or error not in found[0]:
                    continue
                widths = "-".join(f"{mean(row['widths'][layer] for row in found):.0f}" for layer in range(3))
                size = " | ".join(f"{mean(row[count] for row in found):,.0f}" for count in ("parameters", "macs"))
                reached = f"{spread([row[error] for row in found], '.2%')} | {bar.verdict(found, error)}"
                what = f"{name}: {bar.says()} | {bar.setting} | {form} | {targets}"
                lines.append(f"| {what} | {widths} | {size} | {reached} |")
    return "\n".join(lines)


def _teachers(rows: list[Row]) -> str:
    lines = ["| teacher's images | test error, mean (min to max) |", "|---|---|"]
    for form in FORMS:
        lines.append(f"| {form} | {spread([row['teacher'][form] for row in rows], '.2%')} |")
    return "\n".join(lines)


def _seeds(rows: list[Row]) -> str:
    lines = [
        "| setting | images | seed | pixels-hidden-hidden | parameters | MACs | reduced MAP | refitted on labels | refitted |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for setting in SETTINGS:
        for form in FORMS:
            for row in (row for row in rows if setting in row):
                found = row[setting][form]
                widths = "-".join(map(str, found["widths"]))
                size = f"{found['parameters']:,} | {found['macs']:,}"
                alone = f"{found['label_error']:.2%}" if "label_error" in found else ""
                errors = f"{found['map_error']:.2%} | {alone} | {found['error']:.2%}"
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
