"""fit_svi on networks: every guide, saving, resuming, neighbours in one process, and what is refused."""

import copy
from typing import Any

import pyro
import pytest
import torch
from pyro import distributions as dist
from pyro.infer import SVI, Trace_ELBO
from pyro.infer.autoguide import AutoDelta, AutoNormal
from torch import nn

import bayes_guided as bg
from bayes_guided import guidance, priors
from bayes_guided.exceptions import CheckpointError, ConfigError, DataError, PosteriorError, ReadingError, StrengthError
from bayes_guided.files import load_tree
from tests.global_state import capture
from tests.infer.problems import CLASSES, LEARNED_NOISE, PROBLEMS, ConvNet, built, guided, image_data, same_bits, state
from tests.test_files import same

SHORT: dict[str, Any] = {"epochs": 4, "batch_size": 16, "lr": 2e-2, "seed": 3, "elbo_draws": 3}
PYRO: dict[str, Any] = {"auto_normal": AutoNormal, "auto_function": lambda model: AutoNormal(model, init_scale=0.02)}
GUIDES: dict[str, Any] = {name: name for name in ("mean_field", "row_scale", "low_rank", "full")} | PYRO


def fitted(problem=CLASSES, **settings) -> bg.SVIFit:
    net = problem.net()
    prior = settings.pop("prior", None) or problem.prior(net)
    fit = bg.fit_svi(net, prior, problem.data(), likelihood=problem.likelihood(), **(SHORT | settings))
    assert isinstance(fit, bg.SVIFit)
    return fit


@pytest.mark.parametrize("name", GUIDES)
@pytest.mark.parametrize("problem", [CLASSES, LEARNED_NOISE], ids=lambda problem: problem.name)
def test_every_guide_answers_and_comes_back_from_disk(problem, name, tmp_path):
    before, net = capture(), problem.net()
    start = state(net)
    fit = fitted(problem, guide=GUIDES[name], validation=problem.data(20, seed=1))
    fit.save(tmp_path)
    again, generator = problem.net(), torch.get_rng_state()
    loaded = bg.load_fit(tmp_path, again)
    assert torch.equal(torch.get_rng_state(), generator)
    assert isinstance(loaded, bg.SVIFit)
    assert same_bits(loaded.net, fit.net)
    assert loaded.approximation == fit.approximation
    assert torch.equal(loaded.elbo.value, fit.elbo.value)
    readings = {"threshold": {"tau": 0.5}, "shrinkage": {"curvature": 10.0}, "evidence": {"curvature": 10.0}}
    for reading in fit.readings:
        survival = fit.unit_survival(reading, **readings[reading])
        again = loaded.unit_survival(reading, **readings[reading])
        for group in survival:
            assert torch.equal(survival[group], again[group])
            assert bool(((survival[group] >= 0) & (survival[group] <= 1)).all())
    one, other = fit.draws(4), loaded.draws(4)
    assert all(torch.equal(one.rows[group], other.rows[group]) for group in one.rows)
    assert (one.noise_scale is None) == (problem is CLASSES)
    assert len(fit.history.validation_errors or []) == SHORT["epochs"]
    fit.reduce()
    assert all(torch.equal(start[key], value) for key, value in state(net).items())
    assert capture() == before


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_every_likelihood_learns(problem):
    fit = fitted(problem, epochs=60, start_sd=0.05)
    first, last = fit.history.epochs[0], fit.history.epochs[-1]
    assert last.loss < first.loss - 0.1
    # The record's loss is minus the ELBO per case, up to the noise of one pass of drawn outputs.
    assert -last.loss == pytest.approx(float(fit.elbo.value) / 90, rel=0.1, abs=0.15)


def test_the_same_seed_gives_the_same_bits_and_fits_do_not_touch_each_other():
    """Two fits interleaved with a third, and a user's own Pyro model beside them."""

    def model(x, y):
        slope = pyro.param("slope", torch.zeros(()))
        pyro.sample("y", dist.Normal(slope * x, 1.0).to_event(1), obs=y)

    x = torch.linspace(-1, 1, 10)
    own = SVI(model, lambda *_: None, pyro.optim.Adam({"lr": 0.1}), Trace_ELBO())
    torch.manual_seed(5)
    alone, alone_pyro = fitted(), fitted(guide=AutoNormal)
    own.step(x, 2 * x)
    slope = pyro.param("slope").detach().clone()
    again, again_pyro = fitted(), fitted(guide=AutoNormal)
    assert set(pyro.get_param_store().keys()) == {"slope"}
    assert torch.equal(pyro.param("slope").detach(), slope)
    own.step(x, 2 * x)
    assert same_bits(alone.net, again.net)
    assert same_bits(alone_pyro.net, again_pyro.net)
    pyro.get_param_store().clear()


class CutOffError(Exception):
    """Ends a fit in the middle."""


class Breaking(nn.Module):
    """A network that breaks after so many passes in training; the count is no part of its state."""

    def __init__(self, net: nn.Module, passes: float) -> None:
        super().__init__()
        self.net, self.passes = net, [passes]

    def forward(self, x):
        if self.training:
            self.passes[0] -= 1
            if self.passes[0] < 0:
                raise CutOffError
        return self.net(x)

    def __deepcopy__(self, memo):
        copied = Breaking(copy.deepcopy(self.net, memo), 0)
        copied.passes = self.passes
        copied.train(self.training)
        return copied

    def extra_repr(self) -> str:
        return ""


@pytest.mark.parametrize("name", ["mean_field", "low_rank", "auto_normal"])
def test_a_fit_that_was_cut_off_goes_on_to_the_same_bits(name, tmp_path):
    def run(folder, passes: float) -> None:
        net = Breaking(LEARNED_NOISE.net(), passes)
        prior = guided(net, LEARNED_NOISE.data()[0][:2], 2.0)
        settings = SHORT | {"checkpoint": folder, "checkpoint_steps": 2, "guide": GUIDES[name], "ramp_epochs": 2.0}
        bg.fit_svi(net, prior, LEARNED_NOISE.data(), likelihood=LEARNED_NOISE.likelihood(), **settings)

    run(tmp_path / "whole", torch.inf)
    for passes in (5, 9, torch.inf):
        try:
            run(tmp_path / "cut", passes)
        except CutOffError:
            assert passes < torch.inf
    ends = [load_tree(tmp_path / kind / "svi.safetensors", kind="checkpoint") for kind in ("whole", "cut")]
    assert same(*ends)
    net = LEARNED_NOISE.net()
    other = SHORT | {"checkpoint": tmp_path / "cut", "guide": "row_scale", "likelihood": LEARNED_NOISE.likelihood()}
    with pytest.raises(CheckpointError, match="belongs to another run"):
        bg.fit_svi(net, LEARNED_NOISE.prior(net), LEARNED_NOISE.data(), **other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("penalised", ["row", "norm"])
def test_convolutions_batch_norm_and_dtypes(dtype, penalised):
    net, (images, labels) = built(ConvNet).to(dtype), image_data()
    prior = guided(net, images[:2].to(dtype), 1.0, penalised=penalised)
    fit = bg.fit_svi(net, prior, (images, labels), **(SHORT | {"epochs": 2}))
    assert isinstance(fit, bg.SVIFit)
    assert fit.draws(2).rest.dtype == dtype
    assert float(fit.net.norm1.running_mean.abs().sum()) > 0  # type: ignore[union-attr, operator]
    assert torch.isfinite(fit.elbo.value)
    odds = fit.unit_log_odds("threshold", tau=0.3)
    assert all(bool(torch.isfinite(values).all()) for values in odds.values())


@pytest.mark.parametrize(
    "weights",
    [
        priors.Normal(2.0),
        priors.Laplace(2.0),
        priors.SparseGroupLaplace(2.0),
        priors.GroupSqrtLaplace(2.0),
        priors.GroupHorseshoe(2.0),
    ],
    ids=lambda weights: type(weights).__name__,
)
def test_every_family_of_priors(weights):
    net = CLASSES.net()
    fit = fitted(prior=guided(net, CLASSES.data()[0][:2], 2.0, weights=weights))
    assert torch.isfinite(fit.elbo.value)
    assert all(bool(torch.isfinite(values).all()) for values in fit.unit_log_odds("threshold", tau=0.5).values())
    assert ("evidence" in fit.readings) == (not isinstance(weights, priors.GroupHorseshoe))


@pytest.mark.parametrize("guide", ["mean_field", "full"])
def test_readings_agree_with_draws(guide):
    fit, n = fitted(guide=guide, epochs=10), 4000
    frequencies = {name: mask.double().mean(dim=0) for name, mask in fit.masks("threshold", n, tau=0.6).items()}
    for name, survival in fit.unit_survival("threshold", tau=0.6).items():
        error = (survival * (1 - survival) / n).sqrt() + 1e-4
        assert bool(((frequencies[name] - survival).abs() < 4.5 * error).all())
    frequencies = {name: mask.double().mean(dim=0) for name, mask in fit.masks("shrinkage", n, curvature=10.0).items()}
    interval = fit.survival_interval("shrinkage", curvature=10.0)
    assert interval is not None
    for name, survival in fit.unit_survival("shrinkage", curvature=10.0).items():
        error = (survival * (1 - survival) / n).sqrt() + (interval[1][name] - interval[0][name]) / 4 + 1e-4
        assert bool(((frequencies[name] - survival).abs() < 4.5 * error).all())


def test_counted_thresholds_have_intervals_and_gaussian_ones_do_not():
    fit, counted = fitted(), fitted(guide=AutoNormal, kept_draws=50)
    assert fit.survival_interval("threshold", tau=0.5) is None
    low, high = counted.survival_interval("threshold", tau=0.5) or ({}, {})
    survival = counted.unit_survival("threshold", tau=0.5)
    assert all(bool(((low[name] <= survival[name]) & (survival[name] <= high[name])).all()) for name in survival)


def test_an_autoguide_starts_at_the_networks_weights():
    net = CLASSES.net()
    fit = fitted(guide=AutoDelta, epochs=1, lr=1e-9)
    for one, other in zip(fit.net.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_protected_units_survive_for_certain():
    net = CLASSES.net()
    architecture = bg.Architecture.from_module(net, CLASSES.data()[0][:2])
    prior = bg.GuidedPrior(architecture, weights=priors.GroupLaplace(2.0), guidance=guidance.step(free=2))
    fit = fitted(prior=prior)
    for name, protected in fit.protected.items():
        assert int(protected.sum()) == 2
        assert bool((fit.unit_survival("threshold", tau=50.0)[name][protected] == 1).all())
        assert bool(fit.sub_architecture().masks[name][protected].all())


def test_what_cannot_be_is_refused():
    net = CLASSES.net()
    with pytest.raises(ConfigError, match="particles"):
        fitted(particles=0)
    with pytest.raises(ConfigError, match="start_sd"):
        fitted(start_sd=-1.0)
    with pytest.raises(ConfigError, match="independent"):
        fitted(guide="full", reparameterisation="local")
    with pytest.raises(ConfigError, match="restarts"):
        fitted(restarts=2)
    with pytest.raises(ConfigError, match="no AutoGuide"):
        fitted(guide=lambda model: model)
    with pytest.raises(ConfigError, match="strength"):
        fitted(guide=AutoNormal, strength=priors.GammaStrength(1.0, 1.0))
    with pytest.raises(ConfigError, match="fit with more kept_draws"):
        fitted(guide=AutoNormal, kept_draws=5).draws(6)
    with pytest.raises(PosteriorError, match="draws only"):
        fitted(guide=AutoNormal, kept_draws=5).posterior  # noqa: B018
    with pytest.raises(ReadingError, match="no survival in the reading"):
        fitted().unit_survival("inclusion")
    with pytest.raises(ReadingError, match="joint"):
        fitted().masks("evidence", 3, curvature=1.0)
    horseshoe = guided(net, CLASSES.data()[0][:2], 2.0, weights=priors.GroupHorseshoe(1.0))
    with pytest.raises(StrengthError):
        fitted(prior=horseshoe, strength=priors.GammaStrength(1.0, 1.0))
    with pytest.raises(DataError):
        bg.fit_svi(net, CLASSES.prior(net), (torch.full((4, 5), torch.nan), torch.zeros(4).long()), **SHORT)
    prior = CLASSES.prior(net)
    next(net.parameters()).requires_grad_(False)
    with pytest.raises(ConfigError, match="frozen"):
        bg.fit_svi(net, prior, CLASSES.data(), **SHORT)
