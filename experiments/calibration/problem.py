"""The regression: a network that is linear in its units' rows, its prior, and data sets drawn from both."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

import bayes_guided as bg

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Config:
    """The settings of config.yaml."""

    seed: int
    units: int
    cases: int
    shared: float
    noise_scale: float
    log_odds: float
    slab_variance: float
    wrong_log_odds: float
    mcmc: dict[str, Any]
    svi: dict[str, Any]
    data_sets: dict[str, int]
    quick_data_sets: dict[str, int]

    @classmethod
    def load(cls) -> "Config":
        """What config.yaml says."""
        values: dict[str, Any] = yaml.safe_load((HERE / "config.yaml").read_text())
        return cls(**values)


@dataclass(frozen=True, eq=False)
class DataSet:
    """One draw from the prior predictive distribution.

    present: bool (units,), the model it was drawn from. targets: (cases,). uniform: a number for its randomised rank.
    """

    present: Tensor
    targets: Tensor
    uniform: float


@dataclass(frozen=True, eq=False)
class Problem:
    """y = sum_u w_u x_u + noise, the w_u signed gates on the inputs, in float64."""

    config: Config

    @cached_property
    def inputs(self) -> Tensor:
        """(cases, units), the same in every data set; columns of mean square 1."""
        rng = np.random.default_rng(self.config.seed)
        raw = rng.normal(size=(self.config.cases, self.config.units))
        raw += self.config.shared * rng.normal(size=(self.config.cases, 1))
        return torch.from_numpy(raw / np.sqrt((raw**2).mean(axis=0)))

    @cached_property
    def net(self) -> nn.Module:
        """Gates on the inputs, all 0, summed by a layer whose weights are fixed at 1."""
        head = nn.Linear(self.config.units, 1, bias=False, dtype=torch.float64)
        head.weight = nn.Parameter(torch.ones_like(head.weight), requires_grad=False)
        net, _ = bg.Architecture.with_gates(head, self.inputs[:2], inputs=True, signed=True)
        nn.init.zeros_(net.get_parameter("inputs.weight"))
        return net

    @cached_property
    def architecture(self) -> bg.Architecture:
        """One group of units, "inputs", rows of one weight."""
        return bg.Architecture.from_module(self.net, self.inputs[:2])

    @property
    def likelihood(self) -> bg.likelihoods.Normal:
        """Known noise."""
        return bg.likelihoods.Normal(scale=self.config.noise_scale)

    def prior(self, log_odds: float) -> bg.SpikeAndSlabPrior:
        """Independent units with these prior log odds, and a normal slab."""
        costs = torch.full((self.config.units,), -log_odds, dtype=torch.float64)
        models = bg.IndependentInclusion(self.architecture, {"inputs": costs})
        slab = bg.priors.Normal(strength=0.5 / self.config.slab_variance)
        return bg.SpikeAndSlabPrior(self.architecture, models, slab)

    @cached_property
    def right_prior(self) -> bg.SpikeAndSlabPrior:
        """The prior that data sets are drawn from."""
        return self.prior(self.config.log_odds)

    def draw(self, index: int) -> DataSet:
        """Data set number `index`: model and weights by the prior's own sampler, then the noise."""
        generator = torch.Generator().manual_seed(1_000_003 * self.config.seed + index)
        masks, rows = self.right_prior.sample(1, generator)
        noise = torch.randn(self.config.cases, dtype=torch.float64, generator=generator)
        targets = self.inputs @ rows["inputs"][0, :, 0].double() + self.config.noise_scale * noise
        return DataSet(masks["inputs"][0], targets, float(torch.rand((), generator=generator)))
