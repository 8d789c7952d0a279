"""What a silent unit still puts out: act(0) of a sigmoid, the mean of a norm without parameters.

Such a constant is folded into the bias of the layer that reads it, where that is exact; otherwise the unit is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from bayes_guided.exceptions import ReductionError
from bayes_guided.types import Masks

from . import layers
from .unit_group import UnitGroup


@dataclass(frozen=True, eq=False)
class InputRange:
    """Smallest and largest value that each of these input channels of a layer took."""

    positions: list[int]
    low: Float[Tensor, "positions"]
    high: Float[Tensor, "positions"]

    def widened(self, other: "InputRange") -> "InputRange":
        """The range of both."""
        return InputRange(self.positions, self.low.minimum(other.low), self.high.maximum(other.high))


@contextmanager
def watching(net: nn.Module, removed: Mapping[tuple[str, str], Sequence[int]]) -> Iterator[dict[str, InputRange]]:
    """Ranges, per layer, of the input channels that are removed, over the forward passes of `net` that run inside."""
    ranges: dict[str, InputRange] = {}
    handles = [
        net.get_submodule(name).register_forward_pre_hook(_watcher(name, list(positions), ranges), with_kwargs=True)
        for (name, side), positions in removed.items()
        if side == "in" and layers.is_crossing(net.get_submodule(name))
    ]
    try:
        yield ranges
    finally:
        for handle in handles:
            handle.remove()


def _watcher(name: str, positions: list[int], ranges: dict[str, InputRange]) -> Any:
    def watch(module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        given = arguments[0] if arguments else keywords["input"]
        spatial = len(module.kernel_size) if isinstance(module, _ConvNd) else 0
        channels = given.movedim(given.dim() - 1 - spatial, 0)[positions].reshape(len(positions), -1)
        seen = InputRange(positions, channels.amin(1), channels.amax(1))
        ranges[name] = ranges[name].widened(seen) if name in ranges else seen

    return watch


def fold_constants(net: nn.Module, ranges: Mapping[str, InputRange], groups: Sequence[UnitGroup], masks: Masks) -> None:
    """Add what the silent units contribute to each reading layer to its bias, in place.

    Raises:
        ReductionError: if a contribution is not the same everywhere, naming the group, the units and the mend.
    """
    for name, seen in ranges.items():
        if not (seen.low.any() or seen.high.any()):
            continue
        module = net.get_submodule(name)
        obstacle = _obstacle(module, seen)
        if obstacle is not None:
            raise ReductionError(_refusal(name, obstacle, seen, groups, masks))
        _add_to_bias(module, _contribution(module, seen))


def _obstacle(module: nn.Module, seen: InputRange) -> str | None:
    """Why the constants cannot be folded into this layer exactly, None where they can."""
    spread = seen.high - seen.low
    if (spread > _rounding(seen)).any():
        return "varies with the input or the position"
    if isinstance(module, _ConvNd):
        if module.transposed:
            return "reaches a transposed convolution, whose border sees fewer taps"
        if module.padding_mode == "zeros" and _pads(module):
            return "reaches a convolution that pads with zeros, so that the border differs"
    return None


def _rounding(seen: InputRange) -> Float[Tensor, "positions"]:
    return 16 * torch.finfo(seen.low.dtype).eps * torch.maximum(seen.low.abs(), seen.high.abs())


def _pads(module: _ConvNd) -> bool:
    if isinstance(module.padding, str):
        return module.padding == "same" and any(size > 1 for size in module.kernel_size)
    return any(module.padding)


def _contribution(module: nn.Module, seen: InputRange) -> Float[Tensor, "channels"]:
    constants = ((seen.low + seen.high) / 2).detach()
    weight = module.get_parameter("weight").detach()
    if isinstance(module, nn.Linear):
        return weight[:, seen.positions] @ constants
    taps = weight.flatten(2).sum(2)
    conv_groups = layers.channel_groups(module)
    given = constants.new_zeros(layers.in_channels(module) or 0)
    given[seen.positions] = constants
    per_group = taps.reshape(conv_groups, -1, taps.shape[1])
    return (per_group @ given.reshape(conv_groups, -1, 1)).reshape(-1)


def _add_to_bias(module: nn.Module, contribution: Float[Tensor, "channels"]) -> None:
    with torch.no_grad():
        if module.bias is None:
            trains = module.get_parameter("weight").requires_grad
            module.bias = nn.Parameter(contribution, requires_grad=trains)
        else:
            module.get_parameter("bias").add_(contribution)


def _refusal(layer: str, obstacle: str, seen: InputRange, groups: Sequence[UnitGroup], masks: Masks) -> str:
    nonzero = {p for p, live in zip(seen.positions, (seen.low != 0) | (seen.high != 0), strict=True) if live}
    culprits = []
    for group in groups:
        index = group.removals.get((layer, "in"))
        if index is not None:
            units = [u for u in (~masks[group.name]).nonzero().flatten().tolist() if nonzero & set(index[u].tolist())]
            if units:
                culprits.append(f"units {units} of group {group.name!r}")
    return (
        f"{' and '.join(culprits)} put out a value other than zero although their rows are zero, and it {obstacle} "
        f"(layer {layer!r}): keep these units, or use an activation that maps zero to zero"
    )
