"""The reference: Markov chains under the continuous prior and under the spike and slab, as they come and relabelled."""

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

import bayes_guided as bg
from bayes_guided.analysis.convergence import bulk_ess, mean_error, rhat

from .answers import AS_THEY_COME, REFERENCE, Answer
from .fits import at_least_of_masks
from .problem import GROUP, Problem
from .relabelling import slot_probabilities


def references(problem: Problem) -> Iterator[Answer]:
    """Threshold, shrinkage, and inclusion, which is what the evidence reading stands for; each by slots and relabelled."""
    fit, seconds = _fit(problem, problem.prior, problem.config.mcmc)
    rows = fit.samples.rows[GROUP].double()
    shares = slot_shares(problem, rows, None)
    norms = rows.norm(dim=-1)
    seen = {"threshold": (norms > problem.config.tau).double(), "shrinkage": _shrinkage(problem, rows)}
    in_slots = {
        "threshold": torch.einsum("cdus,cdu->cds", shares, seen["threshold"]),
        "shrinkage": torch.einsum("cdus,cdus->cds", shares, _shrinkage_in_every_slot(problem, rows)),
    }
    total = len(fit.samples)
    for reading in ("threshold", "shrinkage"):
        masks = fit.masks(reading, total, **problem.numbers[reading])[GROUP]
        yield _answer(reading, AS_THEY_COME, seen[reading], masks, fit, seconds)
        yield _answer(reading, REFERENCE, in_slots[reading], masks, fit, seconds)
    fit, seconds = _fit(problem, problem.spike_and_slab, problem.config.mcmc_models)
    assert fit.samples.masks is not None
    assert fit.samples.log_odds is not None
    masks = fit.samples.masks[GROUP]
    shares = slot_shares(problem, fit.samples.rows[GROUP].double(), masks)
    yield _answer("evidence", AS_THEY_COME, fit.samples.log_odds[GROUP].double().sigmoid(), masks.flatten(0, 1), fit, seconds)
    relabelled = torch.einsum("cdus,cdu->cds", shares, masks.double())
    yield _answer("evidence", REFERENCE, relabelled, masks.flatten(0, 1), fit, seconds)


def _fit(problem: Problem, prior: bg.GuidedPrior | bg.SpikeAndSlabPrior, settings: dict[str, Any]) -> tuple[bg.MCMCFit, float]:
    """The chains, and the CPU's seconds."""
    seed, started = problem.config.seeds[0], time.process_time()
    net = problem.net(seed)
    fit = bg.fit_mcmc(net, prior, problem.data, likelihood=problem.likelihood, seed=seed, progress=False, **settings)
    return fit, time.process_time() - started


def slot_shares(problem: Problem, rows: Tensor, masks: Tensor | None) -> Tensor:
    """P(unit u of a draw lies in slot s), (chains, draws, units, slots); an absent unit weighs its absence."""
    density = problem.prior.distribution(GROUP, rows)
    log_weights = torch.stack([density.log_prob(rows[..., [unit], :]) for unit in range(rows.shape[2])], dim=-2)
    if masks is not None:
        odds = problem.spike_and_slab.models.unit_survival()[GROUP].logit()
        log_weights = torch.where(masks[..., None], log_weights + odds, 0.0)
    return slot_probabilities(log_weights.flatten(0, 1)).unflatten(0, rows.shape[:2])


def _shrinkage(problem: Problem, rows: Tensor) -> Tensor:
    """P(s > 1/h | row) of every row in its own slot."""
    odds = problem.prior.row_priors[GROUP].row_shrinkage_log_odds(rows, problem.config.curvature)
    return odds.double().sigmoid()


def _shrinkage_in_every_slot(problem: Problem, rows: Tensor) -> Tensor:
    """The same for every row in every slot, (chains, draws, units, slots)."""
    return torch.stack([_shrinkage(problem, rows[..., [unit], :].expand_as(rows)) for unit in range(rows.shape[2])], dim=-2)


def _answer(reading: str, method: str, series: Tensor, masks: Tensor, fit: bg.MCMCFit, seconds: float) -> Answer:
    """The mean over chains and draws with two standard errors; `series` is (chains, draws, units)."""
    mean, error = series.flatten(0, 1).mean(dim=0), 2 * mean_error(series)
    width = masks.sum(dim=1).double().unflatten(0, series.shape[:2])[..., None]
    return Answer(
        reading,
        method,
        [mean.tolist()],
        error=[(mean - error).clamp(min=0).tolist(), (mean + error).clamp(max=1).tolist()],
        at_least=[at_least_of_masks(masks).tolist()],
        convergence={
            "rhat": rhat(series).tolist(),
            "ess": bulk_ess(series).tolist(),
            "width_rhat": float(rhat(width)),
            "width_ess": float(bulk_ess(width)),
            "divergences": fit.diagnostics.divergences,
            "draws": len(fit.samples),
        },
        approximation=fit.approximation,
        seconds=seconds,
    )
