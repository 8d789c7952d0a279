"""The result of MCMC: draws, what they say of every unit, and whether they may be believed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Shaped
from scipy import stats
from torch import Tensor

from bayes_guided.analysis.convergence import mean_error
from bayes_guided.analysis.implied import Reading, Shrinkage, Threshold
from bayes_guided.analysis.intervals import frequency_log_odds
from bayes_guided.architecture import SubArchitecture
from bayes_guided.exceptions import ReadingError
from bayes_guided.infer.draws import Draws
from bayes_guided.infer.fit import Fit
from bayes_guided.infer.mcmc.diagnostics import Diagnostics, diagnose
from bayes_guided.infer.mcmc.representative import median_model
from bayes_guided.infer.mcmc.samples import Samples
from bayes_guided.priors import GuidedPrior
from bayes_guided.priors.rows.weights import GroupHorseshoe, GroupLaplace
from bayes_guided.types import Rows, UnitValues

_RARE = 10.0
"""Expected visits to the rarer state of a unit below which their own spread says nothing about their error."""


@dataclass(frozen=True, eq=False)
class MCMCFit(Fit):
    """Draws from the posterior by Markov chains: the reference for every other method, as far as `diagnostics` allow.

    Under a continuous prior the readings are "threshold" (the frequency of rows beyond tau in the draws, in the norm that the
    prior's threshold is on) and, for priors that mix normals, "shrinkage" (the average over draws of P(s > 1/h | row)). Under
    a spike and slab it is "inclusion": the average of every unit's probability of presence given all else (P17), which has
    less error than counting presences. "evidence" is not to be had from draws of the full model alone.

    `net` is at the draw of highest joint density, since the mean of weights whose units can change places means nothing
    (P26). Under a spike and slab it is the best of the draws whose model is closest to `sub_architecture()`, with the rows of
    units that are not in it at zero; densities of models of different size are compared with the prior's `log_volume`.
    """

    samples: Samples = field(repr=False)

    method: ClassVar[str] = "mcmc"

    @cached_property
    def diagnostics(self) -> Diagnostics:
        """R-hat, effective sample sizes, divergences, and warnings if they are bad."""
        return diagnose(self.samples)

    @property
    def approximation(self) -> str:
        """Monte Carlo error, or no convergence."""
        found = self.diagnostics
        numbers = (
            f"{found.chains} chains of {found.draws} draws, R-hat at most {found.rhat:.3f}, bulk ESS at least "
            f"{found.ess:.0f}, {found.divergences} divergences"
        )
        if found.converged:
            return f"MCMC: exact up to Monte Carlo error ({numbers})"
        return f"MCMC, unconverged ({numbers}): not to be taken for the posterior; see diagnostics.warnings"

    @property
    def readings(self) -> tuple[str, ...]:
        """Those that draws can give under this prior."""
        if not isinstance(self.prior, GuidedPrior):
            return ("inclusion",)
        mixes = isinstance(self.prior.weights, GroupLaplace | GroupHorseshoe)
        return ("threshold", "shrinkage") if mixes else ("threshold",)

    def draws(self, n: int, generator: torch.Generator | None = None) -> Draws:
        """`n` draws, evenly thinned over all chains; nothing is random, and more than there are repeats some."""
        del generator
        total = len(self.samples)
        places = ((torch.arange(n, dtype=torch.float64) + 0.5) * total / n).long().clamp(max=total - 1)
        return self.samples.take(places, next(self.net.parameters()).device)

    def sub_architecture(self) -> SubArchitecture:
        """The median probability model, the units of inclusion probability 1/2 or more; the full one under a continuous prior.

        A continuous posterior has no models in it: choose a reading and a level, and use `architecture.sub_architecture`. Of a
        group that may not be empty the most probable unit stays.
        """
        if self.samples.log_odds is None:
            return self.architecture.full()
        return median_model(self.architecture, self.unit_survival("inclusion"))

    def _survival(self, reading: str, meaning: Reading | None) -> UnitValues:
        return {name: values.flatten(0, 1).mean(dim=0) for name, values in self._probabilities(reading, meaning).items()}

    def _log_odds(self, reading: str, meaning: Reading | None) -> UnitValues:
        if isinstance(meaning, Threshold):
            counts = {name: (sizes > meaning.tau).sum(dim=(0, 1)) for name, sizes in self._sizes(self.samples.rows).items()}
            return {name: frequency_log_odds(count, len(self.samples)) for name, count in counts.items()}
        odds = self._given_all_else(meaning)
        return {name: _mean_log_odds(values.flatten(0, 1)) for name, values in odds.items()}

    def _interval(self, reading: str, meaning: Reading | None, level: float) -> tuple[UnitValues, UnitValues]:
        """Jeffreys' interval at the effective number of independent looks at the unit."""
        ends = {name: _interval(values, level) for name, values in self._probabilities(reading, meaning).items()}
        return {name: low for name, (low, _) in ends.items()}, {name: high for name, (_, high) in ends.items()}

    def _masks(self, reading: str, meaning: Reading | None, draws: Draws) -> Mapping[str, Shaped[Tensor, "draws _"]]:
        if isinstance(meaning, Threshold):
            return {name: sizes > meaning.tau for name, sizes in self._sizes(draws.rows).items()}
        if isinstance(meaning, Shrinkage):
            return self._shrinkage_odds(draws.rows, meaning)
        assert draws.masks is not None  # a prior with models has no other reading
        return draws.masks

    def _probabilities(self, reading: str, meaning: Reading | None) -> dict[str, Float[Tensor, "chains draws _"]]:
        """What survival is the average of."""
        if isinstance(meaning, Threshold):
            return {name: (sizes > meaning.tau).double() for name, sizes in self._sizes(self.samples.rows).items()}
        return {name: odds.double().sigmoid() for name, odds in self._given_all_else(meaning).items()}

    def _given_all_else(self, meaning: Reading | None) -> Mapping[str, Float[Tensor, "chains draws _"]]:
        """Log odds of presence of every unit at every draw."""
        if isinstance(meaning, Shrinkage):
            return self._shrinkage_odds(self.samples.rows, meaning)
        assert self.samples.log_odds is not None
        return self.samples.log_odds

    def _shrinkage_odds(self, rows: Rows, meaning: Shrinkage) -> dict[str, Tensor]:
        prior = self._continuous
        return {name: prior.row_priors[name].row_shrinkage_log_odds(row, meaning.curvature) for name, row in rows.items()}

    def _sizes(self, rows: Rows) -> dict[str, Tensor]:
        """What the threshold is on."""
        prior = self._continuous
        return {name: prior.row_priors[name].row_sizes(row) for name, row in rows.items()}

    @property
    def _continuous(self) -> GuidedPrior:
        if not isinstance(self.prior, GuidedPrior):
            raise ReadingError("this reading is for continuous priors; a spike and slab has inclusion probabilities.")
        return self.prior

    def _to_tree(self) -> dict[str, Any]:
        return self.samples.to_tree()

    @classmethod
    def _from_tree(cls, common: dict[str, Any], tree: dict[str, Any]) -> "MCMCFit":
        return cls(**common, samples=Samples(**tree))


def _mean_log_odds(odds: Float[Tensor, "draws units"]) -> Float[Tensor, "units"]:
    """The log odds of the mean probability, right where that is 0 or 1 to double precision."""
    odds = odds.double()
    present, absent = (torch.nn.functional.logsigmoid(side).logsumexp(dim=0) for side in (odds, -odds))
    return present - absent


def _interval(series: Float[Tensor, "chains draws units"], level: float) -> tuple[Tensor, Tensor]:
    """Ends of Beta(n p + 1/2, n (1 - p) + 1/2), with n = p (1 - p) / error^2.

    Where the rarer state is expected fewer than ten times in all draws, n is at most the number of draws.
    """
    total = series.shape[0] * series.shape[1]
    mean, error = series.flatten(0, 1).mean(dim=0), mean_error(series)
    looks = (mean * (1 - mean) / error.square()).nan_to_num(nan=total, posinf=total)
    rare = torch.minimum(mean, 1 - mean) * total < _RARE
    looks = torch.where(rare, looks.clamp(max=total), looks)
    beta = stats.beta((looks * mean + 0.5).numpy(), (looks * (1 - mean) + 0.5).numpy())
    low, high = (torch.from_numpy(beta.ppf(tail)) for tail in ((1 - level) / 2, (1 + level) / 2))
    return torch.minimum(low, mean), torch.maximum(high, mean)
