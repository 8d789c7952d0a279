"""SVI of a continuous guided prior by one of the package's own Gaussian guides."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch

from bayes_guided.exceptions import ConfigError, StrengthError
from bayes_guided.guides import FreeRest, Guide, Weights, gaussian_guide, noise_guide
from bayes_guided.infer.svi.elbo import estimate_elbo
from bayes_guided.infer.svi.expected_penalty import ExpectedPenalty, NormExpectation
from bayes_guided.infer.svi.objective import Divergence, SVIObjective
from bayes_guided.infer.svi.result import SVIFit
from bayes_guided.infer.training.loop import Plan
from bayes_guided.infer.training.session import Session
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.priors.rows.strength_prior import GammaStrength

Reparameterisation = Literal["local", "weights"]
"""Draw the outputs of linear layers and convolutions, or all weights."""


@dataclass(frozen=True)
class GaussianSettings:
    """What `fit_svi` says of a Gaussian guide; its docstring explains each."""

    guide: str
    particles: int
    start_sd: float
    rank: int
    norm: NormExpectation
    reparameterisation: Reparameterisation | None
    strength: GammaStrength | None
    elbo_draws: int

    def to_json(self) -> dict[str, Any]:
        """What decides the fit's course, as JSON values."""
        return {key: value for key, value in asdict(self).items() if key != "elbo_draws"}


def fit_gaussian(session: Session, prior: GuidedPrior, settings: GaussianSettings, plan: Plan) -> SVIFit:
    """Trains the guide and asks for its bound.

    Raises:
        ConfigError, ExactLimitError, NoDensityError, StrengthError: as `fit_svi`.
    """
    objective = _objective(session, prior, settings, plan)
    history = session.train(objective, plan, label="SVI")
    objective.finish()
    net, divergence = session.net.eval(), objective.divergence
    elbo = estimate_elbo(
        net, session.likelihood, divergence, objective.free, session.batches, settings.elbo_draws, session.seed
    )
    learned = divergence.strength_posterior()
    fitted = prior if learned is None else replace(prior, weights=replace(prior.weights, strength=learned.mean))
    return SVIFit(
        prior=fitted,
        likelihood=session.likelihood,
        net=net,
        history=history,
        seed=session.seed,
        seconds=session.seconds,
        guide=divergence.guide.eval(),
        noise=divergence.noise,
        elbo=elbo,
        strength=learned,
        bound=divergence.expected.description,
    )


def _objective(session: Session, prior: GuidedPrior, settings: GaussianSettings, plan: Plan) -> SVIObjective:
    free = FreeRest.of(prior.architecture, session.net)
    rows = {name: rows.detach().clone() for name, rows in prior.architecture.rows(session.net).items()}
    guide = gaussian_guide(
        settings.guide,
        prior.architecture,
        Weights(rows, free.take(free.values).clone()),
        sd=settings.start_sd,
        rank=settings.rank,
        generator=torch.Generator().manual_seed(session.seed),
    )
    expected = ExpectedPenalty(prior, guide, settings.norm)
    if settings.strength is not None and expected.needs_draws:
        raise StrengthError("the group horseshoe's strength is no power in front of its density: it cannot be learned here.")
    return SVIObjective(
        session.net,
        session.likelihood,
        Divergence(guide, noise_guide(session.likelihood), expected, settings.strength),
        free,
        session.batches,
        session.held_out,
        lr=plan.lr,
        particles=settings.particles,
        local=_is_local(guide, settings.reparameterisation),
    )


def _is_local(guide: Guide, wanted: Reparameterisation | None) -> bool:
    if wanted not in (None, "local", "weights"):
        raise ConfigError(f'reparameterisation={wanted!r}: give "local" or "weights".')
    if wanted == "local" and not guide.independent:
        raise ConfigError(
            f'the guide "{guide.family}" has correlated weights; local reparameterisation needs independent ones.'
        )
    return guide.independent and wanted != "weights"
