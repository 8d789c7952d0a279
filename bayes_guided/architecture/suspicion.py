"""What speaks against removing the units that meet a layer, and what couples the groups of a convolution."""

import numpy as np
from torch import nn

from . import layers
from .channel_graph import Station, relation
from .tracing import Tracing

SINGLE_UNIT = "is a single unit, and at least one stays in every model"
"""The reason not to remove the only unit of a layer: an empty layer would leave the network without its input."""


def layer_reasons(layer: nn.Module, name: str, tracing: Tracing) -> list[str]:
    """Reasons that lie in the layer's type, its weights or its use."""
    reasons = [layers.distrust(layer, name)]
    if tracing.calls.get(name, 0) > 1:
        reasons.append(f"is coupled to {name!r}, which is called more than once in a forward pass")
    return [reason for reason in reasons if reason is not None]


def bare_parameter(name: str) -> str:
    """The reason not to remove units that are combined with a parameter outside any known layer."""
    return f"is combined with the bare parameter {name!r}, whose axes have no known meaning"


def shared_parameters(net: nn.Module) -> dict[str | None, str]:
    """The reason not to cut each layer that holds a parameter which another layer holds too."""
    holders: dict[nn.Parameter, list[str]] = {}
    for name, parameter in net.named_parameters(remove_duplicate=False):
        holders.setdefault(parameter, []).append(name)
    return {
        name.rpartition(".")[0]: f"shares a weight between {' and '.join(map(repr, names))}"
        for names in holders.values()
        if len(names) > 1
        for name in names
    }


def couple_conv_groups(layer: nn.Module, station: Station) -> None:
    """The j-th channels of all groups of a grouped convolution leave together, so that the groups stay equal."""
    groups = layers.channel_groups(layer)
    if groups == 1:
        return
    channels = layers.out_channels(layer) if station.side == "out" else layers.in_channels(layer)
    assert channels is not None
    matrix = np.arange(channels).reshape(groups, -1)
    station.couple(station, [relation(np.tile(matrix[0], groups), matrix.ravel())])
    station.couple(station, [relation(matrix.ravel(), np.tile(matrix[0], groups))])
