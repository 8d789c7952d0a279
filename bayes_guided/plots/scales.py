"""Axes in nats, which may span three nats or thousands, and values that no axis has room for."""

from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter
from numpy.typing import NDArray

LINEAR = 10.0
"""Nats on either side of 0 up to which a wide axis is linear; beyond it is logarithmic."""

_WIDE = 60.0
_DECADES = 3


def nats_scale(ax: Axes, which: Literal["x", "y"], values: NDArray[Any]) -> str:
    """Makes an axis linear, or symmetrically logarithmic where the finite values span many nats; returns its unit."""
    finite = values[np.isfinite(values)]
    if not len(finite) or np.abs(finite).max() <= _WIDE:
        return "nats"
    axis = ax.xaxis if which == "x" else ax.yaxis
    getattr(ax, f"set_{which}scale")("symlog", linthresh=LINEAR)
    low, high = finite.min(), finite.max()
    axis.set_major_locator(FixedLocator([tick for tick in _ticks(low, high) if low <= tick <= high or tick == 0]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(ScalarFormatter())
    return f"nats, linear to ±{LINEAR:g}"


def _ticks(low: float, high: float) -> list[float]:
    """0 and powers of ten on both sides, every second or third one where there are many."""
    decades = int(np.ceil(np.log10(max(abs(low), abs(high), LINEAR))))
    step = -(-decades // _DECADES)
    powers = [10.0**power for power in range(1, decades + 1, step)]
    return [*(-power for power in reversed(powers)), 0.0, *powers]


def mark_infinite(ax: Axes, places: NDArray[Any], values: NDArray[Any], **look: Any) -> int:
    """Triangles on the upper and lower edge of the axes for values of +inf and -inf; returns how many there are."""
    for sign, marker, edge in ((np.inf, "^", 1.0), (-np.inf, "v", 0.0)):
        here = places[values == sign]
        if len(here):
            ax.plot(here, np.full(len(here), edge), marker, transform=ax.get_xaxis_transform(), clip_on=False, **look)
    return int(np.isinf(values).sum())
