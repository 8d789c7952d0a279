"""Ensembles: MAP fits side by side, in one vmapped pass, that differ by seed, by bootstrap weights, or both."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import nn

from bayes_guided.arguments import whole_number
from bayes_guided.exceptions import ConfigError
from bayes_guided.infer.ensemble.member_batches import MemberBatches, bootstrap_weights, member_orders
from bayes_guided.infer.ensemble.members import put_member, starts
from bayes_guided.infer.ensemble.objective import EnsembleObjective
from bayes_guided.infer.ensemble.result import EnsembleFit, Vary
from bayes_guided.infer.training.batches import Data
from bayes_guided.infer.training.loop import Plan
from bayes_guided.infer.training.session import Session
from bayes_guided.likelihoods import Likelihood
from bayes_guided.priors.guided import GuidedPrior


def fit_ensemble(
    net: nn.Module,
    prior: GuidedPrior,
    data: Data,
    *,
    members: int = 16,
    vary: Vary = "seed",
    likelihood: Likelihood | None = None,
    epochs: int = 20,
    batch_size: int = 128,
    lr: float = 2e-3,
    schedule: Literal["constant", "cosine"] = "cosine",
    ramp_epochs: float = 0.0,
    warmup_steps: int = 50,
    metric: Literal["row", "weight"] = "row",
    validation: Data | None = None,
    allow_empty: bool = False,
    seed: int | None = None,
    device: str | torch.device = "cpu",
    checkpoint: str | Path | None = None,
    checkpoint_steps: int | None = None,
    checkpoint_seconds: float = 30.0,
    progress: bool | None = None,
) -> EnsembleFit:
    """Trains `members` MAP fits together; the share of members that keep a unit is its survival, with Jeffreys intervals.

    What the share means depends on what varies. Seeds measure optimiser noise: which units this training happens to end with.
    The bootstrap measures sampling noise: which units other data of the same kind would leave (P20). Neither is a posterior.

    Every member takes the steps that `fit_map` would take alone: with vary="seed", member 0 is `fit_map` of the same seed, to
    rounding, unless the network draws random numbers (dropout, which differs between members whatever varies). Memory is
    `members` times that of one MAP fit (weights, gradients, momentum, and activations; with own batch orders the inputs of a
    batch as well), all of it at once.

    Args:
        net: the network; it is copied, and its weights are the start of member 0 (of every member, with "bootstrap").
        prior, data, likelihood, epochs, batch_size, lr, schedule, ramp_epochs, warmup_steps, metric: as `fit_map`, for each
            member.
        members: how many.
        vary: "seed": initial weights (by each layer's `reset_parameters`; frozen weights stay) and the order of the cases,
            which is one for all members where the data are a DataLoader. "bootstrap": the weights of the cases, exponential
            and scaled to sum to N (the Bayesian bootstrap), fixed for each member; start and order are the same for all.
            "both": all of that.
        validation: data on which the error of the members' mean prediction is measured after each epoch.
        allow_empty: accept that a whole group vanishes in a member; otherwise that ends the fit.
        seed, device, checkpoint, checkpoint_steps, checkpoint_seconds, progress: as `fit_map`; one file holds all
            members.

    Raises:
        ConfigError: for a number of members, budget or seed out of range, an unknown `vary`, or a layer that cannot be
            initialised anew.
        DataError: for data that cannot be used, and for a bootstrap of a DataLoader.
        UnsupportedNetworkError: if the network does not run under torch.func.vmap.
        CollapseError: if a member loses all units of a group and `allow_empty` is False.
        DivergedError: if the loss or a weight of any member becomes NaN or infinite.
        LabelError, NoMAPError, CheckpointError, RunFolderError, ArchitectureMismatchError: as `fit_map`.
    """
    members = whole_number("members", members, least=2)
    if vary not in get_args(Vary):
        raise ConfigError(f'vary="{vary}": give "seed", "bootstrap" or "both".')
    plan = Plan(epochs, lr, schedule, ramp_epochs)
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
        settings={"method": "ensemble", "members": members, "vary": vary, "warmup_steps": warmup_steps, "metric": metric}
        | {"ensemble": asdict(plan)},
    )
    batches = _batches(session, members, vary)
    session = replace(session, batches=batches)
    objective = EnsembleObjective(
        [session.net] * members if vary == "bootstrap" else starts(session.net, members, session.seed),
        prior,
        session.likelihood,
        batches,
        session.held_out,
        lr=lr,
        warmup_steps=warmup_steps,
        metric=metric,
        allow_empty=allow_empty,
    )
    history = session.train(objective, plan, label="ensemble", members=members)
    draws = objective.draws()
    put_member(prior.architecture, session.net, session.likelihood, draws[:1])
    return EnsembleFit(
        prior=prior,
        likelihood=session.likelihood,
        net=session.net.eval(),
        history=history,
        seed=session.seed,
        seconds=session.seconds,
        members=draws,
        vary=vary,
    )


def _batches(session: Session, members: int, vary: Vary) -> MemberBatches:
    source, dtype = session.batches, next(session.net.parameters()).dtype
    return MemberBatches(
        source,
        orders=None if vary == "bootstrap" else member_orders(members, source.size, session.seed),
        weights=None if vary == "seed" else bootstrap_weights(members, source.size, session.seed, dtype),
    )
