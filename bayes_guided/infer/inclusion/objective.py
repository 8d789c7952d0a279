"""The objectives of a spike and slab's SVI: minus the ELBO, and its limit without entropies, guided L0."""

from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bayes_guided.architecture import SubArchitecture
from bayes_guided.exceptions import UnitCostError
from bayes_guided.guides.base import Weights
from bayes_guided.guides.inclusion_prior import ExpectedLogPrior, expected_log_prior
from bayes_guided.guides.spike_and_slab import SpikeAndSlabGuide
from bayes_guided.infer.inclusion.exchanges import Exchanges
from bayes_guided.infer.inclusion.likelihood import DrawnNetwork, ExpectedLikelihood, Gradient
from bayes_guided.infer.inclusion.width_updates import WidthUpdates
from bayes_guided.infer.prediction.evaluation import check_cases, evaluate, summary_error
from bayes_guided.infer.training.batches import Batches
from bayes_guided.infer.training.history import Epoch
from bayes_guided.infer.training.loop import BatchLoss, Objective, Plan
from bayes_guided.likelihoods import NOISE_PRIOR, Likelihood, Normal
from bayes_guided.priors.models.independent import IndependentInclusion

UPDATES = 20
"""About how often in a fit q(m) is moved by other means than gradients, at ends of epochs."""


class InclusionObjective(Objective):
    """E_q of the summed negative log likelihood plus a divergence, per case."""

    def __init__(
        self,
        network: nn.Module,
        likelihood: Likelihood,
        guide: SpikeAndSlabGuide,
        batches: Batches,
        held_out: Batches | None,
        *,
        plan: Plan,
        gradient: Gradient,
        particles: int,
    ) -> None:
        """Trains the guide in place, and the network's buffers where it has some.

        Raises:
            DataError: if the network does not run on the inputs.
            LabelError: if targets do not fit the likelihood and the network's outputs.
        """
        self.network, self.likelihood, self.guide = network.train(), likelihood, guide
        self.batches, self.held_out, self.plan, self.particles = batches, held_out, plan, particles
        self.exact_models = True
        """Whether the models' part of `divergence` is exact, and not the same random number for all draws."""
        self.module = nn.ModuleDict({"guide": guide, "network": network})
        self.expected = ExpectedLikelihood(DrawnNetwork(network, likelihood), guide, gradient)
        # The loop raises strength_scale from 0 over the plan's ramp_epochs: here it is the weight of the divergence.
        settings = {"params": list(guide.parameters()), "strength_scale": 1.0, "progress": 0.0}
        self.optimizer = torch.optim.Adam([settings], lr=plan.lr)
        check_cases(network, likelihood, batches)
        if held_out is not None:
            check_cases(network, likelihood, held_out)

    @abstractmethod
    def divergence(self, drawn: Weights) -> Float[Tensor, "..."]:
        """What is added to the summed negative log likelihood, nats, float64: one estimate, or one of each draw."""

    def batch_loss(self, inputs: Tensor, targets: Tensor) -> BatchLoss:
        """E_q of the batch's mean negative log likelihood, and the divergence over N times its present weight."""
        drawn = self.guide.rsample(self.particles)
        nll, error = self.expected(drawn, self.guide.noise_scale(self.particles), inputs, targets)
        weight = self.optimizer.param_groups[0]["strength_scale"]
        return BatchLoss(nll + weight * self.divergence(drawn).mean() / self.batches.size, nll, error)

    @torch.no_grad()
    def end_epoch(self, nll: float, error: float) -> Epoch:
        """The record of the epoch; `widths` are those of the most probable model."""
        divergence = float(self.divergence(self.guide.rsample(self.particles)).mean())
        masks = self.guide.most_probable()
        widths = {name: int(mask.sum()) for name, mask in masks.items()}
        held_out = None
        if self.held_out is not None:
            write_most_probable(self.network, self.likelihood, self.guide)
            held_out = evaluate(self.network, self.likelihood, self.held_out).error
        return Epoch(nll + divergence / self.batches.size, nll, summary_error(self.likelihood, error), widths, held_out)


class StructuredObjective(InclusionObjective):
    """Minus the ELBO of the structured guide."""

    def __init__(self, *args, **settings) -> None:
        """As `InclusionObjective`."""
        super().__init__(*args, **settings)
        inclusion, models = self.guide.inclusion, self.guide.prior.models
        self.log_prior: ExpectedLogPrior = expected_log_prior(inclusion, models)
        self.exact_models = self.log_prior.exact
        self._exchanges = Exchanges(self.network, self.guide, self.log_prior) if inclusion.is_gated else None
        self._widths = None if inclusion.is_gated else WidthUpdates(self.expected.network, self.guide, self.batches, self.plan)

    @torch.no_grad()
    def end_epoch(self, nll: float, error: float) -> Epoch:
        """Moves q(m) as far as gradients do not, then the record."""
        progress = self.optimizer.param_groups[0]["progress"]
        epoch, every = round(progress * self.plan.epochs), max(1, self.plan.epochs // UPDATES)
        if epoch % every == 0 or epoch == self.plan.epochs:
            if self._exchanges is not None:
                self._exchanges(self.optimizer)
            if self._widths is not None:
                self._widths(progress)
        return super().end_epoch(nll, error)

    def divergence(self, drawn: Weights) -> Float[Tensor, "draws"]:
        """KL(q || prior): models, rows weighted by P(present), rest and noise."""
        inclusion = self.guide.inclusion
        survival = inclusion.survival()
        rows = [(survival[name] * value).sum(dim=1) for name, value in self.guide.row_divergences(drawn).items()]
        models = -inclusion.entropy() - self.log_prior(inclusion)
        return torch.stack(torch.broadcast_tensors(*rows)).sum(dim=0) + models + self.guide.other_divergence()


class GuidedL0Objective(InclusionObjective):
    """The zero-entropy limit: point weights, a constant slab, and the expected cost sum_u c_u q_u [Louizos2018] (P21).

    KL(q || p) = c q - H(q) + log(1 + e^-c) per unit; without the entropy and the constant, c q is left. The rest and a learned
    noise pay minus their log density.

    Raises:
        UnitCostError: unless the prior over models is an IndependentInclusion, under which a unit's cost is its own.
    """

    def __init__(self, *args, **settings) -> None:
        """As `InclusionObjective`."""
        super().__init__(*args, **settings)
        self.costs = l0_costs(self.guide)

    def divergence(self, drawn: Weights) -> Float[Tensor, ""]:
        """sum_u c_u q_u, the ridge of the rest's free weights, and the penalty on the noise."""
        survival = self.guide.inclusion.survival()
        total = torch.stack([(cost.to(survival[name]) * survival[name]).sum() for name, cost in self.costs.items()]).sum()
        rest = self.guide.slab.means.rest[self.guide.free]
        total = total + self.guide.prior.rest.strength * rest.double().square().sum()
        if self.guide.noise is None:
            return total
        (location, spread), log_scale = NOISE_PRIOR, self.guide.noise.mean
        return total + (log_scale + (log_scale - location).square() / (2 * spread**2)).double()


def l0_costs(guide: SpikeAndSlabGuide) -> dict[str, Float[Tensor, "units"]]:
    """c_u of every unit, nats, (units,) per group; 0 for protected units.

    Raises:
        UnitCostError: unless the prior over models is an IndependentInclusion.
    """
    models = guide.prior.models
    if not isinstance(models, IndependentInclusion):
        raise UnitCostError(
            f"guided L0 charges every unit a cost of its own, which {type(models).__name__} does not have; use "
            'IndependentInclusion, or guide="structured".'
        )
    return models.units.complete_values(models.units.select_values(models.costs), 0.0)


@torch.no_grad()
def write_most_probable(network: nn.Module, likelihood: Likelihood, guide: SpikeAndSlabGuide) -> None:
    """Writes the posterior means given the most probable model into the network, absent rows exactly zero, and the noise."""
    mean, masks = guide.mean(), guide.most_probable()
    rows = {name: row * masks[name].to(row.device).unsqueeze(1) for name, row in mean.rows.items()}
    guide.prior.architecture.write_rows(network, rows, mean.rest)
    if guide.noise is not None and isinstance(likelihood, Normal) and likelihood.log_scale is not None:
        likelihood.log_scale.copy_(guide.noise.mean)


def chosen_model(guide: SpikeAndSlabGuide) -> SubArchitecture:
    """The most probable model; of a group that is empty and may not be, the unit that is present most often."""
    masks, architecture = guide.most_probable(), guide.prior.architecture
    log_odds = guide.inclusion.log_odds()
    for name in architecture.collapsed({name: int(mask.sum()) for name, mask in masks.items()}):
        masks[name][int(log_odds[name].argmax())] = True
    return architecture.sub_architecture(masks)
