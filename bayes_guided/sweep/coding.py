"""The space in Optuna's words. Choices become JSON texts, since its stores take no lists and no mappings."""

import json
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from .space import Choices, Range


def distribution(where: Choices | Range) -> BaseDistribution:
    """What Optuna is to draw from."""
    if isinstance(where, Choices):
        return CategoricalDistribution([encoded(where, value) for value in where.choices])
    # Optuna warns where the steps do not end at `high`.
    high = where.values[-1] if where.step is not None else where.high
    if where.whole:
        return IntDistribution(round(where.low), round(high), log=where.log, step=round(where.step or 1))
    return FloatDistribution(where.low, high, log=where.log, step=where.step)


def encoded(where: Choices | Range, value: Any) -> Any:
    """A value as Optuna stores it."""
    return json.dumps(value, sort_keys=True) if isinstance(where, Choices) else value


def decoded(drawn_from: BaseDistribution, value: Any) -> Any:
    """A stored value as the user wrote it."""
    return json.loads(value) if isinstance(drawn_from, CategoricalDistribution) else value


def as_written(where: Choices | Range, value: Any) -> Any:
    """A drawn number of a range with steps as decimals say it: 0.3, not 0.30000000000000004."""
    if isinstance(where, Choices) or where.step is None:
        return value
    return min(where.values, key=lambda allowed: abs(allowed - value))
