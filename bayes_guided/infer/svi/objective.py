"""The negative ELBO of a Gaussian guide, for the one training loop.

    N E_q[mean NLL] + E_q[-log p(rows)] + E_q[-log p(rest)] - H(q(weights)) + KL(q(noise) || p(noise))

in nats; what is back-propagated is that over N. `ramp_epochs` of the plan raise the weight of everything but the first term
from 0 to 1 (KL warm-up).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from bayes_guided.guides import FreeRest, Guide, LocallyReparameterised, LogNormalNoise, Moments, NetworkParameters, Weights
from bayes_guided.infer.prediction.evaluation import check_cases, evaluate, summary_error
from bayes_guided.infer.svi.expected_penalty import ExpectedPenalty
from bayes_guided.infer.training.batches import Batches
from bayes_guided.infer.training.history import Epoch
from bayes_guided.infer.training.loop import BatchLoss, Objective
from bayes_guided.likelihoods import Likelihood, Normal
from bayes_guided.priors.rows.strength_prior import GammaStrength


class Divergence:
    """KL(q || p) of all that is learned, or the bound of it that `ExpectedPenalty` gives: the ELBO without its likelihood."""

    def __init__(
        self, guide: Guide, noise: LogNormalNoise | None, expected: ExpectedPenalty, strength: GammaStrength | None
    ) -> None:
        """`strength` is the hyperprior of a learned strength; its q(lambda) is always the best for the present q(weights)."""
        self.guide, self.noise, self.expected, self.strength = guide, noise, expected, strength

    def __call__(self, moments: Moments, drawn: Weights | None = None) -> Float[Tensor, ""]:
        """In nats, differentiable, at the guide's present moments.

        `drawn` is a draw from the guide, for priors that need one; without it such priors take one of their own.
        """
        if not self.expected.needs_draws:
            drawn = None
        elif drawn is None:
            drawn = self.guide.rsample(1)[0]
        penalty = self.expected.penalty(moments, drawn)
        total = self._guided(penalty) + self.expected.base(moments) - moments.entropy
        return total if self.noise is None else total + self.noise.divergence()

    @torch.no_grad()
    def strength_posterior(self) -> GammaStrength | None:
        """q(lambda), None where the strength is known."""
        if self.strength is None:
            return None
        penalty = self.expected.penalty(self.guide.moments(), None)
        return self.strength.posterior(self.expected.guided_degrees, float(penalty) / self._given)

    @property
    def _given(self) -> float:
        """The strength at which the penalty is computed."""
        return self.expected.prior.weights.strength

    def _guided(self, penalty: Float[Tensor, ""]) -> Float[Tensor, ""]:
        if self.strength is None:
            return penalty + self.expected.constant
        degrees = self.expected.guided_degrees
        unit_constant = self.expected.constant + degrees * math.log(self._given)
        return self.strength.collapsed(degrees, penalty / self._given) + unit_constant


class SVIObjective(Objective):
    """Trains the guide, and the noise's, by Adam.

    The network is run on what the guide gives; its own weights are not trained, and its buffers (BatchNorm's statistics) are.
    """

    def __init__(
        self,
        network: nn.Module,
        likelihood: Likelihood,
        divergence: Divergence,
        free: FreeRest,
        batches: Batches,
        held_out: Batches | None,
        *,
        lr: float,
        particles: int,
        local: bool,
    ) -> None:
        """`free` says which weights of the rest the guide is over.

        `local` draws the outputs of linear layers and convolutions; the guide's weights must then be independent.

        Raises:
            DataError: if the network does not run on the inputs.
            LabelError: if targets do not fit the likelihood and the network's outputs.
        """
        self.network, self.likelihood, self.divergence, self.free = network, likelihood, divergence, free
        self.guide, self.noise = divergence.guide, divergence.noise
        self.architecture, self.particles = self.guide.architecture, particles
        self.batches, self.held_out = batches, held_out
        check_cases(network, likelihood, batches)
        if held_out is not None:
            check_cases(network, likelihood, held_out)
        self._parameters = NetworkParameters(self.architecture)
        self.local = LocallyReparameterised(network, self.architecture) if local else None
        parts: dict[str, nn.Module] = {"guide": self.guide, "network": network}
        self.module = nn.ModuleDict(parts if self.noise is None else parts | {"noise": self.noise}).train()
        if self.local is not None:
            self.local.net.train()
        self._share_memory()
        learned = [*self.guide.parameters(), *([] if self.noise is None else self.noise.parameters())]
        settings = {"params": learned, "strength_scale": 1.0}
        self.optimizer = torch.optim.Adam([settings], lr=lr, fused=True)

    def batch_loss(self, inputs: Tensor, targets: Tensor) -> BatchLoss:
        """Mean NLL over the particles, plus the divergence over N."""
        outputs, moments = self._outputs(self.guide.moments(), inputs)
        scales = [None] * self.particles if self.noise is None else list(self.noise.rsample(self.particles))
        likelihoods = [_with_scale(self.likelihood, scale) for scale in scales]
        pairs = list(zip(likelihoods, outputs, strict=True))
        nll = -_mean([likelihood.log_prob(output, targets).mean() for likelihood, output in pairs])
        with torch.no_grad():
            error = _mean([likelihood.error(output, targets).double().mean() for likelihood, output in pairs])
        weight = self.optimizer.param_groups[0]["strength_scale"] / self.batches.size
        return BatchLoss(nll + weight * self.divergence(moments), nll, error)

    @torch.no_grad()
    def end_epoch(self, nll: float, error: float) -> Epoch:
        """The record: minus the ELBO per case, and the validation error at the posterior mean."""
        loss = nll + float(self.divergence(self.guide.moments())) / self.batches.size
        held_out = None
        if self.held_out is not None:
            self.write_means()
            held_out = evaluate(self.network, self.likelihood, self.held_out).error
        return Epoch(loss, nll, summary_error(self.likelihood, error), {}, held_out)

    @torch.no_grad()
    def write_means(self) -> None:
        """Puts the posterior means into the network and the likelihood."""
        parameters = dict(self.network.named_parameters())
        for name, mean in self._mean_parameters().items():
            if parameters[name].data_ptr() != mean.data_ptr():
                parameters[name].copy_(mean)
        if self.noise is not None:
            next(self.likelihood.parameters()).copy_(self.noise.mean)

    def finish(self) -> None:
        """Ends the training: the network gets the posterior means in memory of its own, the optimiser's is let go."""
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer.state.clear()
        self.write_means()
        for parameter in self.network.parameters():
            parameter.data = parameter.detach().clone(memory_format=torch.contiguous_format)

    @torch.no_grad()
    def _mean_parameters(self) -> dict[str, Tensor]:
        means = self.free.whole(self.guide.means)
        return self.architecture.parameters(means.rows, means.rest)

    def _share_memory(self) -> None:
        """Lets the network's weights be views of the means: a network of their own would be unused memory."""
        parameters = dict(self.network.named_parameters())
        owned = {mean.untyped_storage().data_ptr() for mean in self.guide.parameters()}
        for name, mean in self._mean_parameters().items():
            if parameters[name].requires_grad and mean.untyped_storage().data_ptr() in owned:
                parameters[name].data = mean.detach()

    def _outputs(self, moments: Moments, inputs: Tensor) -> tuple[list[Tensor], Moments]:
        """The network's outputs for each particle, and the moments that the divergence is to be of."""
        if self.local is not None:
            means, mean_rows = self._parameters(self.free.whole(moments.means))
            variances, variance_rows = self._parameters(self.free.whole_variances(moments.variances))
            outputs = [self.local(means, variances, inputs) for _ in range(self.particles)]
            shared = Weights(mean_rows, moments.means.rest), Weights(variance_rows, moments.variances.rest)
            return outputs, Moments(*shared, moments.entropy)
        drawn = self.free.whole(self.guide.rsample(self.particles))
        networks = [self._parameters(drawn[particle])[0] for particle in range(self.particles)]
        return [functional_call(self.network, parameters, (inputs,)) for parameters in networks], moments


def _with_scale(likelihood: Likelihood, scale: Float[Tensor, ""] | None) -> Likelihood:
    """The likelihood at a drawn noise scale; itself where no noise is learned."""
    return likelihood.with_scale(scale) if scale is not None and isinstance(likelihood, Normal) else likelihood


def _mean(values: list[Float[Tensor, ""]]) -> Float[Tensor, ""]:
    """The mean over particles."""
    return values[0] if len(values) == 1 else torch.stack(values).mean()
