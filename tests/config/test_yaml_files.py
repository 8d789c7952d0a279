"""YAML as configurations need it."""

import math

import pytest

from bayes_guided.config.yaml_files import parse_yaml
from bayes_guided.exceptions import ConfigError


@pytest.mark.parametrize("text", ["1e-3", "1E3", "2.5e+4", "1.", ".5", "-3e2", "0.1", "1e-03"])
def test_floats_as_yaml_1_2_and_python_read_them(text: str) -> None:
    value = parse_yaml(text, "here")
    assert isinstance(value, float)
    assert value == float(text)


@pytest.mark.parametrize(
    ("text", "value"), [("12", 12), ("yes please", "yes please"), ("e3", "e3"), ("1-2", "1-2"), ("null", None)]
)
def test_other_scalars_stay_what_they_were(text: str, value: object) -> None:
    assert parse_yaml(text, "here") == value


def test_infinity_and_nan() -> None:
    assert parse_yaml("[.inf, -.inf]", "here") == [math.inf, -math.inf]
    assert math.isnan(parse_yaml(".nan", "here"))


def test_a_key_given_twice_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r"here.*'epochs' is given twice.*line 3"):
        parse_yaml("fit:\n  epochs: 1\n  epochs: 2\n", "here")


def test_merge_keys_still_work() -> None:
    assert parse_yaml("a: &x {p: 1}\nb: {<<: *x, q: 2}", "here")["b"] == {"p": 1, "q": 2}


@pytest.mark.parametrize(
    "text", ["a: [1", "a: b: c", "\t- x", "!!python/object/apply:os.system [ls]", "? {a: 1}\n: 2", "\x00"]
)
def test_text_that_is_no_plain_yaml_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="here"):
        parse_yaml(text, "here")
