"""Stochastic variational inference for a spike and slab: a posterior over models and over the weights of each."""

import copy
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from bayes_guided.arguments import whole_number
from bayes_guided.exceptions import CollapseError, ConfigError
from bayes_guided.guides.base import START_SD
from bayes_guided.guides.spike_and_slab import SpikeAndSlabGuide
from bayes_guided.infer.inclusion.elbo import final_bound
from bayes_guided.infer.inclusion.likelihood import Gradient, choose_gradient
from bayes_guided.infer.inclusion.objective import (
    GuidedL0Objective,
    InclusionObjective,
    StructuredObjective,
    chosen_model,
    write_most_probable,
)
from bayes_guided.infer.inclusion.result import GuideKind, InclusionFit, Restart
from bayes_guided.infer.refit import train_refit
from bayes_guided.infer.training.batches import Data
from bayes_guided.infer.training.generators import seeded_generators
from bayes_guided.infer.training.history import History
from bayes_guided.infer.training.loop import Plan
from bayes_guided.infer.training.session import Session
from bayes_guided.likelihoods import Likelihood
from bayes_guided.priors.estimate import Estimate
from bayes_guided.priors.spike_and_slab import SpikeAndSlabPrior

_OBJECTIVES: dict[str, type[InclusionObjective]] = {"structured": StructuredObjective, "guided_l0": GuidedL0Objective}

_JITTER = 2.0
"""Standard deviation, in nats of log odds, by which restarts differ in their starts: that of START's own size, so that units
which start absent are rare but do occur."""


def fit_inclusion(
    net: nn.Module,
    prior: SpikeAndSlabPrior,
    data: Data,
    *,
    likelihood: Likelihood | None = None,
    guide: GuideKind = "structured",
    epochs: int = 100,
    batch_size: int = 128,
    lr: float = 1e-2,
    schedule: Literal["constant", "cosine"] = "cosine",
    ramp_epochs: float | None = None,
    gradient: Gradient | None = None,
    particles: int = 1,
    start_sd: float = START_SD,
    restarts: int = 1,
    elbo_draws: int = 100,
    validation: Data | None = None,
    refit_epochs: int = 0,
    allow_empty: bool = False,
    seed: int | None = None,
    device: str | torch.device = "cpu",
    checkpoint: str | Path | None = None,
    checkpoint_steps: int | None = None,
    checkpoint_seconds: float = 30.0,
    progress: bool | None = None,
) -> InclusionFit:
    """Fits q(m) q(rows | m): which units are present, and Gaussian rows where they are; exactly zero where not (P29).

    q(m) is of the family that the prior over models calls for: independent units, a categorical law of the width (nested), or
    a law of the width times a composition (tilted, complexities). The divergence from the prior is warmed up.

    A law of the width starts uniform and is set in closed form, with no step size (`WidthUpdates`). All others are trained by
    gradients and start with units nearly present, since a unit that is absent early hardly comes back; units that can change
    places without a change of the function, such as those of a hidden layer, are put where the prior likes them best, about 20
    times in a fit (`Exchanges`). Guided L0 has its units where they started.

    Args:
        net: the network; it is copied, and its own weights are the means at the start.
        prior: the spike and slab; its `log_volume` plays no part.
        data, likelihood, epochs, batch_size, lr, schedule, validation, seed, device, checkpoint, checkpoint_steps,
            checkpoint_seconds, progress: as `fit_map`.
        guide: "structured"; or "guided_l0", its limit without entropies: point weights, a constant slab (the prior's slab
            plays no part) and the expected cost sum_u c_u q_u. That needs an IndependentInclusion.
        ramp_epochs: epochs over which the divergence rises from 0 to its full weight; a quarter of all by default. So long a
            law of the width stays uniform.
        gradient: "enumeration" (exact, few models), "widths" (unbiased, few widths), "draws" (unbiased, for nested priors) or
            "hard_concrete" (biased, for all others); by default the first of these that is cheap. `likelihood.Gradient` says
            by what each is biased.
        particles: draws of the weights per step.
        start_sd: standard deviation of every weight at the start.
        restarts: how many starts; the fit of the largest bound wins, and the bounds of all are reported.
        elbo_draws: draws of models and weights for the final bound, and for its standard error.
        refit_epochs: epochs of training the network reduced to the most probable model, from its posterior means, without the
            prior over models; 0 for none.
        allow_empty: accept that the most probable model leaves a whole group empty.

    Raises:
        DataError, LabelError: for data that cannot be used.
        ConfigError: for a number or name out of range, a gradient that would be too dear, or frozen weights in rows.
        UnitCostError: for guided L0 with a prior under which a unit has no cost of its own.
        ExactLimitError: if the prior over models cannot say its normaliser or which widths are possible.
        NoDensityError: if only the slab's penalty is known (TreeGroupLaplace).
        CollapseError: if the best start has lost a whole group and `allow_empty` is False.
        DivergedError, CheckpointError, RunFolderError, ArchitectureMismatchError: as `fit_map`.
    """
    if guide not in _OBJECTIVES:
        raise ConfigError(f'guide={guide!r}: a spike and slab takes "structured" or "guided_l0".')
    whole_number("particles", particles)
    whole_number("restarts", restarts)
    if elbo_draws < 2:
        raise ConfigError(f"elbo_draws={elbo_draws}: a standard error needs at least 2.")
    plan = Plan(epochs, lr, schedule, epochs / 4 if ramp_epochs is None else ramp_epochs)
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
        settings={
            "method": InclusionFit.method,
            "guide": guide,
            "gradient": gradient,
            "particles": particles,
            "start_sd": start_sd,
            "plan": asdict(plan),
        },
    )
    starts = [_run(session, prior, guide, gradient, particles, start_sd, elbo_draws, plan, k) for k in range(restarts)]
    objective, history, bound, _ = max(starts, key=lambda start: float(start[2].value))
    summaries = tuple(summary for *_, summary in starts)
    best = summaries[[start[0] for start in starts].index(objective)]
    if best.collapsed and not allow_empty:
        raise CollapseError(
            f"the most probable model has no unit of {', '.join(repr(name) for name in best.collapsed)}; the bounds of the "
            f"starts are {', '.join(f'{summary.bound:.1f}' for summary in summaries)} nats. Try more epochs, "
            "restarts or ramp_epochs, a prior that costs units less, or pass allow_empty=True if the data may leave the group "
            "empty."
        )
    write_most_probable(objective.network, objective.likelihood, objective.guide)
    refit = None
    if refit_plan is not None:
        refit = train_refit(session, objective.network, objective.likelihood, chosen_model(objective.guide), refit_plan)
    return InclusionFit(
        prior=prior,
        likelihood=objective.likelihood,
        net=objective.network.eval(),
        history=history,
        seed=session.seed,
        seconds=session.seconds,
        guide=objective.guide.eval(),
        kind=guide,
        gradient=objective.expected.gradient,
        bound=bound,
        restarts=summaries,
        refit=refit,
    )


def _run(
    session: Session,
    prior: SpikeAndSlabPrior,
    kind: GuideKind,
    gradient: Gradient | None,
    particles: int,
    start_sd: float,
    elbo_draws: int,
    plan: Plan,
    restart: int,
) -> tuple[InclusionObjective, History, Estimate, Restart]:
    """One start, trained to the end: the first from the network's weights, the others from weights and log odds near them."""
    seed, network, likelihood = session.seed + restart, copy.deepcopy(session.net), copy.deepcopy(session.likelihood)
    guide = SpikeAndSlabGuide(prior, network, likelihood, start_sd=start_sd, points=kind == "guided_l0")
    if restart:
        with seeded_generators(seed, session.batches.device):
            guide.jitter(_JITTER)
    macs = prior.architecture.full().macs * session.batches.size / session.batches.per_epoch * particles
    objective = _OBJECTIVES[kind](
        network,
        likelihood,
        guide,
        session.batches,
        session.held_out,
        plan=plan,
        gradient=choose_gradient(gradient, guide.inclusion, network, macs),
        particles=particles,
    )
    history = session.train(objective, plan, label="SVI" if restart == 0 else f"SVI-{restart}", seed=seed)
    bound = final_bound(objective, elbo_draws, session.seed)
    widths = {name: int(mask.sum()) for name, mask in guide.most_probable().items()}
    collapsed = tuple(prior.architecture.collapsed(widths))
    return objective, history, bound, Restart(seed, float(bound.value), float(bound.standard_error), collapsed)
