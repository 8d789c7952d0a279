"""A tanh network of three units with the evidence of every sub-architecture by quadrature: `theory.tanh_net`.

The rows are the incoming weights; the outgoing weights are the rest, N(0, 1) in every model, and free (unlike the heads of the
linear scenarios). An absent unit puts out tanh(0) = 0, so that its outgoing weight follows its prior.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from bayes_guided import guidance, priors
from bayes_guided.architecture import Architecture
from bayes_guided.likelihoods import Normal
from theory.linear_models import independent_log_prior
from theory.tanh_net import TanhNet, example


@dataclass(frozen=True, eq=False)
class TanhScenario:
    """f(x) = sum_u b_u tanh(a_u x) with known noise 0.4 and twelve cases; the group of units is "0".

    With `guided`, guidance is linear, so that the units differ a priori: a_u ~ N(0, 1 / g_u). Without it they are
    exchangeable, and only a posterior over all modes gives slots the evidence of the truth.
    """

    name: str
    guided: bool
    log_odds: float = -0.3
    units: int = 3
    group: str = "0"
    noise_scale: float = 0.4

    @cached_property
    def truth(self) -> TanhNet:
        """Evidences to about 1e-6 nats, and posterior inclusion probabilities."""
        pressed = np.arange(1, self.units + 1) * 2 / (self.units + 1) if self.guided else np.ones(self.units)
        return example(self.units, list(1 / pressed), independent_log_prior(np.full(self.units, self.log_odds)))

    @property
    def likelihood(self) -> Normal:
        """Known noise."""
        return Normal(scale=self.noise_scale)

    def net(self, dtype: torch.dtype = torch.float64, seed: int = 1) -> nn.Module:
        """The network with random weights."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return nn.Sequential(nn.Linear(1, self.units, bias=False), nn.Tanh(), nn.Linear(self.units, 1, bias=False)).to(
                dtype
            )

    @cached_property
    def architecture(self) -> Architecture:
        """One group of units with rows of one weight; the rest are the outgoing weights."""
        return Architecture.from_module(self.net(), self.data()[0][:2])

    @cached_property
    def prior(self) -> priors.SpikeAndSlabPrior:
        """The spike and slab of the truth."""
        costs = {self.group: torch.full((self.units,), -self.log_odds, dtype=torch.float64)}
        models = priors.IndependentInclusion(self.architecture, costs)
        pressed = guidance.linear() if self.guided else guidance.constant()
        return priors.SpikeAndSlabPrior(self.architecture, models, priors.Normal(strength=0.5), guidance=pressed)

    def data(self, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
        """Inputs (cases, 1) and targets (cases,)."""
        return torch.from_numpy(self.truth.inputs[:, None]).to(dtype), torch.from_numpy(self.truth.target).to(dtype)


TANH = TanhScenario("tanh", guided=False)
TANH_GUIDED = TanhScenario("tanh, guided", guided=True)
