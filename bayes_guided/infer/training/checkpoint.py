"""Checkpoints: a run killed at any moment goes on to the same bits."""

import json
import reprlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bayes_guided.arguments import whole_number
from bayes_guided.exceptions import CheckpointError, ConfigError
from bayes_guided.files import load_tree, remove_partials, save_tree
from bayes_guided.infer.training.generators import Generators, generator_states
from bayes_guided.infer.training.history import History

_NAMED = 5
"""Differences that a refusal spells out."""


@dataclass
class Position:
    """Where a run is: epoch and batch, the sums over the epoch so far, and the generators at its start.

    `now` is set in a position that comes from a checkpoint: the generators to go on with.
    """

    epoch: int = 0
    batch: int = 0
    cases: int = 0
    nll: Float[Tensor, ""] | float = 0.0
    error: Float[Tensor, ""] | float = 0.0
    epoch_start: Generators | None = None
    now: Generators | None = None

    def steps(self, per_epoch: int) -> int:
        """Steps done."""
        return self.epoch * per_epoch + self.batch

    def advance(self, cases: int, nll: Float[Tensor, ""], error: Float[Tensor, ""]) -> None:
        """Counts one batch, of means `nll` and `error`; the sums stay on the device."""
        self.batch += 1
        self.cases += cases
        self.nll = self.nll + nll.detach().double() * cases
        self.error = self.error + error.detach().double() * cases

    def means(self) -> tuple[float, float]:
        """Mean NLL (nats) and error over the cases of the epoch so far."""
        return float(self.nll) / self.cases, float(self.error) / self.cases

    def next_epoch(self) -> None:
        """Moves to the start of the next epoch."""
        self.epoch, self.batch, self.cases = self.epoch + 1, 0, 0
        self.nll, self.error = 0.0, 0.0


class Checkpoints:
    """Files that always hold a whole state of one run, one file per phase, rewritten every so many steps or seconds."""

    def __init__(self, folder: Path, identity: dict[str, Any], *, steps: int | None, seconds: float) -> None:
        """`identity` says which run this is, as JSON values; a file of another identity is refused, not continued.

        Raises:
            ConfigError: if `steps` or `seconds` is not positive.
        """
        check_interval(steps, seconds)
        self.folder = folder
        self.identity = identity
        self.every_steps, self.every_seconds = steps, seconds

    def phase(self, name: str, **settings: Any) -> "Checkpoint":
        """The checkpoint of one phase of the run; `settings` are what its identity adds to the run's."""
        identity = json.loads(json.dumps({**self.identity, "phase": name, **settings}))
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
        """Writes the whole state of a training run atomically.

        Raises:
            RunFolderError: if the file cannot be written; the last one stays.
            CheckpointError: if the network keeps extra state that is neither a tensor nor a JSON value.
        """
        self.write(
            {
                "module": dict(module.state_dict()),
                "optimizer": optimizer.state_dict(),
                "position": {
                    "epoch": position.epoch,
                    "batch": position.batch,
                    "cases": position.cases,
                    "nll": torch.as_tensor(position.nll, dtype=torch.float64),
                    "error": torch.as_tensor(position.error, dtype=torch.float64),
                    "epoch_start": position.epoch_start,
                    "now": generator_states(_device(module)),
                },
                "history": history.to_json(),
            }
        )

    def write(self, state: dict[str, Any]) -> None:
        """Writes a state, nested dicts and lists of tensors and JSON values, atomically and with the run's identity.

        Raises:
            RunFolderError: if the file cannot be written; the last one stays.
            CheckpointError: if the state holds anything else.
        """
        save_tree(self.path, {"identity": self.identity, **state}, kind="checkpoint")
        self._last = time.monotonic()

    def load(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[Position, History] | None:
        """Restores the state in place; None if there is no file yet. Clears what killed writers left.

        Raises:
            CheckpointError: if the file is corrupt or of another run; nothing was changed.
        """
        tree = self.read()
        if tree is None:
            return None
        place, device = tree["position"], _device(module)
        sums = {name: place[name].to(device) for name in ("nll", "error")}
        module.load_state_dict(tree["module"])
        optimizer.load_state_dict(tree["optimizer"])
        return Position(**{**place, **sums}), History.from_json(tree["history"])

    def read(self) -> dict[str, Any] | None:
        """What `write` wrote; None if there is no file yet. Clears what killed writers left.

        Raises:
            CheckpointError: if the file is corrupt or of another run.
        """
        remove_partials(self.path)
        if not self.path.exists():
            return None
        tree = load_tree(self.path, kind="checkpoint")
        _require_same_run(self.path, tree["identity"], self.identity)
        return tree


def check_interval(steps: int | None, seconds: float) -> None:
    """Refuses to write a checkpoint every so many steps and seconds.

    Raises:
        ConfigError: if `steps` is given and not a positive whole number, or `seconds` is not positive.
    """
    if steps is not None:
        whole_number("checkpoint_steps", steps)
    if not seconds > 0:
        raise ConfigError(f"checkpoint_seconds={seconds}: give a positive number.")


def _device(module: nn.Module) -> torch.device:
    return next(module.parameters()).device


def _require_same_run(path: Path, found: dict[str, Any], expected: dict[str, Any]) -> None:
    there, here = _flat(found), _flat(expected)
    differing = [key for key in {**here, **there} if there.get(key) != here.get(key)]
    if not differing:
        return
    named = [
        f"{key} is {reprlib.repr(there.get(key))} there, {reprlib.repr(here.get(key))} here" for key in differing[:_NAMED]
    ]
    more = f"; and {len(differing) - _NAMED} more" if len(differing) > _NAMED else ""
    raise CheckpointError(
        f"'{path}' belongs to another run: {'; '.join(named)}{more}. Give another checkpoint folder, or the settings, data "
        "and starting weights of that run."
    )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
