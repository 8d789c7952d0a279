"""LeNet-300-100 with a gate on every pixel."""

from collections import OrderedDict

from torch import nn

from bayes_guided.nets import build
from bayes_guided.nn import Gate

PIXELS = "pixels"
"""The group of the gates, and the module that holds them; what `reduce` leaves of it selects pixels."""


def gated_lenet300(dropout: float) -> nn.Sequential:
    """Pixels -> gates -> dropout of that fraction of the pixels -> LeNet-300-100; runs under `bayes-guided fit` too."""
    return gated(nn.Identity(), 784, dropout, build("lenet300"))


def gated(before: nn.Module, inputs: int, dropout: float, layers: nn.Module) -> nn.Sequential:
    """Gates on the `inputs` features that come from `before`, then dropout, then `layers`."""
    parts = {"before": before, PIXELS: Gate(inputs), "dropout": nn.Dropout(dropout), "layers": layers}
    return nn.Sequential(OrderedDict(parts))


def gated_again(small: nn.Sequential, inputs: int, dropout: float) -> nn.Sequential:
    """A reduced network with new gates on the pixels it still has, so that fewer can be chosen among them."""
    chosen = nn.Sequential(small.get_submodule("before"), small.get_submodule(PIXELS))
    return gated(chosen, inputs, dropout, small.get_submodule("layers"))
