"""MAP: the guided regulariser, with rows that are exactly zero."""

from dataclasses import asdict
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from bayes_guided.arguments import whole_number
from bayes_guided.infer.map.objectives import MAPObjective
from bayes_guided.infer.map.result import MAPFit, surviving
from bayes_guided.infer.refit import train_refit
from bayes_guided.infer.training.batches import Data
from bayes_guided.infer.training.loop import Plan
from bayes_guided.infer.training.session import Session
from bayes_guided.likelihoods import Likelihood
from bayes_guided.priors.guided import GuidedPrior


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
        ConfigError: for an argument of the wrong kind, or a budget, seed or device out of range.
        NoMAPError: if the weight prior is unbounded (GroupHorseshoe).
        CollapseError: if a group loses all its units and `allow_empty` is False.
        DivergedError: if the loss or a weight becomes NaN or infinite.
        CheckpointError: if the checkpoint is corrupt or of another run.
        RunFolderError: if the checkpoint cannot be written.
        ArchitectureMismatchError: if the prior is of another network.
    """
    plan = Plan(epochs, lr, schedule, ramp_epochs)
    refit_plan = Plan(refit_epochs, lr, schedule) if whole_number("refit_epochs", refit_epochs, least=0) else None
    session = Session.begin(
        net,
        prior,
        data,
        likelihood=likelihood,
        validation=validation,
        batch_size=batch_size,
        seed=seed,
        device=device,
        checkpoint=checkpoint,
        checkpoint_steps=checkpoint_steps,
        checkpoint_seconds=checkpoint_seconds,
        progress=progress,
        settings={"method": "map", "warmup_steps": warmup_steps, "metric": metric, "MAP": asdict(plan)},
    )
    objective = MAPObjective(
        session.net,
        prior,
        session.likelihood,
        session.batches,
        session.held_out,
        lr=lr,
        warmup_steps=warmup_steps,
        metric=metric,
        allow_empty=allow_empty,
    )
    history = session.train(objective, plan, label="MAP")
    refit = None
    if refit_plan is not None:
        kept = surviving(prior, prior.architecture.rows(session.net))
        refit = train_refit(session, session.net, session.likelihood, kept, refit_plan)
    return MAPFit(
        prior=prior,
        likelihood=session.likelihood,
        net=session.net.eval(),
        history=history,
        refit=refit,
        seed=session.seed,
        seconds=session.seconds,
    )
