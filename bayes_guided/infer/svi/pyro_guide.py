"""SVI by one of Pyro's AutoGuides, in the one training loop, with its parameters out of Pyro's global store.

`pyro.settings.context(module_local_params=True)` keeps the parameters of Pyro's modules in the modules themselves; it has to
hold when they are made and whenever they are called.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.distributions import LogNormal
from pyro.infer import Trace_ELBO
from pyro.infer.autoguide.initialization import InitMessenger, init_to_value
from pyro.nn import PyroModule
from pyro.poutine.messenger import Messenger
from torch import Tensor, nn
from torch.func import functional_call

from bayes_guided.arguments import whole_number
from bayes_guided.exceptions import ConfigError
from bayes_guided.infer.draws import Draws
from bayes_guided.infer.prediction.evaluation import check_cases, evaluate, summary_error
from bayes_guided.infer.svi.kept_draws import KeptDraws
from bayes_guided.infer.svi.result import SVIFit
from bayes_guided.infer.training.batches import Batches
from bayes_guided.infer.training.generators import seeded_generators
from bayes_guided.infer.training.history import Epoch
from bayes_guided.infer.training.loop import BatchLoss, Objective, Plan
from bayes_guided.infer.training.session import Session
from bayes_guided.likelihoods import NOISE_PRIOR, Likelihood, Normal
from bayes_guided.models import BayesianNetwork
from bayes_guided.nn.modes import evaluating
from bayes_guided.priors.estimate import Estimate
from bayes_guided.priors.guided import GuidedPrior

_MEAN_DRAWS = 20
"""Draws whose mean the validation error of an epoch is measured at."""


@dataclass(frozen=True)
class PyroSettings:
    """What `fit_svi` says of an AutoGuide."""

    guide: Callable[..., Any]
    particles: int
    elbo_draws: int
    kept_draws: int

    def __post_init__(self) -> None:
        """Refuses what is no guide.

        Raises:
            ConfigError: if the guide cannot be called, or too few draws are to be kept.
        """
        if not callable(self.guide):
            raise ConfigError(f"guide={self.guide!r}: give the name of a guide, or a Pyro AutoGuide as a class or function.")
        whole_number("kept_draws", self.kept_draws, least=2)

    def to_json(self) -> dict[str, Any]:
        """What decides the fit's course, as JSON values; of a function only its name."""
        return {"guide": getattr(self.guide, "__qualname__", type(self.guide).__name__), "particles": self.particles}


def fit_pyro(session: Session, prior: GuidedPrior, settings: PyroSettings, plan: Plan) -> SVIFit:
    """Trains the AutoGuide and keeps draws of it.

    Raises:
        ConfigError: if the weights are frozen, or the guide does not sample all of the model's sites.
    """
    _require_trainable(session.net)
    with pyro.settings.context(module_local_params=True):
        objective = PyroObjective(session, prior, settings, lr=plan.lr)
        history = session.train(objective, plan, label="SVI")
        with seeded_generators(session.seed, session.batches.device):
            elbo = objective.estimate_elbo(settings.elbo_draws)
            kept = objective.draw(settings.kept_draws)
    objective.write_mean(kept)
    cpu = Draws(
        {name: rows.cpu() for name, rows in kept.rows.items()},
        kept.rest.cpu(),
        None if kept.noise_scale is None else kept.noise_scale.cpu(),
    )
    return SVIFit(
        prior=prior,
        likelihood=objective.likelihood,
        net=objective.network.eval(),
        history=history,
        seed=session.seed,
        seconds=session.seconds,
        guide=KeptDraws(type(objective.guide).__name__, cpu),
        noise=None,
        elbo=elbo,
        strength=None,
        bound="",
    )


class PyroObjective(Objective):
    """Pyro's Trace_ELBO of a BayesianNetwork and an AutoGuide, by Adam."""

    def __init__(self, session: Session, prior: GuidedPrior, settings: PyroSettings, *, lr: float) -> None:
        """Builds the guide, which starts at the network's weights whatever its own start would be.

        Raises:
            ConfigError: if it is no guide, or does not sample all of the model's sites.
            DataError, LabelError: as `check_cases`.
        """
        self.prior, self.batches, self.held_out = prior, session.batches, session.held_out
        self.model = BayesianNetwork(session.net, prior, session.likelihood, dataset_size=session.batches.size)
        self.network, self.likelihood = self.model._parts()
        check_cases(self.network, self.likelihood, self.batches)
        if self.held_out is not None:
            check_cases(self.network, self.likelihood, self.held_out)
        self._recorded: list[tuple[Tensor, Tensor]] = []
        self.example = next(iter(self.batches.sweep()))
        self.guide = self._built(settings.guide, session.seed)
        self.module = nn.ModuleDict({"model": self.model, "guide": self.guide}).train()
        group = {"params": list(self.guide.parameters()), "strength_scale": 1.0}
        self.optimizer = torch.optim.Adam([group], lr=lr)
        self.elbo = Trace_ELBO(num_particles=settings.particles)

    def batch_loss(self, inputs: Tensor, targets: Tensor) -> BatchLoss:
        """Minus Pyro's ELBO over N."""
        self._recorded.clear()
        with _Warmup(self.optimizer.param_groups[0]["strength_scale"]):
            loss = self.elbo.differentiable_loss(self._recording, self.guide, inputs, targets)
        nll, error = (torch.stack(values).mean() for values in zip(*self._recorded, strict=True))
        return BatchLoss(loss / self.batches.size, nll, error)

    @torch.no_grad()
    def end_epoch(self, nll: float, error: float) -> Epoch:
        """The record: minus the ELBO per case, of one draw, and the validation error at the mean of some draws."""
        draw = self.draw(1)
        loss = nll + float(self._divergence(draw, self._log_q)) / self.batches.size
        held_out = None
        if self.held_out is not None:
            self.write_mean(self.draw(_MEAN_DRAWS))
            held_out = evaluate(self.network, self.likelihood, self.held_out).error
        return Epoch(loss, nll, summary_error(self.likelihood, error), {}, held_out)

    @torch.no_grad()
    def draw(self, n: int) -> Draws:
        """`n` draws from the guide; `_log_q` is then the log density of the last, nats."""
        values = []
        for _ in range(n):
            trace: Any = poutine.trace(self.guide).get_trace(*self.example)
            self._log_q = float(trace.log_prob_sum())
            values.append(trace.nodes["_RETURN"]["value"])
        sites = {name: torch.stack([value[name] for value in values]) for name in self.model.initial_values()}
        rest = sites.get("rest", next(iter(sites.values())).new_zeros(n, 0))
        rows = {name.removeprefix("rows."): site for name, site in sites.items() if name.startswith("rows.")}
        return Draws(rows, rest, sites.get("noise_scale"))

    @torch.no_grad()
    def estimate_elbo(self, draws: int) -> Estimate:
        """E_q[log p(D, weights) - log q], nats, over all data, in evaluation mode."""
        values = []
        with evaluating(self.network):
            for _ in range(draws):
                draw = self.draw(1)
                values.append(self._log_likelihood(draw, self.batches) - self._divergence(draw, self._log_q))
        found = torch.tensor(values, dtype=torch.float64)
        return Estimate(found.mean(), found.std() / draws**0.5)

    def write_mean(self, draws: Draws) -> None:
        """Puts the mean of the draws into the network and the likelihood."""
        rows = {name: row.mean(dim=0) for name, row in draws.rows.items()}
        self.prior.architecture.write_rows(self.network, rows, draws.rest.mean(dim=0))
        if draws.noise_scale is not None:
            with torch.no_grad():
                next(self.likelihood.parameters()).copy_(draws.noise_scale.log().mean())

    def _built(self, build: Callable[..., Any], seed: int) -> PyroModule:
        start = InitMessenger(init_to_value(values=self.model.initial_values()))
        with seeded_generators(seed, self.batches.device), torch.enable_grad():
            guide = build(start(self.model))
            if not isinstance(guide, PyroModule):
                raise ConfigError(
                    f"guide={build!r} gives a {type(guide).__name__}, no AutoGuide; give its class, or a function."
                )
            found = guide(*self.example)
        missing = set(self.model.initial_values()) - set(found if isinstance(found, dict) else {})
        if missing:
            raise ConfigError(f"the guide {type(guide).__name__} does not return the sites {sorted(missing)} of the model.")
        return guide

    def _recording(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """The model, with mean NLL and error of the batch put down."""
        with poutine.trace() as traced:
            outputs = self.model(inputs, targets)
        with torch.no_grad():
            nodes: Any = traced.trace.nodes
            nll = -nodes["targets"]["fn"].log_prob(targets).mean()
            self._recorded.append((nll, self.likelihood.error(outputs, targets).double().mean()))
        return outputs

    def _divergence(self, draw: Draws, log_q: float) -> float:
        """log q - log p of one draw, nats."""
        log_prior = self.prior.log_prob({name: rows[0] for name, rows in draw.rows.items()}, draw.rest[0])
        if draw.noise_scale is not None:
            location, spread = (draw.noise_scale.new_tensor(value) for value in NOISE_PRIOR)
            log_prior = log_prior + LogNormal(location, spread).log_prob(draw.noise_scale[0])
        return log_q - float(log_prior)

    def _log_likelihood(self, draw: Draws, batches: Batches) -> float:
        parameters = self.prior.architecture.parameters({name: rows[0] for name, rows in draw.rows.items()}, draw.rest[0])
        likelihood: Likelihood = self.likelihood
        if draw.noise_scale is not None and isinstance(likelihood, Normal):
            likelihood = likelihood.with_scale(draw.noise_scale[0])
        return sum(
            float(likelihood.log_prob(functional_call(self.network, parameters, (inputs,)), targets).double().sum())
            for inputs, targets in batches.sweep()
        )


def _require_trainable(net: nn.Module) -> None:
    for name, parameter in net.named_parameters():
        if not parameter.requires_grad:
            raise ConfigError(f"parameter {name!r} is frozen, which Pyro's model has no place for; use one of the own guides.")


class _Warmup(Messenger):
    """Weighs everything but the data by a factor."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def _pyro_sample(self, msg: Any) -> None:
        if not msg["is_observed"] and type(msg["fn"]).__name__ != "_Subsample":
            msg["scale"] = msg["scale"] * self.weight
