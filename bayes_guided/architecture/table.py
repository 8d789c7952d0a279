"""Plain aligned text tables."""

from collections.abc import Sequence


def align(lines: Sequence[Sequence[str]]) -> str:
    """Columns padded to equal width: numbers to the right, everything else to the left; the first line is the head."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = [all(_is_number(line[i]) for line in lines[1:]) for i in range(len(widths))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width) for cell, width, number in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def _is_number(cell: str) -> bool:
    return cell.strip("%-").replace(",", "").isdigit() or cell in ("", "-")
