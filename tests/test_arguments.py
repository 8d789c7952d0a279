"""Arguments of the wrong kind: refused by the checks themselves, and at every entrance of the package."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from bayes_guided.arguments import require_instance, usable_device, whole_number
from bayes_guided.exceptions import ConfigError
from bayes_guided.likelihoods import Categorical, Likelihood

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers_come_back_as_ints(value):
    assert type(whole_number("epochs", value)) is int
    assert whole_number("epochs", value) == 3


@pytest.mark.parametrize("value", [0, -1, 1.0, 1.5, True, "3", None, float("nan"), torch.tensor(3)])
def test_what_is_no_whole_number_is_named(value):
    with pytest.raises(ConfigError, match=r"^epochs=.*: give a whole number of at least 1\.$"):
        whole_number("epochs", value)


def test_kinds():
    require_instance("likelihood", Categorical(), Likelihood, "a likelihood")
    for value, said in [
        (Categorical, r"got the class Categorical; make one of it, Categorical\(\.\.\.\)"),
        ("Categorical", "got 'Categorical'; give a likelihood"),
        (None, "got None; give a likelihood"),
        (nn.Linear(2, 3), "got a Linear; give a likelihood"),
        (test_kinds, "got the function test_kinds; give a likelihood"),
    ]:
        with pytest.raises(ConfigError, match=f"^likelihood: {said}"):
            require_instance("likelihood", value, Likelihood, "a likelihood")


def test_devices():
    assert usable_device("cpu") == torch.device("cpu")
    for device in ("gpu", "cpu:x", 3.5):
        with pytest.raises(ConfigError, match="which this machine does not offer"):
            usable_device(device)


def test_every_entrance_refuses_what_is_no_such_thing():
    """In a process of its own: the tests' run-time type check would refuse most of these before the package does."""
    command = [sys.executable, "-m", "tests.wrong_arguments"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
