"""Bayesian linear regression as a network: the posterior over all 2^U models, and of the weights, is known exactly.

Two forms, both with a head that is fixed (`requires_grad=False`): a fit must leave its weights as they are, and its evidence
must not count them.

- One weight a unit: signed gates on the inputs, y = sum_u w_u x_u. Any design.
- Several weights a unit: a hidden linear layer without activation, y = V W x, whose rows are the units. Their features are
  the columns of V times the inputs, so V says how the units correlate.

The truth is `theory.linear_models`, in NumPy; every evidence has a second formula in `theory.linear_gaussian`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bayes_guided import guidance, priors
from bayes_guided.architecture import Architecture
from bayes_guided.likelihoods import Normal
from theory import tilted
from theory.enumeration import all_masks
from theory.linear_models import LinearModels, independent_log_prior, nested_log_prior

FloatArray = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class LinearScenario:
    """A regression with known noise whose rows are the units.

    `inputs` are (cases, U) with `head` None, or (cases, D) with `head` (outputs, U). `models` is "independent" (log odds
    `log_odds` on average, falling by twice `slope`), "nested" or "tilted" (width law `width_pmf`, and costs -log_odds).
    `slab_variance` is that of a unit of guidance 1; `guided` makes guidance linear. The targets are drawn from the model with
    the units `present`.
    """

    name: str
    inputs: FloatArray
    present: tuple[int, ...]
    head: FloatArray | None = None
    models: str = "independent"
    log_odds: float = -0.5
    slope: float = 0.4
    slab_variance: float = 1.0
    guided: bool = False
    noise_scale: float = 0.7
    seed: int = 5

    @property
    def units(self) -> int:
        """U."""
        return self.inputs.shape[1] if self.head is None else self.head.shape[1]

    @property
    def row_dim(self) -> int:
        """D, weights of a unit."""
        return 1 if self.head is None else self.inputs.shape[1]

    @property
    def group(self) -> str:
        """Name of the one group of units."""
        return "inputs" if self.head is None else "0"

    @cached_property
    def design(self) -> FloatArray:
        """(cases * outputs, U * D): the targets' mean is `design @ rows.ravel()`, outputs changing fastest."""
        if self.head is None:
            return self.inputs
        columns = self.head[None, :, :, None] * self.inputs[:, None, None, :]
        return columns.reshape(len(self.inputs) * len(self.head), -1)

    @cached_property
    def targets(self) -> FloatArray:
        """(cases,) or (cases, outputs)."""
        rng = np.random.default_rng(self.seed)
        rows = np.zeros((self.units, self.row_dim))
        rows[list(self.present)] = rng.normal(size=(len(self.present), self.row_dim)) * self.slab_variance**0.5
        clean = self.design @ rows.ravel()
        drawn = clean + self.noise_scale * rng.normal(size=clean.shape)
        return drawn if self.head is None else drawn.reshape(len(self.inputs), -1)

    @cached_property
    def log_prior(self) -> FloatArray:
        """log p(m) of every model in nats, (2^U,), in the order of `masks`."""
        if self.models == "nested":
            return nested_log_prior(self.width_pmf)
        if self.models == "tilted":
            return tilted.log_prob(all_masks(self.units), -self.unit_log_odds, self.width_pmf)
        return independent_log_prior(self.unit_log_odds)

    @property
    def unit_log_odds(self) -> FloatArray:
        """Prior log odds, or minus the cost, of each unit: falling along the group, mean `log_odds`."""
        return self.log_odds + np.linspace(self.slope, -self.slope, self.units)

    @property
    def width_pmf(self) -> FloatArray:
        """Prior law of K under the nested and tilted priors: 0 to U, every width possible."""
        weights = 0.75 ** np.arange(self.units + 1)
        return weights / weights.sum()

    @cached_property
    def truth(self) -> LinearModels:
        """The exact posterior."""
        unit_of = np.repeat(np.arange(self.units), self.row_dim).tolist()
        variance = np.repeat(self.slab_variance / self.guidance_values, self.row_dim)
        noise = self.noise_scale**2
        return LinearModels(self.design, self.targets.ravel(), unit_of, variance, noise, self.log_prior)

    @property
    def guidance_values(self) -> FloatArray:
        """g_u, mean 1."""
        raw = np.arange(1, self.units + 1) if self.guided else np.ones(self.units)
        return raw / raw.mean()

    @property
    def masks(self) -> Tensor:
        """Every model, bool (2^U, U), in the order of the truth's arrays."""
        return torch.from_numpy(self.truth.masks.copy())

    @property
    def likelihood(self) -> Normal:
        """Known noise."""
        return Normal(scale=self.noise_scale)

    def net(self, dtype: torch.dtype = torch.float64) -> nn.Module:
        """The network, all rows at 0.3; the head's weights do not require a gradient."""
        if self.head is None:
            net, _ = Architecture.with_gates(fixed_linear(np.ones((1, self.units))), self._samples, inputs=True, signed=True)
        else:
            hidden = nn.Linear(self.row_dim, self.units, bias=False, dtype=torch.float64)
            net = nn.Sequential(hidden, fixed_linear(self.head))
        with torch.no_grad():
            for parameter in net.parameters():
                if parameter.requires_grad:
                    parameter.fill_(0.3)
        return net.to(dtype)

    @cached_property
    def architecture(self) -> Architecture:
        """One group of U units with rows of D weights."""
        return Architecture.from_module(self.net(), self._samples)

    @cached_property
    def model_prior(self) -> priors.ModelPrior:
        """The package's prior over models."""
        odds = {self.group: torch.from_numpy(self.unit_log_odds)}
        costs = {self.group: -odds[self.group]}
        law = {self.group: torch.from_numpy(self.width_pmf).log()}
        if self.models == "nested":
            return priors.NestedWidth(self.architecture, law)
        if self.models == "tilted":
            return priors.TiltedWidth(self.architecture, law, costs)
        return priors.IndependentInclusion(self.architecture, costs)

    @cached_property
    def prior(self) -> priors.SpikeAndSlabPrior:
        """The spike and slab of the truth."""
        pressed = guidance.linear() if self.guided else guidance.constant()
        slab = priors.Normal(strength=0.5 / self.slab_variance)
        return priors.SpikeAndSlabPrior(self.architecture, self.model_prior, slab, guidance=pressed)

    def data(self, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
        """Inputs and targets."""
        return torch.from_numpy(self.inputs).to(dtype), torch.from_numpy(self.targets).to(dtype)

    @property
    def _samples(self) -> Tensor:
        return torch.from_numpy(self.inputs[:2])


def fixed_linear(weight: FloatArray) -> nn.Linear:
    """A linear layer without bias whose weights are constants."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=torch.float64)
    layer.weight = nn.Parameter(torch.from_numpy(weight.copy()), requires_grad=False)
    return layer


def _columns(units: int, cases: int, shared: float, seed: int) -> FloatArray:
    """Standardised columns whose pairwise correlations are about `shared`^2 / (1 + `shared`^2)."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=(cases, units)) + shared * rng.normal(size=(cases, 1))
    return raw / raw.std(axis=0)


def _near_orthogonal(units: int, cases: int, seed: int) -> FloatArray:
    """Columns of mean square 1 with correlations of a few hundredths."""
    rng = np.random.default_rng(seed)
    exact = np.linalg.qr(rng.normal(size=(cases, units)))[0] * cases**0.5
    return exact + 0.03 * rng.normal(size=(cases, units))


def _twins(cases: int, seed: int) -> FloatArray:
    """Four columns; the second is the first with a little noise: correlation about .995."""
    columns = _columns(4, cases, 0.0, seed)
    columns[:, 1] = columns[:, 0] + 0.1 * columns[:, 1]
    return columns


ORTHOGONAL = LinearScenario("orthogonal", _near_orthogonal(6, 24, 1), present=(0, 2), slab_variance=0.5)
CORRELATED = LinearScenario("correlated", _columns(8, 20, 1.2, 2), present=(1, 4, 5), guided=True)
TWINS = LinearScenario("twins", _twins(20, 3), present=(0,))
TEN = LinearScenario("ten", _columns(10, 25, 0.8, 4), present=(0, 3, 7))
NESTED = LinearScenario("nested", _columns(6, 15, 0.7, 6), present=(0, 1), models="nested")
TILTED = LinearScenario("tilted", _columns(6, 15, 0.7, 7), present=(0, 3), models="tilted")
ROWS = LinearScenario(
    "rows", _near_orthogonal(3, 8, 8), (0, 2), head=_near_orthogonal(5, 6, 9) / 2, slab_variance=0.3, noise_scale=1.5
)
ROWS_CORRELATED = LinearScenario(
    "rows, correlated", _columns(3, 8, 0.5, 10), (1,), head=_columns(5, 6, 1.0, 11) / 2, slab_variance=0.3, noise_scale=1.5
)
COPIES = LinearScenario(
    "copies", _near_orthogonal(3, 12, 12), (0, 1), head=np.ones((2, 5)), slab_variance=2.0, log_odds=-6.0, slope=4.0
)
"""Units that all do the same, at prices from 2 to 10 nats."""
LINEAR = (ORTHOGONAL, CORRELATED, TWINS, TEN, NESTED, TILTED, ROWS, ROWS_CORRELATED)
