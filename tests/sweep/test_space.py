"""Choices and ranges: the values of a grid as written, and what is refused."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from bayes_guided.sweep.space import Choices, Range, Where


def parsed(raw: dict[str, Any]) -> Choices | Range:
    return TypeAdapter(Where).validate_python(raw)


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        ({"choices": ["a", [1, 2], None, {"b": 0.5}]}, ["a", [1, 2], None, {"b": 0.5}]),
        ({"low": 0.1, "high": 0.7, "step": 0.2}, [0.1, 0.3, 0.5, 0.7]),
        ({"low": 0.0, "high": 1.0, "step": 0.3}, [0.0, 0.3, 0.6, 0.9]),
        ({"low": 1e-3, "high": 3e-3, "step": 1e-3}, [0.001, 0.002, 0.003]),
        ({"low": 2, "high": 5, "whole": True}, [2, 3, 4, 5]),
        ({"low": 2, "high": 8, "step": 3, "whole": True}, [2, 5, 8]),
        ({"low": 0.1, "high": 1.0}, []),
        ({"low": 1, "high": 100, "whole": True, "log": True}, []),
    ],
)
def test_values(raw: dict[str, Any], values: list[Any]) -> None:
    where = parsed(raw)
    assert where.values == values
    assert [type(value) for value in where.values] == [type(value) for value in values]
    assert where.first == (values[0] if values else raw["low"])


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"choices": []}, "at least 1 item"),
        ({"choices": [1, 1]}, "a value twice"),
        ({"choices": [float("nan")]}, "no plain value"),
        ({"low": 1.0, "high": 1.0}, "'low' must be below 'high'"),
        ({"low": 0.0, "high": 1.0, "log": True}, "starts above 0"),
        ({"low": 0.1, "high": 1.0, "log": True, "step": 0.1}, "has no 'step'"),
        ({"low": 0.5, "high": 2.0, "whole": True}, "has whole 'low'"),
        ({"low": 0.1}, "Field required"),
    ],
)
def test_refusals(raw: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        parsed(raw)
