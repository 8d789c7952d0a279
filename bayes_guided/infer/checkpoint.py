"""Checkpoints: a run killed at any moment goes on to the same bits."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bayes_guided.exceptions import CheckpointError, ConfigError
from bayes_guided.files import load_tree, save_tree
from bayes_guided.infer.history import History

Generators = dict[str, Tensor]


def generator_states() -> Generators:
    """The states of torch's generators, of the CPU and of the current CUDA device if CUDA is in use."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def set_generator_states(states: Generators) -> None:
    """The inverse of `generator_states`."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"])


@dataclass
class Position:
    """Where a run is: epoch and batch, the sums over the epoch so far, and the generators at the epoch's start and now."""

    epoch: int = 0
    batch: int = 0
    nll: Float[Tensor, ""] | float = 0.0
    error: Float[Tensor, ""] | float = 0.0
    epoch_start: Generators | None = None
    now: Generators | None = field(default=None)

    def steps(self, per_epoch: int) -> int:
        """Steps done."""
        return self.epoch * per_epoch + self.batch

    def begin_epoch(self) -> bool:
        """Sets the generators for drawing this epoch's order; True if the epoch had begun before an interruption."""
        if self.now is None:
            self.epoch_start = generator_states()
            return False
        if self.batch == 0:
            set_generator_states(self.now)
            self.now = None
            self.epoch_start = generator_states()
            return False
        assert self.epoch_start is not None
        set_generator_states(self.epoch_start)
        return True

    def restore_generators(self) -> None:
        """Sets the generators to where the interrupted run had them."""
        assert self.now is not None
        set_generator_states(self.now)
        self.now = None

    def advance(self, cases: int, nll: Float[Tensor, ""], error: Float[Tensor, ""]) -> None:
        """Counts one batch; the sums stay on the device."""
        self.batch += 1
        self.nll = self.nll + nll.detach().double() * cases
        self.error = self.error + error.detach().double() * cases

    def next_epoch(self) -> None:
        """Moves to the start of the next epoch."""
        self.epoch, self.batch = self.epoch + 1, 0
        self.nll, self.error = 0.0, 0.0


class Checkpoints:
    """Files that always hold a whole state of one run, one file per phase, rewritten every so many steps or seconds."""

    def __init__(self, folder: Path, identity: dict[str, Any], *, steps: int | None, seconds: float) -> None:
        """`identity` says which run this is, as JSON values; a file of another identity is refused, not continued.

        Raises:
            ConfigError: if `steps` or `seconds` is not positive.
        """
        if (steps is not None and steps < 1) or not seconds > 0:
            raise ConfigError(f"checkpoint_steps={steps}, checkpoint_seconds={seconds}: give positive numbers.")
        self.folder = folder
        self.identity = identity
        self.every_steps, self.every_seconds = steps, seconds

    def phase(self, name: str, plan: dict[str, Any]) -> "Checkpoint":
        """The checkpoint of one phase of the run, which follows `plan`."""
        identity = json.loads(json.dumps({**self.identity, "phase": name, "plan": plan}))
        return Checkpoint(self.folder / f"{name.lower()}.safetensors", identity, self.every_steps, self.every_seconds)


class Checkpoint:
    """The file of one phase."""

    def __init__(self, path: Path, identity: dict[str, Any], steps: int | None, seconds: float) -> None:
        self.path = path
        self.identity = identity
        self.every_steps, self.every_seconds = steps, seconds
        self._last = time.monotonic()

    def is_due(self, step: int) -> bool:
        """Whether to save after this many steps."""
        if self.every_steps is not None and step % self.every_steps == 0:
            return True
        return time.monotonic() - self._last >= self.every_seconds

    def save(self, module: nn.Module, optimizer: torch.optim.Optimizer, position: Position, history: History) -> None:
        """Writes the whole state atomically.

        Raises:
            RunFolderError: if the file cannot be written; the last one stays.
        """
        tree = {
            "identity": self.identity,
            "module": dict(module.state_dict()),
            "optimizer": optimizer.state_dict(),
            "position": {
                "epoch": position.epoch,
                "batch": position.batch,
                "nll": torch.as_tensor(position.nll, dtype=torch.float64),
                "error": torch.as_tensor(position.error, dtype=torch.float64),
                "epoch_start": position.epoch_start,
                "now": generator_states(),
            },
            "history": history.to_json(),
        }
        save_tree(self.path, tree, kind="checkpoint")
        self._last = time.monotonic()

    def load(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[Position, History] | None:
        """Restores the state in place; None if there is no file yet.

        Raises:
            CheckpointError: if the file is corrupt or of another run; nothing was changed.
        """
        if not self.path.exists():
            return None
        tree = load_tree(self.path, kind="checkpoint")
        _require_same_run(self.path, tree["identity"], self.identity)
        device = next(module.parameters()).device
        place = tree["position"]
        position = Position(
            epoch=place["epoch"],
            batch=place["batch"],
            nll=place["nll"].to(device),
            error=place["error"].to(device),
            epoch_start=place["epoch_start"],
            now=place["now"],
        )
        module.load_state_dict(tree["module"])
        optimizer.load_state_dict(tree["optimizer"])
        return position, History.from_json(tree["history"])


def _require_same_run(path: Path, found: dict[str, Any], expected: dict[str, Any]) -> None:
    differing = [key for key in expected if found.get(key) != expected[key]]
    if differing:
        first = differing[0]
        raise CheckpointError(
            f"'{path}' belongs to another run: {', '.join(differing)} differ ({first}: {found.get(first)!r} there, "
            f"{expected[first]!r} here); give another checkpoint folder, or the settings of that run."
        )
