"""What every fit starts with: copies of network and likelihood on the device, batches, a seed, checkpoints."""

import copy
import numbers
import re
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bayes_guided.arguments import require_instance, usable_device
from bayes_guided.exceptions import ConfigError
from bayes_guided.files import digest
from bayes_guided.infer.training.batches import Batches, Data, as_batches
from bayes_guided.infer.training.checkpoint import Checkpoints, check_interval
from bayes_guided.infer.training.history import History
from bayes_guided.infer.training.loop import Objective, Plan, train
from bayes_guided.infer.training.processes import current_processes
from bayes_guided.infer.training.threads import threads_for
from bayes_guided.likelihoods import Categorical, Likelihood, likelihood_to_json
from bayes_guided.priors import GuidedPrior, SpikeAndSlabPrior
from bayes_guided.priors.storage import prior_to_json

Prior = GuidedPrior | SpikeAndSlabPrior
"""What a fit starts from: a continuous guided prior, or one with models in it."""


@dataclass(frozen=True, eq=False)
class Session:
    """One fit's surroundings; made by `begin`, and what is trained is an `Objective` given to `train`.

    `net` and `likelihood` are copies on the device, to be trained in place; the user's own stay as they are.
    """

    net: nn.Module
    prior: Prior
    likelihood: Likelihood
    batches: Batches
    held_out: Batches | None
    seed: int
    checkpoints: Checkpoints | None
    progress: bool | None
    started: float = field(default_factory=time.perf_counter)

    @classmethod
    def begin(
        cls,
        net: nn.Module,
        prior: Prior,
        data: Data,
        *,
        likelihood: Likelihood | None,
        validation: Data | None,
        batch_size: int,
        seed: int | None,
        device: str | torch.device,
        checkpoint: str | Path | None,
        checkpoint_steps: int | None,
        checkpoint_seconds: float,
        progress: bool | None,
        settings: dict[str, Any],
    ) -> "Session":
        """Checks and copies what a fit is given; of several `processes`, the first one's weights and seed hold for all.

        `settings` are all other arguments of the fit that decide what it computes, as JSON values: with prior, data, starting
        weights and seed they are the identity of its checkpoints.

        Raises:
            ArchitectureMismatchError: if the prior is of another network.
            DataError: for data that cannot be used.
            ConfigError: for an argument of the wrong kind, a device that is not there, or a seed or checkpoint setting out of
                range.
        """
        likelihood = Categorical() if likelihood is None else likelihood
        _check_kinds(net, prior, likelihood)
        check_interval(checkpoint_steps, checkpoint_seconds)
        prior.architecture.check(net)
        device, dtype = usable_device(device), next(net.parameters()).dtype
        batches = as_batches(data, batch_size, device, dtype)
        held_out = None if validation is None else as_batches(validation, batch_size, device, dtype)
        net = copy.deepcopy(net).to(device)
        likelihood = copy.deepcopy(likelihood).to(device)
        processes = current_processes()
        processes.same_start(net)
        processes.same_start(likelihood)
        seed = processes.agree(_seed(seed), device)
        checkpoints = None
        if checkpoint is not None:
            identity = {
                **settings,
                "seed": seed,
                "batch_size": batch_size,
                "device": device.type,
                "prior": prior_to_json(prior),
                "likelihood": likelihood_to_json(likelihood),
                "network": _network_identity(net),
                "data": batches.digest(),
                "validation": None if held_out is None else held_out.digest(),
            }
            checkpoints = Checkpoints(Path(checkpoint), identity, steps=checkpoint_steps, seconds=checkpoint_seconds)
        return cls(net, prior, likelihood, batches, held_out, seed, checkpoints, progress)

    def train(
        self, objective: Objective, plan: Plan, *, label: str, seed: int | None = None, members: int = 1, **settings: Any
    ) -> History:
        """Trains the objective to the plan's end, or goes on from this phase's checkpoint `<label>.safetensors`.

        `seed` is the session's by default; `members` networks are trained side by side; `settings` add to the identity of
        this phase's checkpoint.

        Raises:
            DivergedError, CheckpointError, RunFolderError, CollapseError: as `training.train`.
        """
        phase = None
        if self.checkpoints is not None:
            phase = self.checkpoints.phase(label, **{label: asdict(plan)}, **settings)
        work = self.prior.architecture.full().macs * self.batches.size / self.batches.per_epoch * members
        with threads_for(work):
            return train(
                objective,
                self.batches,
                plan,
                seed=self.seed if seed is None else seed,
                label=label,
                checkpoint=phase,
                progress=self.progress,
            )

    @property
    def seconds(self) -> float:
        """Seconds since the fit was started."""
        return time.perf_counter() - self.started


def _seed(seed: int | None) -> int:
    if seed is None:
        return int(torch.randint(2**31, ()).item())
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or not 0 <= seed < 2**63:
        raise ConfigError(f"seed={seed!r}: give a whole number from 0 to 2^63 - 1.")
    return int(seed)


def _check_kinds(net: Any, prior: Any, likelihood: Any) -> None:
    require_instance("net", net, nn.Module, "the network, a torch.nn.Module")
    require_instance("prior", prior, (GuidedPrior, SpikeAndSlabPrior), "a GuidedPrior or a SpikeAndSlabPrior")
    require_instance("likelihood", likelihood, Likelihood, "one of bayes_guided.likelihoods, such as Categorical()")


def _network_identity(net: nn.Module) -> dict[str, Any]:
    """What a checkpoint knows of the network that a fit starts from: its layers, weights and frozen parameters."""
    layers = re.sub(r" at 0x[0-9a-f]+", "", str(net))
    weights = {name: value for name, value in net.state_dict().items() if isinstance(value, Tensor)}
    return {
        "layers": digest({}, layers),
        "weights": digest(weights),
        "frozen": [name for name, parameter in net.named_parameters() if not parameter.requires_grad],
    }
