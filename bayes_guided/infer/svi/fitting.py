"""SVI: a posterior over weights, and over models where the prior has them, by maximising the evidence lower bound."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from bayes_guided.arguments import require_instance, whole_number
from bayes_guided.exceptions import ConfigError
from bayes_guided.guides import GuideName
from bayes_guided.guides.base import START_SD
from bayes_guided.infer.inclusion.fitting import fit_inclusion
from bayes_guided.infer.inclusion.likelihood import Gradient
from bayes_guided.infer.inclusion.result import GuideKind, InclusionFit
from bayes_guided.infer.svi.expected_penalty import NormExpectation
from bayes_guided.infer.svi.gaussian import GaussianSettings, Reparameterisation, fit_gaussian
from bayes_guided.infer.svi.pyro_guide import PyroSettings, fit_pyro
from bayes_guided.infer.svi.result import SVIFit
from bayes_guided.infer.training.batches import Data
from bayes_guided.infer.training.loop import Plan
from bayes_guided.infer.training.session import Session
from bayes_guided.likelihoods import Likelihood
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.priors.rows.strength_prior import GammaStrength
from bayes_guided.priors.spike_and_slab import SpikeAndSlabPrior

AnyGuide = GuideName | GuideKind | Callable[..., Any]
"""The name of a guide, or a Pyro AutoGuide: its class, or a function from a model to one."""

_GAUSSIAN_ONLY: dict[str, Any] = {"rank": 8, "norm": "bound", "reparameterisation": None, "strength": None, "kept_draws": 200}
_SPIKE_ONLY: dict[str, Any] = {"gradient": None, "restarts": 1, "refit_epochs": 0, "allow_empty": False}


def fit_svi(
    net: nn.Module,
    prior: GuidedPrior | SpikeAndSlabPrior,
    data: Data,
    *,
    likelihood: Likelihood | None = None,
    guide: AnyGuide | None = None,
    epochs: int = 100,
    batch_size: int = 128,
    lr: float = 1e-2,
    schedule: Literal["constant", "cosine"] = "cosine",
    ramp_epochs: float | None = None,
    particles: int = 1,
    start_sd: float = START_SD,
    elbo_draws: int = 20,
    rank: int = 8,
    norm: NormExpectation = "bound",
    reparameterisation: Reparameterisation | None = None,
    strength: GammaStrength | None = None,
    kept_draws: int = 200,
    gradient: Gradient | None = None,
    restarts: int = 1,
    refit_epochs: int = 0,
    allow_empty: bool = False,
    validation: Data | None = None,
    seed: int | None = None,
    device: str | torch.device = "cpu",
    checkpoint: str | Path | None = None,
    checkpoint_steps: int | None = None,
    checkpoint_seconds: float = 30.0,
    progress: bool | None = None,
) -> SVIFit | InclusionFit:
    """Fits a variational posterior by stochastic gradients of the ELBO; of a spike and slab one over models and weights.

    Under a continuous guided prior q is a Gaussian over all weights (LogNormal for a learned noise scale) that starts at the
    network's own weights with a small standard deviation: a start at 0 would be stationary for ReLU networks (P28). `history`
    is of minus the ELBO per case.

    Args:
        net: the network; it is copied, and its own weights are the means at the start.
        prior: a GuidedPrior, or a SpikeAndSlabPrior, for which see `fit_inclusion`.
        data, likelihood, epochs, batch_size, lr, schedule, validation, seed, device, checkpoint, checkpoint_steps,
            checkpoint_seconds, progress: as `fit_map`. The validation error is at the posterior means.
        guide: for a GuidedPrior "mean_field" (the default), "row_scale" (one standard deviation per row), "low_rank" (`rank`
            plus diagonal per group), "full" (one covariance, up to 2,000 weights), or an AutoGuide of Pyro's, as a class or a
            function of the model: its parameters stay out of Pyro's global store, and it starts at the network's weights. For
            a SpikeAndSlabPrior "structured" (the default) or "guided_l0".
        ramp_epochs: epochs over which the divergence from the prior rises to its full weight; a quarter of all by default.
        particles: draws of the weights per step.
        start_sd: standard deviation of every weight at the start.
        elbo_draws: draws for the final bound and its standard error.
        rank: of the factor of "low_rank".
        norm: how E_q of a row's norm enters the ELBO: "bound", Jensen's (P9: cheap, the ELBO stays a lower bound), or "exact"
            for independent weights. Normal and Laplace penalties are always exact; the horseshoe's is by draws.
        reparameterisation: "local" draws the outputs of linear layers and convolutions, and is the default for independent
            weights; for convolutions it leaves out the correlation of positions. "weights" draws all weights.
        strength: a Gamma hyperprior, in the place of the prior's strength, which is then learned; q(lambda) is in closed form.
        kept_draws: draws of a Pyro AutoGuide that the fit keeps, and answers from.
        gradient, restarts, refit_epochs, allow_empty: for a SpikeAndSlabPrior, as `fit_inclusion`.

    Raises:
        DataError, LabelError: for data that cannot be used.
        ConfigError: for a number or name out of range, frozen weights, an option of the other kind of prior, or a guide of
            Pyro's that does not fit the model.
        ExactLimitError: if there are too many weights for "full".
        NoDensityError: if only the prior's penalty is known (TreeGroupLaplace).
        StrengthError: if the family's strength cannot be learned (GroupHorseshoe).
        CollapseError, UnitCostError: as `fit_inclusion`.
        DivergedError, CheckpointError, RunFolderError, ArchitectureMismatchError: as `fit_map`.
    """
    given = locals()
    whole_number("epochs", epochs)
    whole_number("particles", particles)
    whole_number("elbo_draws", elbo_draws, least=2)
    whole_number("rank", rank)
    whole_number("kept_draws", kept_draws, least=2)
    shared = {
        "likelihood": likelihood,
        "validation": validation,
        "batch_size": batch_size,
        "seed": seed,
        "device": device,
        "checkpoint": checkpoint,
        "checkpoint_steps": checkpoint_steps,
        "checkpoint_seconds": checkpoint_seconds,
        "progress": progress,
    }
    ramp = epochs / 4 if ramp_epochs is None else ramp_epochs
    if isinstance(prior, SpikeAndSlabPrior):
        _refuse_options(given, _GAUSSIAN_ONLY, "a SpikeAndSlabPrior")
        kind: Any = "structured" if guide is None else guide
        return fit_inclusion(
            net, prior, data, guide=kind, epochs=epochs, lr=lr, schedule=schedule, ramp_epochs=ramp, particles=particles,
            start_sd=start_sd, elbo_draws=elbo_draws, gradient=gradient, restarts=restarts, refit_epochs=refit_epochs,
            allow_empty=allow_empty, **shared,
        )  # fmt: skip
    _refuse_options(given, _SPIKE_ONLY, "a GuidedPrior")
    if strength is not None:
        require_instance("strength", strength, GammaStrength, "a hyperprior, bayes_guided.priors.GammaStrength")
    plan = Plan(epochs, lr, schedule, ramp)
    if guide is None or isinstance(guide, str):
        name = "mean_field" if guide is None else guide
        settings = GaussianSettings(name, particles, start_sd, rank, norm, reparameterisation, strength, elbo_draws)
        identity = {"method": "svi", **settings.to_json(), "plan": asdict(plan)}
        return fit_gaussian(Session.begin(net, prior, data, settings=identity, **shared), prior, settings, plan)
    if strength is not None:
        raise ConfigError("a learned strength needs one of the package's own guides; Pyro's model has the prior's strength.")
    autoguide = PyroSettings(guide, particles, elbo_draws, kept_draws)
    identity = {"method": "svi", **autoguide.to_json(), "plan": asdict(plan)}
    return fit_pyro(Session.begin(net, prior, data, settings=identity, **shared), prior, autoguide, plan)


def _refuse_options(given: dict[str, Any], others: dict[str, Any], kind: str) -> None:
    """Refuses options that this kind of prior would ignore."""
    for name, default in others.items():
        if given[name] != default:
            raise ConfigError(f"{name}={given[name]!r} has no meaning for {kind}; leave it out.")
