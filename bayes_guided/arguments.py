"""Checks of what a user gives to a function, where the field's libraries would fail late, or not at all."""

import numbers
from typing import Any

import torch

from bayes_guided.exceptions import ConfigError


def whole_number(name: str, value: Any, *, least: int = 1) -> int:
    """The value as an int.

    Raises:
        ConfigError: if it is not a whole number, or less than `least`.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ConfigError(f"{name}={value!r}: give a whole number of at least {least}.")
    return int(value)


def require_instance(name: str, value: Any, kinds: type | tuple[type, ...], wanted: str) -> None:
    """Refuses a value of another kind; `wanted` says in words what to give.

    Raises:
        ConfigError: naming the argument, and what it got.
    """
    if isinstance(value, kinds):
        return
    if isinstance(value, type) and issubclass(value, kinds):
        raise ConfigError(f"{name}: got the class {value.__name__}; make one of it, {value.__name__}(...).")
    raise ConfigError(f"{name}: got {_described(value)}; give {wanted}.")


def usable_device(device: Any) -> torch.device:
    """The device, if this machine has it.

    Raises:
        ConfigError: if it has not, or there is no such device.
    """
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"'device' is '{device}', which this machine does not offer ({reason}); give cpu or cuda."
        ) from error


def _described(value: Any) -> str:
    if isinstance(value, str | int | float | None):
        return repr(value)
    return f"the function {value.__name__}" if callable(value) and hasattr(value, "__name__") else f"a {type(value).__name__}"
