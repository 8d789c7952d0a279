import sys

import pytest
import torch

from bayes_guided.exceptions import ConfigError
from bayes_guided.nets import load_callable

SOURCE = """
from __future__ import annotations
from dataclasses import dataclass
from torch import nn

@dataclass
class Settings:
    width: int

def net(width: int = 3) -> nn.Module:
    return nn.Linear(2, Settings(width).width)

def not_a_net():
    return 5

number = 7
"""


def write(folder, source=SOURCE, name="mine.py"):
    path = folder / name
    path.write_text(source)
    return path


def test_the_factory_gets_its_arguments(tmp_path):
    factory = load_callable(f"{write(tmp_path)}:net")
    assert factory().weight.shape == (3, 2)
    assert factory(width=5)(torch.zeros(4, 2)).shape == (4, 5)


def test_sys_path_is_left_alone(tmp_path):
    before = list(sys.path)
    load_callable(f"{write(tmp_path)}:net")
    assert sys.path == before


def test_two_files_of_one_name_stay_apart(tmp_path):
    factories = []
    for width in (4, 6):
        folder = tmp_path / str(width)
        folder.mkdir()
        source = f"from torch import nn\nclass Net(nn.Linear):\n    pass\ndef net():\n    return Net(1, {width})\n"
        factories.append(load_callable(f"{write(folder, source)}:net"))
    first, second = (factory() for factory in factories)
    assert (first.out_features, second.out_features) == (4, 6)
    assert sys.modules[type(first).__module__].Net is type(first)
    assert sys.modules[type(second).__module__].Net is type(second)


def test_a_result_that_is_no_module_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"returned int.*nn\.Module"):
        load_callable(f"{write(tmp_path)}:not_a_net")()


@pytest.mark.parametrize("function", ["missing", "number"])
def test_a_missing_function_is_refused(tmp_path, function):
    with pytest.raises(ConfigError, match=f"no function '{function}'"):
        load_callable(f"{write(tmp_path)}:{function}")


@pytest.mark.parametrize("spec", ["net", "mine.py", "mine.py:", ":net"])
def test_another_form_is_refused(spec):
    with pytest.raises(ConfigError, match=r"FILE\.py:FUNCTION"):
        load_callable(spec)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.py is not a Python file"):
        load_callable(f"{tmp_path / 'absent.py'}:net")


@pytest.mark.parametrize(("source", "message"), [("def net(:\n", "SyntaxError"), ("1 / 0\n", "ZeroDivisionError")])
def test_a_file_that_fails_is_named_and_leaves_no_module(tmp_path, source, message):
    before = set(sys.modules)
    with pytest.raises(ConfigError, match=f"mine.py fails to run: {message}"):
        load_callable(f"{write(tmp_path, source)}:net")
    assert not {name for name in set(sys.modules) - before if "mine" in name}
