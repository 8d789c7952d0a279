"""Markov chains that can be killed at any moment and go on to the same bits."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import pyro
import torch
from torch import Tensor

from bayes_guided.infer.training.checkpoint import Checkpoint
from bayes_guided.infer.training.generators import generator_states, seeded_generators, set_generator_states

Record = dict[str, Tensor]
"""What a chain keeps of one draw, or, with draws as the first axis, of many; always the same names and shapes."""


class Chain(ABC):
    """One Markov chain; everything random in it comes from torch's global generators."""

    @abstractmethod
    def warm_up(self) -> Iterator[None]:
        """Goes from the start to the first draw's predecessor, tuning on the way; yields after every step.

        Raises:
            DivergedError: if the density is not finite at the start.
        """

    @abstractmethod
    def step(self) -> Record:
        """Makes one transition of the tuned chain and describes the new state."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """All that the steps to come depend on but for the generators, as tensors and JSON values."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`, in place of a warm-up."""


def run_chain(
    chain: Chain,
    draws: int,
    *,
    seed: int,
    device: torch.device,
    checkpoint: Checkpoint | None,
    advance: Callable[[int], object],
    warmup: int,
) -> Record:
    """Warms a chain up and takes `draws` draws, or goes on from the checkpoint; the same seed gives the same bits.

    The checkpoint is written after the warm-up, then every so many draws or seconds, and at the end. A chain killed in its
    warm-up starts again from its seed. `advance` hears of steps done, `warmup` of them being the warm-up's. The global
    generators and the setting of validation are lent.

    Raises:
        DivergedError: as `Chain.warm_up`.
        CheckpointError: if the checkpoint is corrupt or of another run.
        RunFolderError: if the checkpoint cannot be written.
    """
    # A diverging trajectory may pass through infinite weights, which must count as impossible and not as an error.
    with seeded_generators(seed, device), pyro.validation_enabled(False):
        saved = None if checkpoint is None else checkpoint.read()
        kept: list[Record] = []
        if saved is None:
            for _ in chain.warm_up():
                advance(1)
            _save(checkpoint, chain, kept, device)
        else:
            kept = _apart(saved["draws"])
            if len(kept) < draws:
                chain.restore(saved["chain"])
            set_generator_states(saved["generators"], device)
            advance(warmup + len(kept))
        while len(kept) < draws:
            kept.append({name: value.detach().cpu() for name, value in chain.step().items()})
            advance(1)
            if len(kept) == draws or (checkpoint is not None and checkpoint.is_due(len(kept))):
                _save(checkpoint, chain, kept, device)
    return _together(kept)


def _save(checkpoint: Checkpoint | None, chain: Chain, kept: list[Record], device: torch.device) -> None:
    if checkpoint is not None:
        draws = _together(kept) if kept else None
        checkpoint.write({"chain": chain.state(), "generators": generator_states(device), "draws": draws})


def _together(kept: list[Record]) -> Record:
    return {name: torch.stack([record[name] for record in kept]) for name in kept[0]}


def _apart(draws: Record | None) -> list[Record]:
    if draws is None:
        return []
    count = len(next(iter(draws.values())))
    return [{name: values[place] for name, values in draws.items()} for place in range(count)]
