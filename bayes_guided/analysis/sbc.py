"""Simulation-based calibration of posteriors over models: is P(unit present | data) right on average? (P21)

Draw a model m and weights from the prior and data given them, many times, and ask the method each time for its posterior. If
that is the exact one, m is one more draw from it, so that E[m_u - P(m_u = 1 | data)] = 0 and the rank of the true width K in
the posterior of K, ties broken at random, is uniform on (0, 1) [Talts2018].

- z of a unit: sum (m_u - p_u) / sqrt(sum p_u (1 - p_u)) over data sets, standard normal for an exact method. Positive where
  the method believes too little.
- z in all: the same of the width, sum (K - E[K | data]) / sqrt(sum Var[K | data]). The variance is that of the joint
  posterior: units that stand in for one another are far from independent.
- p of a Kolmogorov-Smirnov test that the ranks are uniform.

Passing says that these averages are right, not that every posterior is.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from scipy import stats
from torch import Tensor

from bayes_guided.exceptions import PosteriorError

LARGEST_Z = 3.0
SMALLEST_P = 0.01

_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class CalibrationTable:
    """What one method's posteriors over models amount to, over `data_sets` data sets."""

    name: str
    """The method."""
    data_sets: int
    unit_z: Float[Tensor, "units"]
    """Standard normal per unit if the method is exact."""
    z: float
    """The same of the width."""
    ks_p: float
    """p of the hypothesis that `ranks` are uniform."""
    ranks: Float[Tensor, "sets"]
    """Randomised rank of the true width in each posterior, in (0, 1)."""

    @property
    def largest_z(self) -> float:
        """The largest |z| of a unit."""
        return float(self.unit_z.abs().max())

    @property
    def rank_band(self) -> float:
        """Largest distance from the diagonal of the distribution of uniform ranks with probability 99 % (Kolmogorov)."""
        return float(stats.kstwo.ppf(1 - SMALLEST_P, self.data_sets))

    @property
    def passed(self) -> bool:
        """Every |z| below 3 and p above 0.01; a method that did not pass is an approximation and is to be called one."""
        return self.largest_z < LARGEST_Z and abs(self.z) < LARGEST_Z and self.ks_p > SMALLEST_P


def calibration_of_laws(
    name: str,
    present: Bool[Tensor, "sets units"],
    inclusion: Float[Tensor, "_ _"],
    width_law: Float[Tensor, "_ _"],
    uniform: Float[Tensor, "sets"],
) -> CalibrationTable:
    """The table of a method that gives probabilities: `inclusion` (sets, units), and `width_law` (sets, U + 1) of widths 0..U.

    `present` are the true models, and `uniform` independent uniform numbers in (0, 1), which break ties.

    Raises:
        PosteriorError: if shapes do not fit, or something is no probability law.
    """
    _check(present, inclusion)
    units = present.shape[1]
    if width_law.shape != (len(present), units + 1):
        raise PosteriorError(
            f"the laws of the width have shape {tuple(width_law.shape)}; widths run from 0 to {units}, so give "
            f"{(len(present), units + 1)}."
        )
    law = width_law.double()
    if bool((law < 0).any()) or bool(((law.sum(dim=1) - 1).abs() > _ROUNDING).any()):
        raise PosteriorError("a law of the width has a negative entry or does not sum to 1.")
    widths, values = present.sum(dim=1), torch.arange(units + 1, dtype=torch.float64)
    mean = law @ values
    variance = (law * (values - mean[:, None]).square()).sum(dim=1)
    return _table(name, present, inclusion, mean, variance, ranks_in_laws(widths, law, uniform))


def calibration_of_draws(
    name: str,
    present: Bool[Tensor, "sets units"],
    drawn: Bool[Tensor, "_ _ _"],
    uniform: Float[Tensor, "sets"],
    inclusion: Float[Tensor, "_ _"] | None = None,
) -> CalibrationTable:
    """The table of a method that draws models, `drawn` of shape (sets, draws, units).

    The units' probabilities are the draws' frequencies, or `inclusion` where better ones are known (Rao-Blackwell's). Take
    draws that are nearly independent, by thinning a chain; L of them add a variance of a fraction 1 / L to every z.

    Raises:
        PosteriorError: if shapes do not fit, or there are fewer than 2 draws.
    """
    if drawn.shape[::2] != present.shape or drawn.shape[1] < 2:
        raise PosteriorError(
            f"draws of shape {tuple(drawn.shape)} do not fit {tuple(present.shape)} true units; give (sets, draws, units), "
            "at least 2 draws."
        )
    inclusion = drawn.double().mean(dim=1) if inclusion is None else inclusion
    _check(present, inclusion)
    widths = drawn.sum(dim=2)
    ranks = ranks_in_draws(present.sum(dim=1), widths, uniform)
    return _table(name, present, inclusion, widths.double().mean(dim=1), widths.double().var(dim=1), ranks)


def z_statistic(excess: Float[Tensor, "sets *units"], variance: Float[Tensor, "sets *units"]) -> Float[Tensor, "*units"]:
    """sum of excess / sqrt(sum of variance) over data sets.

    0 where nothing varied and nothing was missed; infinite where a method was certain and wrong, and nowhere uncertain.
    """
    total, spread = excess.double().sum(dim=0), variance.double().sum(dim=0).sqrt()
    return torch.where(total == 0, 0.0, total / spread)


def ranks_in_laws(
    widths: Int[Tensor, "sets"], width_law: Float[Tensor, "sets widths"], uniform: Float[Tensor, "sets"]
) -> Float[Tensor, "sets"]:
    """P(K < k) + uniform P(K = k) of the true width k under each law: uniform if that is the law of k."""
    mass = width_law.double()
    up_to = mass.cumsum(dim=1).gather(1, widths[:, None])[:, 0]
    # The sum of a law exceeds 1 by rounding.
    return (up_to - (1 - uniform.double()) * mass.gather(1, widths[:, None])[:, 0]).clamp(0, 1)


def ranks_in_draws(
    widths: Int[Tensor, "sets"], drawn: Int[Tensor, "sets draws"], uniform: Float[Tensor, "sets"]
) -> Float[Tensor, "sets"]:
    """(draws below + uniform (draws equal + 1)) / (draws + 1): uniform if the truth is exchangeable with the draws."""
    below, equal = (drawn < widths[:, None]).sum(dim=1), (drawn == widths[:, None]).sum(dim=1)
    return (below + uniform.double() * (equal + 1)) / (drawn.shape[1] + 1)


def _table(
    name: str,
    present: Bool[Tensor, "sets units"],
    inclusion: Float[Tensor, "sets units"],
    mean: Float[Tensor, "sets"],
    variance: Float[Tensor, "sets"],
    ranks: Float[Tensor, "sets"],
) -> CalibrationTable:
    probability = inclusion.double().clamp(0, 1)
    unit_z = z_statistic(present.double() - probability, probability * (1 - probability))
    z = float(z_statistic(present.sum(dim=1).double() - mean, variance))
    ks_p = float(stats.kstest(ranks.numpy(), "uniform").pvalue)
    return CalibrationTable(name, len(present), unit_z, z, ks_p, ranks)


def _check(present: Tensor, inclusion: Tensor) -> None:
    if present.shape != inclusion.shape or present.numel() == 0:
        raise PosteriorError(
            f"inclusion probabilities of shape {tuple(inclusion.shape)} do not fit {tuple(present.shape)} true units; "
            "give (data sets, units) of both."
        )
    if not bool(((inclusion >= -_ROUNDING) & (inclusion <= 1 + _ROUNDING)).all()):
        raise PosteriorError("an inclusion probability is not between 0 and 1.")
