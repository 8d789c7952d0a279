"""Survival from draws of a posterior, with its Monte Carlo error: for laws that have no closed form."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bayes_guided.analysis.implied import Reading, Shrinkage, Threshold
from bayes_guided.analysis.intervals import frequency_log_odds, jeffreys_interval
from bayes_guided.infer.draws import Draws
from bayes_guided.infer.svi.kept_draws import KeptDraws
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.types import Rows

DRAWS = 1000
"""Draws that a survival is counted from."""
BLOCK = 20
"""Draws of all weights held at a time, where they are new draws."""


@dataclass(frozen=True, eq=False)
class ManyDraws:
    """`total` draws, `block` at a time: `source(n, generator)` gives the next n."""

    source: Callable[[int, torch.Generator], Draws]
    total: int
    block: int
    generator: torch.Generator

    def rows(self) -> Iterator[Rows]:
        """The rows, block by block."""
        for start in range(0, self.total, self.block):
            yield self.source(min(self.block, self.total - start), self.generator).rows


def log_odds(draws: ManyDraws, prior: GuidedPrior, meaning: Reading | None) -> dict[str, Float[Tensor, "units"]]:
    """Log odds of presence, nats: the empirical logit of a count, or the log odds of a mean probability."""
    present = _present(draws, prior, meaning)
    if isinstance(meaning, Threshold):
        return {name: frequency_log_odds(_count(yes), draws.total) for name, (yes, _) in present.items()}
    return {name: yes.logsumexp(dim=0) - no.logsumexp(dim=0) for name, (yes, no) in present.items()}


def interval(
    draws: ManyDraws, prior: GuidedPrior, meaning: Reading | None, level: float
) -> tuple[dict[str, Float[Tensor, "units"]], dict[str, Float[Tensor, "units"]]]:
    """Ends of an interval for the survival: Jeffreys' for counts, the normal one for mean probabilities."""
    lower, upper = {}, {}
    for name, (yes, _) in _present(draws, prior, meaning).items():
        if isinstance(meaning, Threshold):
            lower[name], upper[name] = jeffreys_interval(_count(yes), draws.total, level)
            continue
        mean, error = yes.exp().mean(dim=0), yes.exp().std(dim=0) / draws.total**0.5
        reach = NormalDist().inv_cdf(0.5 + level / 2) * error
        lower[name], upper[name] = (mean - reach).clamp(min=0), (mean + reach).clamp(max=1)
    return lower, upper


def row_log_odds(rows: Rows, prior: GuidedPrior, meaning: Reading | None) -> dict[str, Float[Tensor, "draws _"]]:
    """Log odds of presence given each draw of the row, nats: plus or minus infinity for a threshold."""
    on_cpu = {name: (row_prior, rows[name].detach().cpu()) for name, row_prior in prior.row_priors.items()}
    if isinstance(meaning, Shrinkage):
        return {name: row_prior.row_shrinkage_log_odds(row, meaning.curvature) for name, (row_prior, row) in on_cpu.items()}
    assert isinstance(meaning, Threshold)
    sizes = {name: row_prior.row_sizes(row) for name, (row_prior, row) in on_cpu.items()}
    return {name: torch.where(size > meaning.tau, torch.inf, -torch.inf).double() for name, size in sizes.items()}


def signal_to_noise(kept: KeptDraws, prior: GuidedPrior) -> dict[str, Float[Tensor, "units"]]:
    """sum_j mean_j^2 / variance_j over D, of every row's penalised weights, weights taken one by one."""
    found = {}
    for name, rows in prior.row_priors.items():
        inside = kept.draws.rows[name][..., rows.columns].double()
        variance = inside.var(dim=0).clamp(min=torch.finfo(torch.float64).tiny)
        found[name] = (inside.mean(dim=0).square() / variance).sum(dim=1) / rows.dim
    return found


def _count(log_present: Float[Tensor, "draws units"]) -> Int[Tensor, "units"]:
    """How many of the draws have the unit, where each has it or has it not."""
    return (log_present == 0).sum(dim=0)


def _present(draws: ManyDraws, prior: GuidedPrior, meaning: Reading | None) -> dict[str, tuple[Tensor, Tensor]]:
    """Log probabilities of presence and of absence given each draw, (draws, units) per group."""
    blocks = [row_log_odds(rows, prior, meaning) for rows in draws.rows()]
    odds = {name: torch.cat([block[name] for block in blocks]) for name in prior.row_priors}
    log_sigmoid = torch.nn.functional.logsigmoid
    return {name: (log_sigmoid(values), log_sigmoid(-values)) for name, values in odds.items()}
