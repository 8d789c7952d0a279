"""The one training loop: every fit is an objective given to it."""

import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from tqdm import tqdm

from bayes_guided.arguments import whole_number
from bayes_guided.exceptions import ConfigError, DivergedError
from bayes_guided.infer.training.batches import Batches
from bayes_guided.infer.training.checkpoint import Checkpoint, Position
from bayes_guided.infer.training.generators import generator_states, seeded_generators, set_generator_states
from bayes_guided.infer.training.history import Epoch, History
from bayes_guided.infer.training.processes import Processes, current_processes


@dataclass(frozen=True)
class BatchLoss:
    """What one batch gives: `loss` is back-propagated; `nll` (nats) and `error` are means over the batch, for the record."""

    loss: Float[Tensor, ""]
    nll: Float[Tensor, ""]
    error: Float[Tensor, ""]


class Objective(ABC):
    """What a fit minimises, with the optimiser that minimises it."""

    module: nn.Module
    """Everything that is trained, with its buffers: what a checkpoint holds."""
    optimizer: torch.optim.Optimizer

    @abstractmethod
    def batch_loss(self, inputs: Tensor, targets: Tensor) -> BatchLoss:
        """The loss of one batch, differentiable."""

    @abstractmethod
    def end_epoch(self, nll: float, error: float) -> Epoch:
        """The record of an epoch whose batches averaged to `nll` and `error`.

        Raises:
            CollapseError: if the fit has lost a whole group and may not.
        """


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train.

    `schedule` is the learning rate's: constant, or half a cosine down to 0. `ramp_epochs` raise `strength_scale` of an
    optimiser that has it linearly from 0 to 1; `progress`, the part of all steps that is done, is told to one that has it.

    Raises:
        ConfigError: if a number is out of range.
    """

    epochs: int
    lr: float
    schedule: Literal["constant", "cosine"] = "cosine"
    ramp_epochs: float = 0.0

    def __post_init__(self) -> None:
        whole_number("epochs", self.epochs)
        if not isinstance(self.lr, numbers.Real) or not 0 < self.lr < math.inf:
            raise ConfigError(f"lr={self.lr}: give a positive finite learning rate.")
        if self.schedule not in ("constant", "cosine"):
            raise ConfigError(f'schedule="{self.schedule}": give "constant" or "cosine".')
        if not 0 <= self.ramp_epochs <= self.epochs:
            raise ConfigError(f"ramp_epochs={self.ramp_epochs}: give a number from 0 to epochs ({self.epochs}).")

    def apply(self, optimizer: torch.optim.Optimizer, step: int, per_epoch: int) -> None:
        """Sets the optimiser's learning rate and strength for this step, counted from 0."""
        total, ramp = self.epochs * per_epoch, self.ramp_epochs * per_epoch
        factor = 0.5 * (1 + math.cos(math.pi * step / total)) if self.schedule == "cosine" else 1.0
        for settings in optimizer.param_groups:
            settings["lr"] = self.lr * factor
            if "strength_scale" in settings:
                settings["strength_scale"] = min(1.0, (step + 1) / ramp) if ramp else 1.0
            if "progress" in settings:
                settings["progress"] = (step + 1) / total


def train(
    objective: Objective,
    batches: Batches,
    plan: Plan,
    *,
    seed: int,
    label: str,
    checkpoint: Checkpoint | None = None,
    progress: bool | None = None,
) -> History:
    """Trains to the plan's end, from the checkpoint if it holds this run; the same seed gives the same bits.

    The global generators are lent: the caller's are as they were. `progress` shows a bar, named `label`; by default in a
    terminal only. Where torch.distributed has several processes (`processes`), each calls this with the same arguments.

    Raises:
        DivergedError: if the loss or a weight becomes NaN or infinite; the last checkpoint stays.
        CheckpointError: if the checkpoint is corrupt or of another run.
        RunFolderError: if the checkpoint cannot be written; the last one stays.
        CollapseError: as `Objective.end_epoch`.
    """
    processes = current_processes()
    with torch.enable_grad(), seeded_generators(seed, batches.device):
        saved = None if checkpoint is None else checkpoint.load(objective.module, objective.optimizer)
        processes.wait()  # nobody writes a checkpoint before all have read it
        position, history = saved or (Position(), History())
        total = plan.epochs * batches.per_epoch
        writer = checkpoint if processes.is_first else None
        with _bar(label, total, position.steps(batches.per_epoch), progress if processes.is_first else False) as bar:
            while position.epoch < plan.epochs:
                _train_epoch(objective, batches, plan, position, history, writer, bar, processes)
                processes.same_buffers(objective.module)
                _require_finite_weights(objective.module, position)
                record = objective.end_epoch(*position.means())
                history = history.then(record)
                position.next_epoch()
                bar.set_postfix(_summary(record))
                if writer is not None and position.epoch == plan.epochs:
                    writer.save(objective.module, objective.optimizer, position, history)
    return history


def _train_epoch(
    objective: Objective,
    batches: Batches,
    plan: Plan,
    position: Position,
    history: History,
    checkpoint: Checkpoint | None,
    bar: tqdm,
    processes: Processes,
) -> None:
    optimizer = objective.optimizer
    for batch in _remaining(batches, position):
        inputs, targets = processes.share(*batch)
        plan.apply(optimizer, position.steps(batches.per_epoch), batches.per_epoch)
        optimizer.zero_grad(set_to_none=True)
        losses = objective.batch_loss(inputs, targets)
        _require_finite_loss(losses.loss, position)
        losses.loss.backward()
        nll, error, cases = processes.average(objective.module.parameters(), losses.nll, losses.error, len(inputs))
        optimizer.step()
        position.advance(cases, nll, error)
        bar.update()
        if checkpoint is not None and checkpoint.is_due(position.steps(batches.per_epoch)):
            _require_finite_weights(objective.module, position)
            checkpoint.save(objective.module, optimizer, position, history)


def _remaining(batches: Batches, position: Position) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of this epoch that are still to come; a resumed epoch draws its order again and skips what it has done."""
    if position.now is None or position.epoch_start is None:
        position.epoch_start = generator_states(batches.device)
        yield from batches.epoch()
        return
    set_generator_states(position.epoch_start, batches.device)
    remaining = batches.epoch()
    for _ in range(position.batch):
        next(remaining)
    set_generator_states(position.now, batches.device)
    position.now = None
    yield from remaining


def _require_finite_loss(loss: Float[Tensor, ""], position: Position) -> None:
    if not math.isfinite(float(loss.detach())):
        raise _diverged(f"the loss is {float(loss.detach())}", position.epoch + 1, position.batch + 1)


def _require_finite_weights(module: nn.Module, position: Position) -> None:
    """A finite loss can have a gradient that is not; such weights must not reach a checkpoint or a result."""
    for name, weights in module.named_parameters():
        if not weights.numel():
            continue
        low, high = torch.aminmax(weights.detach())  # NaN passes through, and no temporary is as large as the weights
        if not (math.isfinite(float(low)) and math.isfinite(float(high))):
            raise _diverged(f"'{name}' is NaN or infinite", position.epoch + 1, position.batch)


def _diverged(what: str, epoch: int, batch: int) -> DivergedError:
    return DivergedError(
        f"{what} in epoch {epoch}, batch {batch}; lower the learning rate or look for extreme inputs. The last checkpoint, "
        "if any, is from before."
    )


def _bar(label: str, total: int, done: int, progress: bool | None) -> Any:
    hidden = None if progress is None else not progress
    return tqdm(total=total, initial=done, desc=label, unit="step", disable=hidden, leave=False)


def _summary(record: Epoch) -> dict[str, str]:
    summary = {"loss": f"{record.loss:.4f}", "error": f"{record.error:.4f}"}
    if record.widths:
        summary["units"] = str(sum(record.widths.values()))
    return summary
