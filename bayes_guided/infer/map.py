"""MAP: the guided regulariser, with rows that are exactly zero."""

import copy
import re
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from bayes_guided.architecture import reduce
from bayes_guided.exceptions import ConfigError
from bayes_guided.files import digest
from bayes_guided.infer.batches import Data, as_batches
from bayes_guided.infer.checkpoint import Checkpoint, Checkpoints
from bayes_guided.infer.map_fit import MAPFit, Refit, surviving
from bayes_guided.infer.objectives import MAPObjective, RefitObjective
from bayes_guided.infer.threads import threads_for
from bayes_guided.infer.training import Plan, train
from bayes_guided.likelihoods import Categorical, Likelihood, likelihood_to_json
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.priors.storage import prior_to_json


def fit_map(
    net: nn.Module,
    prior: GuidedPrior,
    data: Data,
    *,
    likelihood: Likelihood | None = None,
    epochs: int = 20,
    batch_size: int = 128,
    lr: float = 2e-3,
    schedule: Literal["constant", "cosine"] = "cosine",
    ramp_epochs: float = 0.0,
    warmup_steps: int = 50,
    metric: Literal["row", "weight"] = "row",
    refit_epochs: int = 0,
    validation: Data | None = None,
    allow_empty: bool = False,
    seed: int | None = None,
    device: str | torch.device = "cpu",
    checkpoint: str | Path | None = None,
    checkpoint_steps: int | None = None,
    checkpoint_seconds: float = 30.0,
    progress: bool | None = None,
) -> MAPFit:
    """Trains a copy of the network to the MAP of `N * mean NLL + penalty`; units leave as rows that are exactly zero.

    Args:
        net: the network; it is copied, and its own weights are the start.
        prior: the guided prior on its weights.
        data: a pair of tensors or arrays, or a DataLoader (`batch_size` is then the loader's). Floating-point values are
            cast to the network's dtype.
        likelihood: Categorical() by default.
        epochs, batch_size, lr, schedule: the training budget; `batch_size` is the largest, batches differ by one case.
        ramp_epochs: epochs over which the strength rises from 0; zero is absorbing for ReLU units (P28), so a strength
            that is too large early cannot be undone.
        warmup_steps, metric: as `ProximalAdam`.
        refit_epochs: epochs of training the reduced network without guidance, since MAP shrinks what it keeps.
        validation: data on which the error is measured after each epoch.
        allow_empty: accept that a whole group vanishes; otherwise that ends the fit.
        seed: governs order, dropout and all else, through torch's generators; drawn from torch's generator if left out,
            and recorded in the fit. Augmentation that draws from elsewhere, and persistent workers, are beyond it.
        device: where to train.
        checkpoint: a folder; a fit that is killed and started again with the same arguments, the network's starting weights
            and the seed among them, goes on to the same bits. Of a DataLoader only the counts are compared.
        checkpoint_steps, checkpoint_seconds: how often the checkpoint is written; steps are optimiser steps.
        progress: show a bar; by default in a terminal only.

    Raises:
        DataError, LabelError: for data that cannot be used.
        ConfigError: for a budget or seed out of range.
        NoMAPError: if the weight prior is unbounded (GroupHorseshoe).
        CollapseError: if a group loses all its units and `allow_empty` is False.
        DivergedError: if the loss or a weight becomes NaN or infinite.
        CheckpointError: if the checkpoint is corrupt or of another run.
        RunFolderError: if the checkpoint cannot be written.
        ArchitectureMismatchError: if the prior is of another network.
    """
    started = time.perf_counter()
    prior.architecture.check(net)
    plan = Plan(epochs, lr, schedule, ramp_epochs)
    refit_plan = Plan(refit_epochs, lr, schedule) if refit_epochs else None
    like = next(net.parameters())
    as_data = partial(as_batches, batch_size=batch_size, device=torch.device(device), dtype=like.dtype)
    batches, held_out = as_data(data), None if validation is None else as_data(validation)
    objective = MAPObjective(
        network=copy.deepcopy(net).to(device),
        likelihood=copy.deepcopy(Categorical() if likelihood is None else likelihood).to(device),
        prior=prior,
        batches=batches,
        held_out=held_out,
        lr=lr,
        warmup_steps=warmup_steps,
        metric=metric,
        allow_empty=allow_empty,
    )
    seed = _seed(seed)
    checkpoints = None
    if checkpoint is not None:
        identity = {
            "seed": seed,
            "batch_size": batch_size,
            "warmup_steps": warmup_steps,
            "metric": metric,
            "device": batches.device.type,
            "MAP": asdict(plan),
            "prior": prior_to_json(prior),
            "likelihood": likelihood_to_json(objective.likelihood),
            "network": _network_identity(net),
            "data": batches.digest(),
            "validation": None if held_out is None else held_out.digest(),
        }
        checkpoints = Checkpoints(Path(checkpoint), identity, steps=checkpoint_steps, seconds=checkpoint_seconds)
    with threads_for(prior.architecture.full().macs * batches.size / batches.per_epoch):
        phase = None if checkpoints is None else checkpoints.phase("MAP")
        history = train(objective, batches, plan, seed=seed, label="MAP", checkpoint=phase, progress=progress)
        refit = None
        if refit_plan is not None:
            phase = None if checkpoints is None else checkpoints.phase("refit", refit=asdict(refit_plan))
            refit = _refit(objective, refit_plan, seed=seed + 1, checkpoint=phase, progress=progress)
    return MAPFit(
        prior=prior,
        likelihood=objective.likelihood,
        net=objective.network.eval(),
        history=history,
        refit=refit,
        seed=seed,
        seconds=time.perf_counter() - started,
    )


def _refit(objective: MAPObjective, plan: Plan, *, seed: int, checkpoint: Checkpoint | None, progress: bool | None) -> Refit:
    """Trains the network reduced to the surviving units, and a copy of the likelihood."""
    prior, batches = objective.prior, objective.batches
    reduced = reduce(objective.network, surviving(prior, prior.architecture.rows(objective.network)))
    likelihood = copy.deepcopy(objective.likelihood)
    tuned = RefitObjective(reduced, prior, likelihood, batches, objective.held_out, lr=plan.lr)
    history = train(tuned, batches, plan, seed=seed, label="refit", checkpoint=checkpoint, progress=progress)
    return Refit(tuned.network.eval(), tuned.likelihood, history)


def _seed(seed: int | None) -> int:
    if seed is None:
        return int(torch.randint(2**31, ()).item())
    if not 0 <= seed < 2**63:
        raise ConfigError(f"seed={seed}: give a whole number from 0 to 2^63 - 1.")
    return seed


def _network_identity(net: nn.Module) -> dict[str, Any]:
    """What a checkpoint knows of the network that a fit starts from: its layers, weights and frozen parameters."""
    layers = re.sub(r" at 0x[0-9a-f]+", "", str(net))
    weights = {name: value for name, value in net.state_dict().items() if isinstance(value, Tensor)}
    return {
        "layers": digest({}, layers),
        "weights": digest(weights),
        "frozen": [name for name, parameter in net.named_parameters() if not parameter.requires_grad],
    }
