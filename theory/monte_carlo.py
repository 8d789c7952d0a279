"""A closed form against a sample mean: the tolerance is four standard errors of that mean."""

from numpy.typing import ArrayLike

from theory.arrays import BoolArray, FloatArray
from theory.checks import Check

STANDARD_ERRORS = 4.0


def against_mean(proposition: str, claim: str, value: ArrayLike, draws: FloatArray | BoolArray) -> Check:
    """A check of `value` against the mean of independent draws (n,), within four standard errors."""
    tolerance = STANDARD_ERRORS * draws.std(ddof=1) / len(draws) ** 0.5
    return Check(proposition, claim, float(value), float(draws.mean()), float(tolerance))  # pyright: ignore[reportArgumentType]
