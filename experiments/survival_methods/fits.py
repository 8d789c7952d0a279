"""The approximations: MAPs, ensembles, SVI, Laplace, structured SVI."""

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

import bayes_guided as bg

from .answers import PRIOR, Answer
from .problem import GROUP, Problem


def approximations(problem: Problem) -> Iterator[Answer]:
    """Every answer that is not from a Markov chain."""
    for reading in ("threshold", "shrinkage", "evidence"):
        models = problem.prior.model_prior(reading, **problem.numbers[reading])
        values = models.unit_survival()[GROUP].tolist()
        yield Answer(reading, PRIOR, [values], at_least=[at_least(models.width_pmf(GROUP)).tolist()])
    yield from modes(problem)
    for vary in ("seed", "bootstrap"):
        yield ensemble(problem, vary)
    for guide in problem.config.svi["guides"]:
        yield from variational(problem, guide)
    yield structured(problem)


def modes(problem: Problem) -> Iterator[Answer]:
    """Exact zeros of a MAP per seed, and the evidence of its Laplace approximation by either way."""
    config, started = problem.config, time.process_time()
    fits = [
        bg.fit_map(
            problem.net(seed),
            problem.prior,
            problem.data,
            likelihood=problem.likelihood,
            seed=seed,
            progress=False,
            **config.map,
        )
        for seed in config.seeds
    ]
    seconds = time.process_time() - started
    masks = [fit.unit_survival("map")[GROUP] for fit in fits]
    curvatures = ", ".join(f"{bg.infer.mean_curvature(fit, problem.data):.0f}" for fit in fits)
    yield Answer(
        "map",
        "MAP",
        _listed(masks),
        at_least=[at_least_of_masks(mask[None] > 0).tolist() for mask in masks],
        approximation=f"measured curvature {curvatures}",
        seconds=seconds,
    )
    started = time.process_time()
    gaussians = [bg.laplace(fit, problem.data) for fit in fits]
    seconds = time.process_time() - started
    odds = problem.spike_and_slab.models.unit_survival()[GROUP].logit()
    for way in ("row", "outgoing"):
        factors = [gaussian.removal_evidence(way)[way][GROUP].log_bayes_factor for gaussian in gaussians]
        values = _listed([(odds + factor).sigmoid() for factor in factors])
        text = gaussians[0].approximation
        yield Answer("evidence", f"Laplace, by {way}", values, approximation=text, seconds=seconds)


def ensemble(problem: Problem, vary: str) -> Answer:
    """The share of members that keep a unit, with Jeffreys' interval."""
    config, started = problem.config, time.process_time()
    fit = bg.fit_ensemble(
        problem.net(config.seeds[0]),
        problem.prior,
        problem.data,
        likelihood=problem.likelihood,
        vary=vary,  # pyright: ignore[reportArgumentType]
        seed=config.seeds[0],
        progress=False,
        **config.ensemble,
    )
    interval = fit.survival_interval("map")
    assert interval is not None
    return Answer(
        "map",
        f"ensemble by {vary}",
        _listed([fit.unit_survival("map")[GROUP]]),
        error=[ends[GROUP].tolist() for ends in interval],
        at_least=[at_least_of_masks(fit.member_masks[GROUP]).tolist()],
        approximation=fit.approximation,
        seconds=time.process_time() - started,
    )


def variational(problem: Problem, guide: str) -> Iterator[Answer]:
    """A Gaussian guide per seed, in every reading that it has."""
    config, started = problem.config, time.process_time()
    settings = {name: value for name, value in config.svi.items() if name != "guides"}
    fits = [_svi(problem, problem.prior, seed, guide=guide, **settings) for seed in config.seeds]
    seconds = time.process_time() - started
    bounds = ", ".join(f"{float(fit.elbo.value):.1f}" for fit in fits)
    for reading in ("threshold", "shrinkage", "evidence"):
        numbers = problem.numbers[reading]
        widths = None
        if reading != "evidence":  # units by themselves: no joint models
            widths = [at_least_of_masks(fit.masks(reading, config.widths_draws, **numbers)[GROUP]).tolist() for fit in fits]
        yield Answer(
            reading,
            f"SVI, {guide.replace('_', ' ')}",
            _listed([fit.unit_survival(reading, **numbers)[GROUP] for fit in fits]),
            at_least=widths,
            approximation=f"{fits[0].approximation}; ELBO {bounds}",
            seconds=seconds,
        )


def structured(problem: Problem) -> Answer:
    """Structured SVI of the spike and slab, per seed."""
    config, started = problem.config, time.process_time()
    fits = [_svi(problem, problem.spike_and_slab, seed, **config.inclusion) for seed in config.seeds]
    bounds = ", ".join(f"{float(fit.bound.value):.1f}" for fit in fits)
    return Answer(
        "evidence",
        "SVI, spike and slab",
        _listed([fit.unit_survival("inclusion")[GROUP] for fit in fits]),
        at_least=[at_least(fit.width_pmf(GROUP)).tolist() for fit in fits],
        approximation=f"{fits[0].approximation}; ELBO {bounds}",
        seconds=time.process_time() - started,
    )


def _svi(problem: Problem, prior: bg.GuidedPrior | bg.SpikeAndSlabPrior, seed: int, **settings: Any) -> Any:
    """An SVIFit, or an InclusionFit, as the prior demands."""
    net = problem.net(seed)
    return bg.fit_svi(net, prior, problem.data, likelihood=problem.likelihood, seed=seed, progress=False, **settings)


def at_least(pmf: Tensor) -> Tensor:
    """P(width >= k) for k = 1 to U, from the law of the width."""
    return pmf.double().flip(0).cumsum(0).flip(0)[1:].clamp(0, 1)


def at_least_of_masks(masks: Tensor) -> Tensor:
    """The same as shares of models, boolean (models, units)."""
    counts = torch.bincount(masks.sum(dim=1).cpu(), minlength=masks.shape[1] + 1)
    return at_least(counts.double() / len(masks))


def _listed(values: list[Tensor]) -> list[list[float | None]]:
    return [[None if value != value else value for value in each.tolist()] for each in values]
