"""Coordinate ascent of laws of the width: the best q(K), given q(weights), in closed form."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bayes_guided.guides.base import Weights
from bayes_guided.guides.inclusion_prior import log_prior
from bayes_guided.guides.spike_and_slab import SpikeAndSlabGuide
from bayes_guided.guides.width import NestedInclusion
from bayes_guided.infer.inclusion.likelihood import DrawnNetwork
from bayes_guided.infer.training.batches import Batches
from bayes_guided.infer.training.loop import Plan
from bayes_guided.nn.modes import evaluating

CASES = 1024
"""Cases that a width is scored on, at least; with few data each is met again, under other draws of the weights."""

_TOGETHER = 16
"""Widths whose networks are held at the same time."""


class WidthUpdates:
    """Sets q(K) of every group to its optimum given all else,

        q(K) proportional to exp((log p(K) - sum_{u <= K} KL(q(row_u) || slab) + E log p(D | K)) / T),

    T = 1, by draws of the weights and of the other groups' widths. No step size is involved. Until the divergence has its full
    weight q(K) stays uniform, since rows are far from their posteriors; then T falls geometrically from N to 1, its value from
    halfway to the end on, so that no width is settled on before its network is trained (deterministic annealing, [Rose1998]).
    """

    def __init__(self, network: DrawnNetwork, guide: SpikeAndSlabGuide, batches: Batches, plan: Plan) -> None:
        self.network, self.guide, self.batches = network, guide, batches
        self.released = plan.ramp_epochs / plan.epochs

    def temperature(self, progress: float) -> float:
        """T when this part of all steps is done, infinite before any width is preferred."""
        if progress < self.released:
            return math.inf
        settled = (1 + self.released) / 2
        left = max(0.0, settled - progress) / (settled - self.released) if settled < 1 else 0.0
        return self.batches.size**left

    @torch.no_grad()
    def __call__(self, progress: float) -> None:
        """Updates one group after the other."""
        temperature = self.temperature(progress)
        if temperature == math.inf:
            return
        for place, law in enumerate(self.guide.inclusion.blocks()):
            assert isinstance(law, NestedInclusion)  # laws of the width come together, one a group
            scores = torch.full((law.units + 1,), -torch.inf, dtype=torch.float64, device=law.log_law.device)
            scores[law.possible] = self.scores(place) / temperature
            law.set_to(scores)

    @torch.no_grad()
    def scores(self, block: int) -> Float[Tensor, "models"]:
        """The bound at each possible width of a block, nats, up to a constant that they share."""
        inclusion = self.guide.inclusion
        own, cases = inclusion.blocks()[block].every_mask(), 0
        likelihood, others = torch.zeros(2, len(own), dtype=torch.float64, device=own.device)
        with evaluating(self.network.net):
            while cases < CASES:
                for inputs, targets in self.batches.epoch():
                    masks = [mask.expand(len(own), -1) for mask in inclusion.sample(1)]
                    masks[block] = own
                    nll, divergence = self._score(masks, inputs, targets)
                    likelihood = likelihood - nll * len(inputs)
                    others = others + (log_prior(self.guide.prior.models, inclusion, masks) - divergence) * len(inputs)
                    cases += len(inputs)
                    if cases >= CASES:
                        break
        return (likelihood * self.batches.size + others) / cases

    def _score(
        self, masks: list[Bool[Tensor, "models _"]], inputs: Tensor, targets: Tensor
    ) -> tuple[Float[Tensor, "models"], Float[Tensor, "models"]]:
        """Mean negative log likelihood of a batch, under one draw of the weights for all models, and the rows' divergence."""
        drawn, scale = self.guide.rsample(1), self.guide.noise_scale(1)
        complete = self.guide.inclusion.complete_masks(masks)
        rows = self.guide.row_divergences(drawn)
        divergence = torch.stack([complete[name].double() @ value[0] for name, value in rows.items()]).sum(dim=0)
        nlls = []
        for models in torch.arange(len(masks[0])).split(_TOGETHER):
            n = len(models)
            spread = Weights({name: row.expand(n, -1, -1) for name, row in drawn.rows.items()}, drawn.rest.expand(n, -1))
            gates = {name: mask[models.to(mask.device)].to(drawn.rest) for name, mask in complete.items()}
            noise = None if scale is None else scale.expand(n)
            nlls.append(self.network.nll(self.guide.masked(spread, gates), noise, self.guide, inputs, targets)[0].double())
        return torch.cat(nlls), divergence
