"""Saved weights put into networks."""

import copy
from collections.abc import Mapping

from torch import Tensor, nn

from bayes_guided.exceptions import ArchitectureMismatchError


def with_state(net: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """A copy of the network with the saved weights and buffers, in the dtypes they were saved in.

    Raises:
        ArchitectureMismatchError: if the network is not the one that was fitted.
    """
    copied = copy.deepcopy(net)
    for name, tensor in [*copied.named_parameters(), *copied.named_buffers()]:
        if name in state:
            tensor.data = tensor.data.to(state[name].dtype)
    try:
        copied.load_state_dict(state)
    except RuntimeError as error:
        raise ArchitectureMismatchError(
            f"the network is not the one that was fitted: {error}. Build it with the same class and sizes."
        ) from error
    return copied
