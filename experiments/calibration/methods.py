"""The methods under test: each turns the targets of one data set into a posterior over models."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from bayes_guided.analysis.gaussian_evidence import normal_log_density_at_zero, unit_evidence
from bayes_guided.analysis.gaussian_posterior import DiagonalGaussian
from bayes_guided.analysis.sbc import CalibrationTable, calibration_of_draws, calibration_of_laws
from bayes_guided.infer.fit import Fit
from bayes_guided.infer.inclusion.fitting import fit_inclusion
from bayes_guided.infer.mcmc.fitting import fit_mcmc

from .enumeration import Enumeration
from .problem import Problem


@dataclass(frozen=True)
class Posteriors:
    """What a method says of several data sets.

    inclusion: P(m_u = 1 | data), (sets, units). widths: the law of K, (sets, units + 1), or drawn models, bool (sets, draws,
    units).
    """

    inclusion: Tensor
    widths: Tensor


class Method(ABC):
    """One way to a posterior over models."""

    name: str
    problem: Problem

    @abstractmethod
    def posterior(self, targets: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """The inclusion probabilities (units,), and the law of the width (units + 1,) or drawn models (draws, units)."""

    @abstractmethod
    def table(self, present: Tensor, posteriors: Posteriors, uniform: Tensor) -> CalibrationTable:
        """The calibration of the method over data sets, from true models (sets, units) and uniform numbers (sets,)."""


class Enumerated(Method):
    """All models, exactly, under a prior that need not be the one the data are drawn from."""

    def __init__(self, name: str, problem: Problem, log_odds: float) -> None:
        """`log_odds` are the prior's, of every unit."""
        self.name, self.problem = name, problem
        self._models = Enumeration(problem, problem.prior(log_odds))

    def posterior(self, targets: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Inclusion probabilities and the law of the width; nothing is random."""
        del seed
        probabilities, masks = self._models.probabilities(targets), self._models.masks
        law = torch.zeros(masks.shape[1] + 1, dtype=probabilities.dtype)
        law.index_add_(0, masks.sum(dim=1), probabilities)
        return (probabilities @ masks.double()).clamp(0, 1), law

    def table(self, present: Tensor, posteriors: Posteriors, uniform: Tensor) -> CalibrationTable:
        """From the laws."""
        return calibration_of_laws(self.name, present, posteriors.inclusion, posteriors.widths, uniform)


class SingleRemovals(Method):
    """P(m_u = 1 | data) from the Bayes factor of unit u while all others stay, read off one Gaussian (P19).

    The units are then taken to be independent. With `mean_field` the Gaussian has the right means and no covariances.
    """

    def __init__(self, name: str, problem: Problem, *, mean_field: bool) -> None:
        """The Gaussian is that of the full model."""
        self.name, self.problem, self._mean_field = name, problem, mean_field
        self._models = Enumeration(problem, problem.right_prior)

    def posterior(self, targets: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Inclusion probabilities and the law of a sum of independent units."""
        del seed
        gaussian, units = self._models.full_posterior(targets), torch.arange(self.problem.config.units)[:, None]
        if self._mean_field:
            gaussian = DiagonalGaussian(gaussian.mean, gaussian.precision.diagonal().rsqrt())
        evidence = unit_evidence(gaussian, units, normal_log_density_at_zero(self._models.precision[:, None]))
        inclusion = (evidence.log_bayes_factor + self.problem.config.log_odds).sigmoid()
        law = torch.ones(1, dtype=inclusion.dtype)
        for probability in inclusion:
            law = pad(law * (1 - probability), (0, 1)) + pad(law * probability, (1, 0))
        return inclusion, law

    def table(self, present: Tensor, posteriors: Posteriors, uniform: Tensor) -> CalibrationTable:
        """From the laws."""
        return calibration_of_laws(self.name, present, posteriors.inclusion, posteriors.widths, uniform)


class Fitted(Method):
    """A method of the package that draws models."""

    def __init__(self, name: str, problem: Problem, settings: dict[str, Any]) -> None:
        """`settings` are arguments of the fit, and `ranked`, the number of models to draw from it."""
        self.name, self.problem = name, problem
        self._settings = {key: value for key, value in settings.items() if key != "ranked"}
        self._ranked = int(settings["ranked"])

    @abstractmethod
    def fit(self, targets: Tensor, seed: int, **settings: Any) -> Fit:
        """The fit to one data set."""

    def posterior(self, targets: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Inclusion probabilities, and models drawn from the fit; those of a chain are thinned evenly."""
        fit = self.fit(targets, seed, **self._settings)
        generator = torch.Generator().manual_seed(seed)
        return fit.unit_survival("inclusion")["inputs"], fit.masks("inclusion", self._ranked, generator=generator)["inputs"]

    def table(self, present: Tensor, posteriors: Posteriors, uniform: Tensor) -> CalibrationTable:
        """From the draws, and the units' own probabilities."""
        return calibration_of_draws(self.name, present, posteriors.widths, uniform, posteriors.inclusion)


class MCMC(Fitted):
    """Moves on the model in turn with NUTS on the weights."""

    def fit(self, targets: Tensor, seed: int, **settings: Any) -> Fit:
        """One chain; the next data set brings the next."""
        problem = self.problem
        data, likelihood = (problem.inputs, targets), problem.likelihood
        return fit_mcmc(
            problem.net, problem.right_prior, data, likelihood=likelihood, chains=1, seed=seed, progress=False, **settings
        )


class StructuredSVI(Fitted):
    """q(m) q(weights | m), units independent in q(m)."""

    def fit(self, targets: Tensor, seed: int, **settings: Any) -> Fit:
        """From gates at 0. The empty model is a model here."""
        problem = self.problem
        data, likelihood = (problem.inputs, targets), problem.likelihood
        return fit_inclusion(
            problem.net,
            problem.right_prior,
            data,
            likelihood=likelihood,
            allow_empty=True,
            seed=seed,
            progress=False,
            **settings,
        )


def methods(problem: Problem) -> Sequence[Method]:
    """Every method, the exact one first."""
    config = problem.config
    return (
        Enumerated("exact", problem, config.log_odds),
        Enumerated("wrong prior", problem, config.wrong_log_odds),
        MCMC("MCMC", problem, config.mcmc),
        StructuredSVI("structured SVI", problem, config.svi),
        SingleRemovals("single removals", problem, mean_field=False),
        SingleRemovals("single removals, mean field", problem, mean_field=True),
    )
