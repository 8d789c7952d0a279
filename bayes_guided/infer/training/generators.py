"""torch's random generators: read, set, and lent to a fit without a trace."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

Generators = dict[str, Tensor]
"""States of the generators that a computation on one device draws from: "cpu", and "cuda" for a CUDA device."""


def generator_states(device: torch.device) -> Generators:
    """The states of the global generators of the CPU and of this device."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_generator_states(states: Generators, device: torch.device) -> None:
    """The inverse of `generator_states`."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)


@contextmanager
def kept_generators(device: torch.device) -> Iterator[None]:
    """Runs the body, then puts the generators back to where they were."""
    states = generator_states(device)
    try:
        yield
    finally:
        set_generator_states(states, device)


@contextmanager
def seeded_generators(seed: int, device: torch.device) -> Iterator[None]:
    """Runs the body on generators of this seed, then puts them back to where they were.

    `torch.manual_seed` is not used: it would seed the generators of every other device as well, and those are the caller's.
    """
    with kept_generators(device):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
