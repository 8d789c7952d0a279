"""Markov chains over widths, for complexities that no exact method serves."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bayes_guided.priors.estimate import Estimate
from bayes_guided.priors.models.complexity import Complexity, log_binomial


@dataclass(frozen=True, eq=False)
class WidthEstimates:
    """Estimates from independent Markov chains; standard errors come from the spread of the chains' means.

    width_pmf: probabilities of 0..U units per group; size_pmf: of the number of units in all groups; unit_survival:
    P(m_u = 1), (units,) per group; r_hat: largest potential scale reduction of a width over the groups, near 1 where the
    chains agree (above 1.05 the errors are not to be trusted: take more sweeps).
    """

    width_pmf: Mapping[str, Estimate]
    size_pmf: Estimate
    unit_survival: Mapping[str, Estimate]
    r_hat: float


def sample_widths(
    complexity: Complexity,
    sizes: Mapping[str, int],
    minimums: Mapping[str, int],
    sweeps: int,
    chains: int,
    generator: torch.Generator | None,
) -> dict[str, Int[Tensor, "sweeps chains"]]:
    """Gibbs sampling, each group's width in turn from its exact conditional; the first half of the sweeps is dropped."""
    widths = {name: torch.randint(minimums[name], size + 1, (chains,), generator=generator) for name, size in sizes.items()}
    kept: dict[str, list[Tensor]] = {name: [] for name in sizes}
    for sweep in range(2 * sweeps):
        for name, size in sizes.items():
            values = torch.arange(minimums[name], size + 1)
            given = {other: width.double()[:, None] for other, width in widths.items()}
            cost = complexity({**given, name: values.double()[None]})
            logits = log_binomial(size)[minimums[name] :] - cost
            noise = torch.rand(logits.shape, dtype=torch.float64, generator=generator)
            widths[name] = values[(logits - torch.log(-torch.log(noise))).argmax(dim=1)]
        if sweep >= sweeps:
            for name, width in widths.items():
                kept[name].append(width)
    return {name: torch.stack(values) for name, values in kept.items()}


def summarise(draws: Mapping[str, Int[Tensor, "sweeps chains"]], sizes: Mapping[str, int]) -> WidthEstimates:
    """Laws and survivals with their errors from draws of the widths."""
    total = torch.stack(list(draws.values())).sum(dim=0)
    pmfs = {name: _over_chains(_frequencies(draws[name], size)) for name, size in sizes.items()}
    survival = {}
    for name, size in sizes.items():
        mean = _over_chains(draws[name].double().mean(dim=0)[:, None] / size)
        survival[name] = Estimate(mean.value.repeat(size), mean.standard_error.repeat(size))
    size_pmf = _over_chains(_frequencies(total, sum(sizes.values())))
    return WidthEstimates(pmfs, size_pmf, survival, max(_r_hat(value.double()) for value in draws.values()))


def _frequencies(draws: Int[Tensor, "sweeps chains"], most: int) -> Float[Tensor, "chains _"]:
    counts = torch.zeros(draws.shape[1], most + 1, dtype=torch.float64)
    return counts.scatter_add(1, draws.T, torch.ones(draws.T.shape, dtype=torch.float64)) / len(draws)


def _over_chains(means: Float[Tensor, "chains _"]) -> Estimate:
    return Estimate(means.mean(dim=0), means.std(dim=0) / len(means) ** 0.5)


def _r_hat(draws: Float[Tensor, "sweeps chains"]) -> float:
    """Potential scale reduction of split chains [GelmanRubin1992]; 1 where nothing varies."""
    half = len(draws) // 2
    parts = torch.cat([draws[:half], draws[half : 2 * half]], dim=1)
    within = parts.var(dim=0).mean()
    if within == 0:
        return 1.0 if bool((parts == parts[0, 0]).all()) else float("inf")
    return float((((half - 1) / half * within + parts.mean(dim=0).var()) / within).sqrt())
