"""What each layer type owns: which axis is its output, which its input, and which parameters a unit carries.

A layer is either *crossing* (linear, convolution: channels in and out are different things) or *channelwise* (norms,
depthwise convolutions, PReLU, gates: one channel goes in and comes out). The channels of an attention layer are the rows of
its input projection: queries, keys and values of all heads.
"""

from dataclasses import dataclass
from typing import TypeAlias

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.instancenorm import _InstanceNorm

from bayes_guided.nn import Gate, HeadAttention

from .unit_group import Role

Attention: TypeAlias = nn.MultiheadAttention | HeadAttention

MIXES_CHANNELS = (nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm, nn.RMSNorm)
"""Norms whose statistics run over channels, so that a unit that is gone changes the others."""


@dataclass(frozen=True)
class OwnedParameter:
    """A parameter of a layer whose `axis` runs over the layer's output channels."""

    name: str
    axis: int
    role: Role


def is_channelwise(layer: nn.Module) -> bool:
    """Whether a channel that goes in is the same channel that comes out."""
    if isinstance(layer, _ConvNd):
        return is_depthwise(layer)
    return not isinstance(layer, nn.Linear)


def is_crossing(layer: nn.Module) -> bool:
    """Whether a layer makes new channels out of those that go in."""
    return isinstance(layer, nn.Linear | _ConvNd) and not is_channelwise(layer)


def is_depthwise(layer: _ConvNd) -> bool:
    """One kernel per channel: as many groups as channels, in and out."""
    return layer.groups > 1 and layer.groups == layer.out_channels == layer.in_channels


def is_transposed(layer: nn.Module) -> bool:
    """Whether the layer is a transposed convolution, whose weight has its output channels on axis 1."""
    return isinstance(layer, _ConvTransposeNd)


def out_channels(layer: nn.Module) -> int | None:
    """Output channels; None for a layer that treats all channels with the same weights (PReLU or gate with one)."""
    match layer:
        case nn.Linear():
            return layer.out_features
        case _ConvNd():
            return layer.out_channels
        case _BatchNorm() | _InstanceNorm():
            return layer.num_features
        case nn.PReLU() if layer.num_parameters > 1:
            return layer.num_parameters
        case Gate() if layer.size > 1:
            return layer.size
        case nn.MultiheadAttention() | HeadAttention() if layer.in_proj_weight is not None:
            return len(layer.get_parameter("in_proj_weight"))
        case _:
            return None


def in_channels(layer: nn.Module) -> int | None:
    """Input channels; equal to the output channels for a channelwise layer."""
    match layer:
        case nn.Linear():
            return layer.in_features
        case _ConvNd():
            return layer.in_channels
        case _:
            return out_channels(layer)


def set_out_channels(layer: nn.Module, channels: int) -> None:
    """Tell a layer whose weights were cut how many channels it puts out."""
    match layer:
        case nn.Linear():
            layer.out_features = channels
        case _ConvNd() if is_depthwise(layer):
            layer.in_channels = layer.out_channels = layer.groups = channels
        case _ConvNd():
            layer.out_channels = channels
        case _BatchNorm() | _InstanceNorm():
            layer.num_features = channels
        case nn.PReLU():
            layer.num_parameters = channels


def set_in_channels(layer: nn.Module, channels: int) -> None:
    """Tell a crossing layer whose weights were cut how many channels it takes."""
    if isinstance(layer, nn.Linear):
        layer.in_features = channels
    elif isinstance(layer, _ConvNd):
        layer.in_channels = channels


def channel_groups(layer: nn.Module) -> int:
    """Groups of a grouped convolution; 1 for every other layer, depthwise convolutions included."""
    return layer.groups if isinstance(layer, _ConvNd) and not is_depthwise(layer) else 1


def owned_parameters(layer: nn.Module) -> tuple[OwnedParameter, ...]:
    """The parameters whose slices belong to the layer's output channels, in the order of a row."""
    if isinstance(layer, Gate):
        return (OwnedParameter("weight", 0, Role.SIGNED_GATE if layer.signed else Role.GATE),)
    if out_channels(layer) is None:
        return ()
    if isinstance(layer, Attention):
        owned = (OwnedParameter("in_proj_weight", 0, Role.WEIGHT), OwnedParameter("in_proj_bias", 0, Role.BIAS))
        return tuple(entry for entry in owned if getattr(layer, entry.name) is not None)
    norm = isinstance(layer, _BatchNorm | _InstanceNorm)
    weight_axis = 1 if is_transposed(layer) and not is_channelwise(layer) else 0
    owned = (
        OwnedParameter("weight", weight_axis, Role.NORM_SCALE if norm else Role.WEIGHT),
        OwnedParameter("bias", 0, Role.NORM_SHIFT if norm else Role.BIAS),
    )
    return tuple(entry for entry in owned if getattr(layer, entry.name, None) is not None)


def in_axis(layer: nn.Module) -> int:
    """The axis of a crossing layer's weight that runs over its input channels (per group of a grouped convolution)."""
    return 0 if is_transposed(layer) else 1


def distrust(layer: nn.Module, name: str) -> str | None:
    """Why units that meet this layer cannot be removed, None where they can."""
    kind = type(layer).__name__
    if isinstance(layer, MIXES_CHANNELS):
        return f"shares statistics with its neighbours under {kind} {name!r}"
    if not isinstance(layer, nn.Linear | _ConvNd | _BatchNorm | _InstanceNorm | nn.PReLU | Gate):
        return f"is coupled to {name!r}, a layer of type {kind}, whose channels cannot be removed one by one"
    if hasattr(layer, "parametrizations") or not {n for n, _ in layer.named_parameters()} <= {"weight", "bias"}:
        return f"is coupled to {name!r}, whose weight is parametrised ({kind})"
    if isinstance(layer, _ConvNd) and layer.groups > 1 and not is_depthwise(layer):
        if is_transposed(layer):
            return f"is coupled to {name!r}, a transposed convolution with groups"
        if layer.groups == layer.out_channels:
            return f"is coupled to {name!r}, a grouped convolution with one output channel per group"
    return None


def is_opaque(layer: nn.Module) -> bool:
    """Whether a layer without sublayers works on channels in a way of its own: a norm over them, or unusual weights."""
    if isinstance(layer, MIXES_CHANNELS):
        return True
    weights = any(parameter.numel() > 1 for parameter in layer.parameters(recurse=False))
    return weights and next(layer.children(), None) is None and distrust(layer, "") is not None
