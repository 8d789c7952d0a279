"""What bounds on the evidence of single widths say of the posterior over models.

The slab and the likelihood do not know one hidden unit from another, so the evidence of a model is that of its width, whatever
its units are. The posterior law of the width is then proportional to p(K) times the evidence of width K; and q(m) on the first
K units alone, with the weights of the network of width K, is one of the structured guide's laws: its bound can be reached.
"""

from collections.abc import Mapping

import torch

from bayes_guided.priors.models.model_prior import ModelPrior
from experiments.cases import Row

from .exact import GROUP, architecture_of
from .laws import mean_width, of_part
from .model_priors import FAMILIES


def prior_of(fits: list[Row], family: str, factor: float) -> ModelPrior:
    """The prior over models that rows of part "mnist" were fitted under, at any factor."""
    law = of_part(fits, "mnist", factor=1.0)[0]["prior_width_law"]
    # The stored law has four digits.
    return FAMILIES[family](architecture_of(len(law) - 1), round(mean_width(law), 2), factor)


def bounds_of(rows: list[Row], n: int) -> dict[int, float]:
    """Bounds on the log evidence by width, of rows of part "bound", nats."""
    return {row["width"]: row["bound"] for row in of_part(rows, "bound", n=n)}


def best_width(bounds: Mapping[int, float], prior: ModelPrior) -> int:
    """The width of largest p(K) times the bound on its evidence, among those that have a bound."""
    log_law = prior.log_width_pmf(GROUP)
    return max(bounds, key=lambda width: bounds[width] + float(log_law[width]))


def reachable(bounds: Mapping[int, float], prior: ModelPrior) -> float:
    """A bound on log p(D) that a structured guide attains with all its mass on the first K units, K the best one; nats."""
    widths = torch.tensor(list(bounds))
    first = torch.arange(prior.architecture.num_units) < widths[:, None]
    return float((torch.tensor(list(bounds.values()), dtype=torch.float64) + prior.log_prob_masks({GROUP: first})).max())
