"""The problem: data from three tanh units, eight to explain them, one guidance read in two ways."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

import bayes_guided as bg

HERE = Path(__file__).parent
GROUP = "layers.0"


@dataclass(frozen=True)
class Config:
    """What config.yaml says."""

    cases: int
    noise: float
    data_seed: int
    units: int
    strength: float
    tau: float
    curvature: float
    seeds: list[int]
    map: dict[str, Any]
    ensemble: dict[str, Any]
    svi: dict[str, Any]
    inclusion: dict[str, Any]
    widths_draws: int
    mcmc: dict[str, Any]
    mcmc_models: dict[str, Any]

    @staticmethod
    def load(*, quick: bool = False) -> "Config":
        """The settings, or the small ones of a quick run."""
        values = yaml.safe_load((HERE / "config.yaml").read_text())
        small = values.pop("quick")
        return Config(**(values | small if quick else values))


@dataclass(frozen=True, eq=False)
class Problem:
    """Data, network and priors."""

    config: Config

    @cached_property
    def data(self) -> tuple[Tensor, Tensor]:
        """Inputs (cases, 2) and targets (cases,): units of output weights 1.5, 1 and 0.5, and noise."""
        generator = torch.Generator().manual_seed(self.config.data_seed)
        x = torch.randn(self.config.cases, 2, generator=generator, dtype=torch.float64)
        first, second = x.T
        clean = 1.5 * torch.tanh(2 * first) + torch.tanh(1.5 * second - 1) + 0.5 * torch.tanh(first + second + 1)
        return x, clean + self.config.noise * torch.randn(len(x), generator=generator, dtype=torch.float64)

    @property
    def likelihood(self) -> bg.likelihoods.Normal:
        """Known noise."""
        return bg.likelihoods.Normal(scale=self.config.noise)

    def net(self, seed: int) -> nn.Module:
        """The network with initial weights of a seed."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return bg.nets.mlp(2, [self.config.units], outputs=1, activation="tanh").double()

    @cached_property
    def prior(self) -> bg.GuidedPrior:
        """Linear guidance on the rows; normal outgoing weights."""
        architecture = bg.Architecture.from_module(self.net(0), self.data[0][:2])
        return bg.GuidedPrior(
            architecture, weights=bg.priors.GroupLaplace(self.config.strength), guidance=bg.guidance.linear()
        )

    @cached_property
    def spike_and_slab(self) -> bg.SpikeAndSlabPrior:
        """The same guidance with models in it: the prior odds are those of the evidence reading (P11)."""
        return bg.SpikeAndSlabPrior.calibrated(self.prior, curvature=self.config.curvature)

    @property
    def numbers(self) -> dict[str, dict[str, Any]]:
        """The number that each reading needs."""
        curvature = {"curvature": self.config.curvature}
        return {"threshold": {"tau": self.config.tau}, "shrinkage": curvature, "evidence": curvature, "inclusion": {}}
