"""Names for the arrays of the discrete half of this folder; shapes are said in each docstring."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]


def log_sum_exp(values: ArrayLike, axis: int | None = None) -> FloatArray:
    """log of the sum of exp(values) over an axis, or over everything; scipy's, with a plain return type."""
    return np.asarray(logsumexp(values, axis=axis), dtype=np.float64)
