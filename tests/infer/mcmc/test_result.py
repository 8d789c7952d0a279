"""What an MCMC fit says of given draws, which no chain has made: readings, errors, the chosen model, saving and loading."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from scipy import stats
from torch import nn

import bayes_guided as bg
from bayes_guided.exceptions import ReadingError
from bayes_guided.infer import History, MCMCFit
from bayes_guided.infer.mcmc.diagnostics import diagnose
from bayes_guided.infer.mcmc.samples import Samples
from tests.infer.problems import built, same_bits
from tests.scenarios import TWINS

CHAINS, DRAWS, U = 4, 250, TWINS.units
GROUP = TWINS.group


def normal_rows(seed: int) -> torch.Tensor:
    """Independent standard normal draws."""
    return torch.randn(CHAINS, DRAWS, U, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def samples(seed: int = 0, **changes: Any) -> Samples:
    """Independent standard normal rows, units 0 and 1 there with probability 0.8 and 0.3, the others always or never."""
    generator = torch.Generator().manual_seed(seed)
    rows = normal_rows(seed)
    odds = torch.tensor([math.log(4.0), math.log(3 / 7), 800.0, -800.0], dtype=torch.float64).expand(CHAINS, DRAWS, U)
    masks = torch.rand(CHAINS, DRAWS, U, generator=generator, dtype=torch.float64) < odds.sigmoid()
    made = Samples(
        rows={GROUP: rows * masks.unsqueeze(-1)},
        rest=torch.ones(CHAINS, DRAWS, TWINS.architecture.rest_size, dtype=torch.float64),
        noise_scale=None,
        masks={GROUP: masks},
        log_odds={GROUP: odds.clone()},
        log_density=torch.randn(CHAINS, DRAWS, generator=generator, dtype=torch.float64),
        diverged=torch.zeros(CHAINS, DRAWS, dtype=torch.bool),
    )
    return replace(made, **changes)


def fit_of(made: Samples, prior: Any = TWINS.prior) -> MCMCFit:
    return MCMCFit(prior, TWINS.likelihood, TWINS.net().eval(), History(), seed=3, seconds=1.0, samples=made)


def continuous(made: Samples) -> MCMCFit:
    return fit_of(replace(made, masks=None, log_odds=None), TWINS.prior.slab_prior)


def test_inclusion_is_right_in_the_far_tails():
    fit = fit_of(samples())
    survival, odds = fit.unit_survival()[GROUP], fit.unit_log_odds("inclusion")[GROUP]
    torch.testing.assert_close(survival[:2], torch.tensor([0.8, 0.3], dtype=torch.float64))
    torch.testing.assert_close(odds, torch.tensor([math.log(4.0), math.log(3 / 7), 800.0, -800.0], dtype=torch.float64))
    mixed = samples().log_odds[GROUP].clone()  # pyright: ignore[reportOptionalSubscript]
    mixed[0] = -mixed[0]  # one chain of four the other way round
    both = fit_of(samples(log_odds={GROUP: mixed})).unit_log_odds("inclusion")[GROUP]
    assert float(both[0]) == pytest.approx(math.log((0.8 * 3 + 0.2) / (0.2 * 3 + 0.8)), abs=1e-12)
    assert float(both[2]) == pytest.approx(math.log(3.0), abs=1e-12)


def test_threshold_counts_draws_and_its_odds_are_finite():
    fit = continuous(samples(rows={GROUP: normal_rows(1)}))
    found = fit.unit_survival("threshold", tau=1.0)[GROUP]
    assert bool(((found - float(2 * stats.norm.sf(1.0))).abs() < 4 * 0.5 / (CHAINS * DRAWS) ** 0.5).all())
    n = CHAINS * DRAWS
    beyond = fit.unit_log_odds("threshold", tau=50.0)[GROUP]
    torch.testing.assert_close(beyond, torch.full((U,), math.log(0.5 / (n + 0.5)), dtype=torch.float64))
    assert bool((fit.unit_survival("threshold", tau=50.0)[GROUP] == 0).all())
    masks = fit.masks("threshold", 40, tau=1.0)[GROUP]
    assert torch.equal(masks, fit.draws(40).rows[GROUP][..., 0].abs() > 1.0)


def test_a_threshold_is_on_the_norm_that_the_prior_penalises():
    """Draws from a Laplace prior itself: its survival beyond tau is that of the sum of absolute weights, not of their norm."""
    net = built(lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))).double()
    architecture = bg.Architecture.from_module(net, torch.zeros(2, 4, dtype=torch.float64))
    prior = bg.GuidedPrior(architecture, weights=bg.priors.Laplace(strength=1.0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        rows = prior.sample((CHAINS, DRAWS))["0"].double()
    made = Samples(
        {"0": rows},
        torch.zeros(CHAINS, DRAWS, architecture.rest_size, dtype=torch.float64),
        noise_scale=None,
        masks=None,
        log_odds=None,
        log_density=torch.zeros(CHAINS, DRAWS, dtype=torch.float64),
        diverged=torch.zeros(CHAINS, DRAWS, dtype=torch.bool),
    )
    fit = MCMCFit(prior, bg.likelihoods.Normal(1.0), net.eval(), History(), seed=3, seconds=1.0, samples=made)
    expected = float(stats.gamma.sf(5.0, 5))  # ||row||_1 of five weights is Gamma(5, 1)
    error = 4 * (expected * (1 - expected) / (CHAINS * DRAWS)) ** 0.5
    assert bool(((fit.unit_survival("threshold", tau=5.0)["0"] - expected).abs() < error).all())
    assert bool(((fit.masks("threshold", 1000, tau=5.0)["0"].double().mean(dim=0) - expected).abs() < error).all())


def test_intervals_cover_as_often_as_they_say():
    """Independent draws, a hundred times: 90 % intervals for frequencies of 0.317 and 0.0027, as Jeffreys' cover."""
    for tau in (1.0, 3.0):
        truth, hits = 2 * stats.norm.sf(tau), 0
        for seed in range(25):
            fit = continuous(samples(rows={GROUP: normal_rows(seed)}))
            low, high = fit.survival_interval("threshold", tau=tau, level=0.9)  # pyright: ignore[reportGeneralTypeIssues]
            hits += int(((low[GROUP] <= truth) & (truth <= high[GROUP])).sum())
        assert hits >= 90 - 4 * 3
        if tau == 1.0:
            assert hits <= 90 + 3 * 3


def test_readings_are_those_that_draws_have():
    assert fit_of(samples()).readings == ("inclusion",)
    assert continuous(samples()).readings == ("threshold",)
    with pytest.raises(ReadingError, match="evidence"):
        continuous(samples()).unit_survival("evidence", curvature=1.0)
    with pytest.raises(ReadingError, match="threshold"):
        fit_of(samples()).unit_survival("threshold", tau=1.0)


def test_draws_are_evenly_thinned_and_masks_are_their_own():
    fit = fit_of(samples())
    drawn = fit.draws(8)
    flat = fit.samples.rows[GROUP].flatten(0, 1)
    assert torch.equal(drawn.rows[GROUP], flat[62::125])
    assert torch.equal(fit.masks("inclusion", 8)[GROUP], fit.samples.masks[GROUP].flatten(0, 1)[62::125])  # pyright: ignore
    assert len(fit.draws(3 * CHAINS * DRAWS)) == 3 * CHAINS * DRAWS


def test_the_median_probability_model():
    assert fit_of(samples()).sub_architecture().masks[GROUP].tolist() == [True, False, True, False]
    assert bool(continuous(samples()).sub_architecture().masks[GROUP].all())
    never = torch.full((CHAINS, DRAWS, U), -3.0, dtype=torch.float64)
    never[..., 2] = -2.0
    lonely = fit_of(samples(log_odds={GROUP: never})).sub_architecture()
    assert lonely.masks[GROUP].sum() in (0, 1)  # a group that may be empty is, another keeps its likeliest unit
    if int(lonely.masks[GROUP].sum()):
        assert bool(lonely.masks[GROUP][2])


def test_it_says_whether_it_has_converged():
    good = fit_of(samples())
    assert good.diagnostics.converged
    assert good.diagnostics.quantities["rest"].rhat == 1.0
    assert "exact up to Monte Carlo error" in good.approximation
    shifted = samples().rows[GROUP].clone()
    shifted[0, :, 0] += 2.0
    bad = diagnose(samples(rows={GROUP: shifted}))
    assert bad.quantities[f"rows.{GROUP}"].bad_rhat == pytest.approx(1 / U)
    assert not bad.converged
    assert bad.warnings[0].startswith(f"rows.{GROUP}: R-hat")
    diverged = torch.zeros(CHAINS, DRAWS, dtype=torch.bool)
    diverged[1, 3] = True
    one = fit_of(samples(diverged=diverged))
    assert one.diagnostics.divergences == 1
    assert "1 of 1000 trajectories diverged" in one.diagnostics.warnings[-1]
    assert "unconverged" in one.approximation


@pytest.mark.parametrize("kind", ["models", "continuous"])
def test_saved_and_loaded(tmp_path, kind):
    made = samples(noise_scale=torch.rand(CHAINS, DRAWS, dtype=torch.float64) + 0.5)
    fit = fit_of(made) if kind == "models" else continuous(made)
    fit.save(tmp_path)
    loaded = bg.load_fit(tmp_path, TWINS.net())
    assert isinstance(loaded, MCMCFit)
    assert same_bits(loaded.net, fit.net)
    assert loaded.readings == fit.readings
    assert loaded.diagnostics == fit.diagnostics
    tau = None if kind == "models" else 0.5
    for found in (lambda it: it.unit_survival(tau=tau), lambda it: it.unit_log_odds(it.readings[0], tau=tau)):
        assert torch.equal(found(loaded)[GROUP], found(fit)[GROUP])
    inputs = TWINS.data()[0]
    assert torch.equal(loaded.predict(inputs, draws=10), fit.predict(inputs, draws=10))
