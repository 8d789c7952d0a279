"""Reduction: a smaller network that computes what the network with silent units computes."""

import copy
import math

import torch
from torch import nn

from bayes_guided.arguments import require_instance
from bayes_guided.exceptions import ReductionError
from bayes_guided.nn.modes import evaluating

from .comparison import TOLERANCE, gap, outputs
from .constants import fold_constants, watching
from .folding import drop_gates, fold_values, folded_gates
from .inputs import ExampleInputs, like_parameters, perturbed
from .removal import remove_channels, removed_channels, zero_rows
from .sub_architecture import SubArchitecture


def reduce(net: nn.Module, sub: SubArchitecture) -> nn.Module:
    """A smaller copy of `net` without the units that are off in `sub`; `net` is untouched.

    In evaluation mode it computes what `net` computes with the rows of those units set to zero. Constants that such
    units still put out are folded into the next layer's bias, and gates into the weights next to them where that is exact
    (`UnitGroup.folds`); other gates stay, with fewer units. Mode and requires_grad flags are those of `net`. The
    outputs on the example inputs are compared before and after, at every call.

    Raises:
        ArchitectureMismatchError: if `sub` belongs to another network.
        ConfigError: if `sub` is no SubArchitecture.
        ReductionError: if the smaller network would not compute the same; nothing is returned.
    """
    require_instance("sub", sub, SubArchitecture, "a SubArchitecture, as architecture.sub_architecture(masks) makes it")
    sub.architecture.check(net)
    reduced, difference = _cut(net, sub)
    if difference > TOLERANCE:
        # Rounding in a deep float32 network can exceed the tolerance: double precision tells it from a mistake.
        _, difference = _cut(copy.deepcopy(net).double(), sub)
    if math.isnan(difference):
        raise ReductionError("the outputs are not finite on the example inputs: the reduction cannot be checked")
    if difference > TOLERANCE:
        raise ReductionError(
            f"the outputs of the reduced network differ by {difference:.1e} of the largest output (allowed {TOLERANCE:.0e}): "
            "the network uses its channels in a way that removal changes; protect the layers concerned"
        )
    return reduced


def _cut(net: nn.Module, sub: SubArchitecture) -> tuple[nn.Module, float]:
    """The reduced network, and how far its outputs are from those of the silenced one."""
    architecture = sub.architecture
    reduced = copy.deepcopy(net)
    for parameter in reduced.parameters():
        parameter.grad = None
    removed = removed_channels(architecture.groups, sub.masks)
    with evaluating(reduced), torch.no_grad():
        zero_rows(reduced, architecture.groups, sub.masks)
        batches = _test_batches(reduced, like_parameters(architecture.example_inputs, net))
        with watching(reduced, removed) as ranges:
            expected = [tensor for batch in batches for tensor in outputs(reduced, batch)]
        fold_constants(reduced, ranges, architecture.groups, sub.masks)
        fold_values(reduced, architecture.groups)
        remove_channels(reduced, removed)
        drop_gates(reduced, folded_gates(architecture.groups))
        try:
            actual = [tensor for batch in batches for tensor in outputs(reduced, batch)]
        except Exception as error:
            raise ReductionError(
                f"the network does not run at the widths {sub.widths} ({type(error).__name__}: {error}): keep more units"
            ) from error
    return reduced, gap(expected, actual)


def _test_batches(net: nn.Module, arguments: ExampleInputs) -> list[ExampleInputs]:
    """The example inputs, and a random variation that shows what depends on the input.

    The variation is left out where the network does not take it: an index out of range, the logarithm of a negative.
    """
    variation = perturbed(arguments, torch.Generator().manual_seed(0))
    try:
        finite = all(bool(tensor.isfinite().all()) for tensor in outputs(net, variation))
    except Exception:  # noqa: BLE001  the network may raise anything on inputs that its user did not choose
        finite = False
    return [arguments, variation] if finite else [arguments]
