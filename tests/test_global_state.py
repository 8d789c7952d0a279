"""The guard of tests/conftest.py itself: it sees each kind of change, and the shape hook is live."""

import matplotlib as mpl
import pyro
import pytest
import torch
from jaxtyping import TypeCheckError

from bayes_guided.datasets import Dataset
from bayes_guided.nets import lenet5
from tests.global_state import capture, changes, restore


def set_dtype() -> None:
    torch.set_default_dtype(torch.float64)


def disable_grad() -> None:
    torch.set_grad_enabled(False)


def set_threads() -> None:
    torch.set_num_threads(torch.get_num_threads() + 1)


def set_rc_param() -> None:
    mpl.rcParams["lines.linewidth"] = 7.5


def leave_param() -> None:
    pyro.param("left_behind", torch.ones(1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_dtype, "default_dtype"),
        (disable_grad, "grad_enabled"),
        (set_threads, "num_threads"),
        (set_rc_param, "lines.linewidth"),
        (leave_param, "left_behind"),
    ],
)
def test_each_change_is_named_and_undone(change, message):
    before = capture()
    change()
    lines = changes(before, capture())
    restore(before)
    assert len(lines) == 1
    assert message in lines[0]
    assert changes(before, capture()) == []


def test_package_shapes_are_checked_at_run_time():
    with pytest.raises(TypeCheckError):
        lenet5()(torch.zeros(2, 3, 28, 28))
    with pytest.raises(TypeCheckError):
        Dataset(
            torch.zeros(3, 2, dtype=torch.float32),
            torch.tensor([0, 1, 0]),
            torch.zeros(3, 2),
            torch.tensor([0, 1, 0]),
            name=5,  # pyright: ignore[reportArgumentType]
            num_classes=2,
        )
