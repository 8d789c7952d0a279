"""The README's tables."""

from statistics import mean
from typing import Any

from .published import BARS, PUBLISHED, Size

Row = dict[str, Any]


def tables(rows: list[Row]) -> dict[str, str]:
    """Settings beside the published lines, and every fit."""
    return {"results": _settings(rows), "seeds": _seeds(rows)}


def by_setting(rows: list[Row]) -> dict[tuple[str, int], list[Row]]:
    """The networks handed over, one a seed, for every point with and without shifts; points in the order of the bars."""
    shared = ("shift", "seed", "teacher_error")
    flat = [{name: row[name] for name in shared} | point for row in rows for point in row["points"]]
    keys = sorted({(row["point"], row["shift"]) for row in flat}, key=lambda key: (key[0], -key[1]))
    return {key: [row for row in flat if (row["point"], row["shift"]) == key] for key in keys}


def size_of(row: Row) -> Size:
    """The widths of a fit."""
    a, b, c, d = row["widths"]
    return Size((a, b, c, d))


def mean_error(rows: list[Row]) -> float:
    """Mean test error of the networks handed over, percent."""
    return 100 * mean(row["test_error"] for row in rows)


def name_of(point: str, shift: int) -> str:
    """What a setting is called."""
    return f"{point}, training images shifted" if shift else f"{point}, images as they are"


def verdict(rows: list[Row]) -> str:
    """What the rows of one setting are to its bar."""
    return BARS[rows[0]["point"]].verdict([size_of(row) for row in rows], mean_error(rows))


def _settings(rows: list[Row]) -> str:
    lines = [
        "| setting | seeds | a-b-c-d, each seed | parameters | MACs | test error, mean (range) | bar | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (point, shift), found in by_setting(rows).items():
        sizes = [size_of(row) for row in found]
        errors = [100 * row["test_error"] for row in found]
        error = f"{mean(errors):.2f} % ({min(errors):.2f} to {max(errors):.2f})"
        parameters, macs = (mean(getattr(size, name) for size in sizes) for name in ("parameters", "macs"))
        lines.append(
            f"| {name_of(point, shift)} | {len(found)} | {', '.join(map(str, sizes))} | {parameters:,.0f} | {macs:,.0f} "
            f"| {error} | {BARS[point]} | {verdict(found)} |"
        )
    for line in PUBLISHED:
        size = line.size
        lines.append(f"| *published: {line.method}* | | {size} | {size.parameters:,} | {size.macs:,} | {line.error:g} % | | |")
    return "\n".join(lines)


def _seeds(rows: list[Row]) -> str:
    lines = [
        "| setting | seed | a-b-c-d | parameters | MACs | test error before refit | handed over | training error | teacher |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (point, shift), found in by_setting(rows).items():
        for row in found:
            errors = ("map_error", "test_error", "train_error", "teacher_error")
            percents = " | ".join("labels" if row[name] is None else f"{row[name]:.2%}" for name in errors)
            size = f"{size_of(row)} | {row['parameters']:,} | {row['macs']:,}"
            lines.append(f"| {name_of(point, shift)} | {row['seed']} | {size} | {percents} |")
    return "\n".join(lines)
