"""Networks by name, as a configuration file names them."""

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from torch import nn

from bayes_guided.exceptions import ConfigError

from .lenet5 import lenet5
from .lenet300 import lenet300
from .mlp import mlp
from .resnet20 import resnet20

NETS: dict[str, Callable[..., nn.Module]] = {
    "mlp": mlp,
    "lenet300": lenet300,
    "lenet5": lenet5,
    "resnet20": resnet20,
}


def build(name: str, **settings: Any) -> nn.Module:
    """A freshly initialised network of `NETS`; `settings` go to its factory.

    Raises:
        ConfigError: if the name is unknown (the nearest known one is given), or if a setting is unknown, missing
            or out of range.
    """
    if name not in NETS:
        near = get_close_matches(name.lower(), NETS, n=1, cutoff=0.0)[0]
        raise ConfigError(f"unknown network {name!r}, the nearest is {near!r}; choose one of {', '.join(NETS)}.")
    signature = inspect.signature(NETS[name])
    try:
        signature.bind(**settings)
    except TypeError as error:
        raise ConfigError(f"network {name!r}: {error}; its settings are {name}{signature}.") from error
    return NETS[name](**settings)
