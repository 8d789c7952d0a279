"""The process-wide settings that neither the library nor a test may leave changed."""

from dataclasses import dataclass, fields
from typing import Any

import matplotlib as mpl
import pyro
import torch


@dataclass(frozen=True)
class GlobalState:
    """What is shared by all tests of one process. Random states are not part of it: a test may seed."""

    default_dtype: torch.dtype
    grad_enabled: bool
    num_threads: int
    rc_params: dict[Any, Any]
    pyro_params: frozenset[str]


def capture() -> GlobalState:
    """The present state."""
    return GlobalState(
        default_dtype=torch.get_default_dtype(),
        grad_enabled=torch.is_grad_enabled(),
        num_threads=torch.get_num_threads(),
        rc_params=dict(mpl.rcParams.items()),
        pyro_params=frozenset(pyro.get_param_store().keys()),
    )


def restore(state: GlobalState) -> None:
    """Puts the settings back, so that one test's mistake does not reach the next."""
    torch.set_default_dtype(state.default_dtype)
    torch.set_grad_enabled(state.grad_enabled)
    torch.set_num_threads(state.num_threads)
    mpl.rcParams.update(state.rc_params)
    for name in frozenset(pyro.get_param_store().keys()) - state.pyro_params:
        del pyro.get_param_store()[name]


def changes(before: GlobalState, after: GlobalState) -> list[str]:
    """One line for each setting that differs."""
    lines = []
    for field in fields(GlobalState):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if field.name == "rc_params":
            lines += [f"rcParams[{key!r}]: {old[key]!r} -> {new[key]!r}" for key in old if old[key] != new[key]]
        elif old != new:
            lines.append(f"{field.name}: {old} -> {new}")
    return lines
