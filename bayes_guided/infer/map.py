"""MAP: the guided regulariser, with rows that are exactly zero."""

import copy
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from bayes_guided.architecture import reduce
from bayes_guided.infer.batches import Data, as_batches
from bayes_guided.infer.checkpoint import Checkpoints
from bayes_guided.infer.map_fit import MAPFit, Refit, surviving
from bayes_guided.infer.objectives import MAPObjective, RefitObjective
from bayes_guided.infer.threads import threads_for
from bayes_guided.infer.training import Plan, train
from bayes_guided.likelihoods import Categorical, Likelihood
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
        data: a pair of tensors or arrays, or a DataLoader (`batch_size` is then the loader's).
        likelihood: Categorical() by default.
        epochs, batch_size, lr, schedule: the training budget.
        ramp_epochs: epochs over which the strength rises from 0; zero is absorbing for ReLU units (P28), so a strength
            that is too large early cannot be undone.
        warmup_steps, metric: as `ProximalAdam`.
        refit_epochs: epochs of training the reduced network without guidance, since MAP shrinks what it keeps.
        validation: data on which the error is measured after each epoch.
        allow_empty: accept that a whole group vanishes; otherwise that ends the fit.
        seed: governs order, dropout and all else; drawn from torch's generator if left out.
        device: where to train.
        checkpoint: a folder; a fit that is killed and started again with the same arguments goes on to the same bits.
        checkpoint_steps, checkpoint_seconds: how often the checkpoint is written.
        progress: show a bar; by default in a terminal only.

    Raises:
        DataError, LabelError: for data that cannot be used.
        ConfigError: for a budget out of range.
        NoMAPError: if the weight prior is unbounded (GroupHorseshoe).
        CollapseError: if a group loses all its units and `allow_empty` is False.
        DivergedError: if the loss becomes NaN or infinite.
        CheckpointError: if the checkpoint is corrupt or of another run.
        ArchitectureMismatchError: if the prior is of another network.
    """
    started = time.perf_counter()
    seed = int(torch.randint(2**31, ()).item()) if seed is None else seed
    plan = Plan(epochs, lr, schedule, ramp_epochs)
    batches = as_batches(data, batch_size, torch.device(device))
    held_out = None if validation is None else as_batches(validation, batch_size, torch.device(device))
    objective = MAPObjective(
        network=copy.deepcopy(net).to(device),
        likelihood=copy.deepcopy(likelihood or Categorical()).to(device),
        prior=prior,
        batches=batches,
        held_out=held_out,
        lr=lr,
        warmup_steps=warmup_steps,
        metric=metric,
        allow_empty=allow_empty,
    )
    checkpoints = None
    if checkpoint is not None:
        settings = {"batch_size": batch_size, "warmup_steps": warmup_steps, "metric": metric, "seed": seed}
        identity = {"prior": prior_to_json(prior), "data": batches.digest(), **asdict(plan), **settings}
        checkpoints = Checkpoints(Path(checkpoint), identity, steps=checkpoint_steps, seconds=checkpoint_seconds)
    run = partial(train, batches=batches, checkpoints=checkpoints, progress=progress)
    with threads_for(prior.architecture.full().macs * batch_size):
        history = run(objective, plan=plan, seed=seed, phase="MAP")
        refit = None
        if refit_epochs:
            reduced = reduce(objective.network, surviving(prior, prior.architecture.rows(objective.network)))
            tuned = RefitObjective(reduced, prior, objective.likelihood, batches, held_out, lr=lr)
            refit_history = run(tuned, plan=Plan(refit_epochs, lr, schedule), seed=seed + 1, phase="refit")
            refit = Refit(tuned.network.eval(), tuned.likelihood, refit_history)
    return MAPFit(
        prior=prior,
        likelihood=objective.likelihood,
        net=objective.network.eval(),
        history=history,
        refit=refit,
        seed=seed,
        seconds=time.perf_counter() - started,
    )
