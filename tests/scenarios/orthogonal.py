"""Group Laplace units in an orthogonal design (P20): MAP, bootstrap, threshold and inclusion, each by its own formula.

The network is y = V W x with V'V = vI and X'X = xI, so that the rows w_u of W are independent: L(w) = const +
h/2 sum_u ||w_u - a_u||^2, with curvature h = v x / sigma^2 and the least-squares rows a_u. V is fixed (`requires_grad=False`).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import gammaincc
from torch import Tensor, nn

from bayes_guided import priors
from bayes_guided.architecture import Architecture
from bayes_guided.likelihoods import Normal
from theory import orthogonal_unit, survival_numbers

from .linear import fixed_linear

FloatArray = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class OrthogonalScenario:
    """Units of `dim` weights whose least-squares rows have the norms `effects`; the rate of every unit is `rate`.

    The notes' numbers belong to dim 5, curvature 100, rate 12, threshold 0.05, and effects 0.1 and 0.2.
    """

    name: str
    effects: tuple[float, ...] = (0.1, 0.2, 0.35, 0.0)
    dim: int = 5
    curvature: float = 100.0
    rate: float = 12.0
    threshold: float = 0.05
    log_odds: float = 0.0
    cases: int = 20
    group: str = "0"
    noise_scale: float = 1.0

    @property
    def units(self) -> int:
        """U."""
        return len(self.effects)

    # The truth, one number per unit -----------------------------------------------------------------------------------

    @property
    def map_norms(self) -> FloatArray:
        """Norm of each MAP row."""
        return np.array([orthogonal_unit.map_norm(effect, self.curvature, self.rate) for effect in self.effects])

    @property
    def bootstrap(self) -> FloatArray:
        """P(MAP row is not zero) over data sets drawn with `resampled`."""
        unit = self.curvature, self.rate, self.dim
        return np.array([survival_numbers.bootstrap_survival(effect, *unit) for effect in self.effects])

    @property
    def threshold_survival(self) -> FloatArray:
        """P(||row|| > threshold | data) under the group Laplace prior alone: every unit is present."""
        unit = self.curvature, self.rate, self.dim
        return np.array([orthogonal_unit.posterior_survival(self.threshold, max(a, 1e-9), *unit) for a in self.effects])

    @property
    def prior_threshold_survival(self) -> float:
        """P(||row|| > threshold) a priori."""
        return float(gammaincc(self.dim, self.rate * self.threshold))

    @property
    def inclusion(self) -> FloatArray:
        """P(m_u = 1 | data) under the spike and slab."""
        unit = self.curvature, self.rate, self.dim, self.log_odds
        return np.array([survival_numbers.inclusion_probability(max(a, 1e-9), *unit) for a in self.effects])

    # The problem ------------------------------------------------------------------------------------------------------

    @cached_property
    def rows(self) -> FloatArray:
        """The least-squares rows a_u, (U, dim), random directions."""
        directions = np.random.default_rng(2).normal(size=(self.units, self.dim))
        return directions / np.linalg.norm(directions, axis=1, keepdims=True) * np.array(self.effects)[:, None]

    @cached_property
    def head(self) -> FloatArray:
        """V, (outputs, U), V'V = U I."""
        return np.linalg.qr(np.random.default_rng(3).normal(size=(self.units + 1, self.units)))[0] * self.units**0.5

    @cached_property
    def inputs(self) -> FloatArray:
        """X, (cases, dim), X'X = h sigma^2 / U I."""
        raw = np.linalg.qr(np.random.default_rng(4).normal(size=(self.cases, self.dim)))[0]
        return raw * (self.curvature * self.noise_scale**2 / self.units) ** 0.5

    def data(self, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
        """Inputs and targets whose least-squares rows are `rows`: the noise is orthogonal to the design."""
        noise = np.random.default_rng(5).normal(size=(self.cases, len(self.head))) * self.noise_scale
        fitted = self.inputs @ np.linalg.lstsq(self.inputs, noise, rcond=None)[0]
        within = fitted @ self.head @ self.head.T / self.units
        return self._tensors(self._clean + noise - within, dtype)

    def resampled(self, seed: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
        """Inputs and fresh targets around the fit of the rows: the parametric bootstrap."""
        noise = np.random.default_rng([6, seed]).normal(size=self._clean.shape) * self.noise_scale
        return self._tensors(self._clean + noise, dtype)

    @property
    def likelihood(self) -> Normal:
        """Known noise."""
        return Normal(scale=self.noise_scale)

    def net(self, dtype: torch.dtype = torch.float64) -> nn.Module:
        """The network, all rows at 0.1."""
        net = nn.Sequential(nn.Linear(self.dim, self.units, bias=False, dtype=torch.float64), fixed_linear(self.head))
        nn.init.constant_(net[0].weight, 0.1)  # pyright: ignore[reportArgumentType]
        return net.to(dtype)

    @cached_property
    def architecture(self) -> Architecture:
        """One group of units."""
        return Architecture.from_module(self.net(), torch.from_numpy(self.inputs[:2]))

    @property
    def weights(self) -> priors.GroupLaplace:
        """The group Laplace whose rate is `rate`."""
        return priors.GroupLaplace(strength=self.rate / self.dim**0.5)

    @cached_property
    def guided(self) -> priors.GuidedPrior:
        """The continuous prior: for MAP, bootstrap and threshold."""
        return priors.GuidedPrior(self.architecture, self.weights)

    @cached_property
    def spike_and_slab(self) -> priors.SpikeAndSlabPrior:
        """Independent inclusion with a group Laplace slab: for inclusion."""
        costs = {self.group: torch.full((self.units,), -self.log_odds, dtype=torch.float64)}
        return priors.SpikeAndSlabPrior(self.architecture, priors.IndependentInclusion(self.architecture, costs), self.weights)

    @property
    def _clean(self) -> FloatArray:
        return self.inputs @ self.rows.T @ self.head.T

    def _tensors(self, targets: FloatArray, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self.inputs).to(dtype), torch.from_numpy(targets).to(dtype)


ORTHOGONAL_LAPLACE = OrthogonalScenario("orthogonal group Laplace")
