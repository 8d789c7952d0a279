"""Have the chains converged, and how many draws are they worth?"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from bayes_guided.analysis.convergence import bulk_ess, rhat
from bayes_guided.infer.mcmc.samples import Samples

RHAT_LIMIT = 1.01
"""R-hat above which a quantity has not converged [Vehtari2021]."""
ESS_PER_CHAIN = 100
"""Bulk effective sample size per chain below which R-hat and standard errors are themselves unreliable [Vehtari2021]."""


@dataclass(frozen=True)
class Convergence:
    """A set of quantities, such as all weights of a group: the worst of them, and which share (fraction) is bad.

    `rhat` is the largest rank-normalised split R-hat and `bad_rhat` the share above 1.01; `ess` is the smallest bulk effective
    sample size (count, over all chains) and `bad_ess` the share below 100 per chain.
    """

    rhat: float
    bad_rhat: float
    ess: float
    bad_ess: float


@dataclass(frozen=True)
class Diagnostics:
    """How the chains went.

    `quantities` has "rows.<group>", "rest" and "noise_scale" (every weight by itself), "log_density", and under a prior with
    models "inclusion.<group>", the presence of every unit (its conditional probabilities have another law in every chain).
    `divergences` counts trajectories after the warm-up.
    """

    quantities: Mapping[str, Convergence]
    divergences: int
    chains: int
    draws: int
    """Draws of each chain."""

    @property
    def rhat(self) -> float:
        """The worst R-hat of all."""
        return max(quantity.rhat for quantity in self.quantities.values())

    @property
    def ess(self) -> float:
        """The smallest bulk effective sample size of all."""
        return min(quantity.ess for quantity in self.quantities.values())

    @property
    def converged(self) -> bool:
        """Whether there is nothing to warn of."""
        return not self.warnings

    @property
    def warnings(self) -> tuple[str, ...]:
        """What speaks against these draws, one sentence each; empty if nothing does."""
        found = [
            f"{name}: R-hat is {values.rhat:.3f} at worst, above {RHAT_LIMIT} for {values.bad_rhat:.0%}; the chains disagree: "
            "run longer, and do not read the units one by one if they are exchangeable (P26)."
            for name, values in self.quantities.items()
            if values.rhat > RHAT_LIMIT
        ]
        found += [
            f"{name}: the bulk effective sample size is {values.ess:.0f} at worst, below {ESS_PER_CHAIN} per chain for "
            f"{values.bad_ess:.0%}; draw more."
            for name, values in self.quantities.items()
            if values.ess < ESS_PER_CHAIN * self.chains
        ]
        if self.divergences:
            found.append(
                f"{self.divergences} of {self.chains * self.draws} trajectories diverged: parts of the posterior were not "
                "reached; raise target_accept."
            )
        return tuple(found)


def diagnose(samples: Samples) -> Diagnostics:
    """R-hat, effective sample sizes and divergences of the draws."""
    series = {f"rows.{name}": rows.flatten(2) for name, rows in samples.rows.items()}
    if samples.rest.shape[2]:
        series["rest"] = samples.rest
    if samples.noise_scale is not None:
        series["noise_scale"] = samples.noise_scale.unsqueeze(-1)
    series["log_density"] = samples.log_density.unsqueeze(-1)
    for name, masks in (samples.masks or {}).items():
        series[f"inclusion.{name}"] = masks.double()
    chains, draws = samples.log_density.shape
    quantities = {name: _convergence(values, chains) for name, values in series.items()}
    return Diagnostics(quantities, int(samples.diverged.sum()), chains, draws)


def _convergence(series: Tensor, chains: int) -> Convergence:
    ratios, sizes = rhat(series), bulk_ess(series)
    return Convergence(
        float(ratios.max()),
        float((ratios > RHAT_LIMIT).double().mean()),
        float(sizes.min()),
        float((sizes < ESS_PER_CHAIN * chains).double().mean()),
    )
