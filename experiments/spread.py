"""How a number that several seeds gave is written in a table."""

from collections.abc import Sequence
from statistics import mean


def spread(values: Sequence[float], form: str) -> str:
    """The mean, and the least and the greatest where they are not all the same."""
    centre = format(mean(values), form)
    if min(values) == max(values):
        return centre
    ends = ",d" if all(isinstance(value, int) for value in values) else form
    return f"{centre} ({min(values):{ends}} to {max(values):{ends}})"
