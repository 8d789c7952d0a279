"""The evidence lower bound of a fitted guide, estimated on all data by draws of the weights."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bayes_guided.guides import FreeRest, NetworkParameters
from bayes_guided.infer.svi.objective import Divergence
from bayes_guided.infer.training.batches import Batches
from bayes_guided.infer.training.generators import seeded_generators
from bayes_guided.likelihoods import Likelihood, Normal
from bayes_guided.nn.modes import evaluating
from bayes_guided.priors.estimate import Estimate


@torch.no_grad()
def estimate_elbo(
    net: nn.Module,
    likelihood: Likelihood,
    divergence: Divergence,
    free: FreeRest,
    batches: Batches,
    draws: int,
    seed: int,
) -> Estimate:
    """E_q log p(D | weights) - KL(q || prior), nats, with its Monte Carlo standard error over the draws.

    All weights are drawn, whatever reparameterisation trained them, and the network runs in evaluation mode. Where the
    expected penalty is a bound, so is this: below the ELBO.
    """
    guide, noise = divergence.guide, divergence.noise
    to_parameters = NetworkParameters(guide.architecture)
    moments, values = guide.moments(), []
    with seeded_generators(seed, batches.device), evaluating(net):
        for _ in range(draws):
            drawn = guide.rsample(1)[0]
            parameters, _ = to_parameters(free.whole(drawn))
            at = likelihood
            if noise is not None and isinstance(likelihood, Normal):
                at = likelihood.with_scale(noise.rsample(1)[0])
            log_likelihood = sum(float(_log_prob(net, at, parameters, *batch)) for batch in batches.sweep())
            values.append(log_likelihood - float(divergence(moments, drawn)))
    found = torch.tensor(values, dtype=torch.float64)
    return Estimate(found.mean(), found.std() / draws**0.5)


def _log_prob(
    net: nn.Module, likelihood: Likelihood, parameters: dict[str, Tensor], inputs: Tensor, targets: Tensor
) -> Tensor:
    return likelihood.log_prob(functional_call(net, parameters, (inputs,)), targets).double().sum()
