"""The methods under test: each turns the targets of one data set into a posterior over models."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bayes_guided.analysis.sbc import CalibrationTable, calibration_of_laws

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


def methods(problem: Problem) -> Sequence[Method]:
    """Every method, the exact one first."""
    config = problem.config
    return (
        Enumerated("exact", problem, config.log_odds),
        Enumerated("wrong prior", problem, config.wrong_log_odds),
    )
