"""The bound that a spike and slab's SVI has reached, over the whole data set, with its Monte Carlo error."""

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.guides.base import Weights
from bayes_guided.infer.inclusion.likelihood import DrawnNetwork
from bayes_guided.infer.inclusion.objective import InclusionObjective
from bayes_guided.infer.prediction.evaluation import evaluating
from bayes_guided.infer.training.generators import seeded_generators
from bayes_guided.priors.estimate import Estimate

_TOGETHER = 16
"""Draws whose outputs are held at the same time."""


@torch.no_grad()
def final_bound(objective: InclusionObjective, draws: int, seed: int) -> Estimate:
    """Log likelihood of draws from q, models binary, minus the divergence: nats, mean and standard error.

    Never of relaxed gates. The network is in evaluation mode; where a loader leaves cases out, the likelihood is scaled to N.
    The same seed gives the same draws.
    """
    guide, batches = objective.guide, objective.batches
    network = DrawnNetwork(objective.network, objective.likelihood)
    # An estimated divergence would be the same number for all draws held together, and the error too small.
    together, totals = _TOGETHER if objective.exact_models else 1, []
    with evaluating(objective.network), seeded_generators(seed, batches.device):
        for start in range(0, draws, together):
            n = min(together, draws - start)
            drawn, scales = guide.rsample(n), guide.noise_scale(n)
            masks = guide.inclusion.complete_masks(guide.inclusion.sample(n))
            masked = guide.masked(drawn, {name: mask.to(drawn.rest) for name, mask in masks.items()})
            totals.append(_log_likelihood(objective, network, masked, scales) - objective.divergence(drawn))
    values = torch.cat(totals)
    return Estimate(values.mean(), values.std() / len(values) ** 0.5)


def _log_likelihood(
    objective: InclusionObjective, network: DrawnNetwork, weights: Weights, scales: Float[Tensor, "draws"] | None
) -> Float[Tensor, "draws"]:
    """Of all N cases, for every draw, float64."""
    total, cases = torch.zeros(len(weights.rest), dtype=torch.float64, device=weights.rest.device), 0
    for inputs, targets in objective.batches.sweep():
        nll, _ = network.nll(weights, scales, objective.guide, inputs, targets)
        total = total - nll.double() * len(inputs)
        cases += len(inputs)
    return total * (objective.batches.size / cases)
