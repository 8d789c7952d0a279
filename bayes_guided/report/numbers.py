"""Numbers as a reader wants them."""

import math

from markupsafe import Markup

NONE = "–"
"""Stands where there is no number."""

_UNDERFLOW = 700.0
"""e to minus this is about where doubles end."""


def number(value: float, digits: int = 4) -> str:
    """With so many significant digits, thousands grouped."""
    value = float(value)
    if math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    shown = f"{value:,.{max(digits - 1 - _exponent(value), 0)}f}" if 1e-3 <= abs(value) < 1e6 else f"{value:.{digits}g}"
    return (shown.rstrip("0").rstrip(".") if "." in shown and "e" not in shown else shown).replace("-", "−")


def count(value: float) -> str:
    """A whole number, thousands grouped."""
    return NONE if math.isnan(value) else f"{int(value):,}"


def percent(value: float, digits: int = 1) -> str:
    """A fraction as per cent."""
    return NONE if math.isnan(value) else f"{100 * value:.{digits}f} %"


def error(name: str, value: float | None) -> str:
    """A test error: a fraction of misclassified cases as per cent, any other as it is."""
    if value is None:
        return NONE
    return percent(value, 2) if name == "error" else number(value)


def factor(log_ratio: float) -> Markup:
    """The factor of these log odds, more or less probable than something: "e^12 times more"."""
    if abs(log_ratio) < 0.05:
        return Markup("as")
    side = "more" if log_ratio > 0 else "less"
    return Markup("<b>e<sup>{}</sup> times {}</b>").format(number(abs(log_ratio), 3), side)


def log_ratio(above: float, below: float) -> tuple[float, bool]:
    """Log of a ratio of probabilities, nats, and whether it is a bound only because one of them is too small for a double."""
    if above > 0 and below > 0:
        return math.log(above) - math.log(below), False
    if above > 0:
        return math.log(above) + _UNDERFLOW, True
    if below > 0:
        return -_UNDERFLOW - math.log(below), True
    return math.nan, True


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value))) if value else 0
