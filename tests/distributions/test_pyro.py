"""The densities inside Pyro models: plates, scaling, AutoDelta, AutoNormal, NUTS, analytic KL."""

import math

import pyro
import pytest
import torch
from pyro import distributions as dist
from pyro import poutine
from pyro.infer import MCMC, NUTS, SVI, Trace_ELBO, TraceMeanField_ELBO
from pyro.infer.autoguide import AutoDelta, AutoNormal, init_to_value
from torch.distributions import kl_divergence

from bayes_guided.distributions import GroupHorseshoe, GroupLaplace, RowNormal

from .families import ALL, HOMOGENEOUS
from .oracles import float64

every = pytest.mark.parametrize("family", ALL.values(), ids=ALL.keys())
homogeneous = pytest.mark.parametrize("family", HOMOGENEOUS.values(), ids=HOMOGENEOUS.keys())

RATES = float64(0.7, 1.5)
DIM = 3
PARTICLES = Trace_ELBO(num_particles=20, max_plate_nesting=1, vectorize_particles=True)
DATA = float64(0.4, -0.2, 1.1, 2.0, 0.3, -0.8).reshape(2, DIM)


def model_of(family, data=DATA):
    """Rows under the prior, each weight observed once with unit noise."""

    def model():
        with pyro.plate("units", 2):
            rows = pyro.sample("w", family(RATES, DIM))
            pyro.sample("y", dist.Normal(rows, 1.0).to_event(1), obs=data)

    return model


@pytest.fixture(autouse=True)
def _own_parameters():
    """Pyro's store is cleared of what a test put there, and of nothing else."""
    with pyro.get_param_store().scope():
        yield


@every
def test_in_a_plate_with_scaling(family):
    def model():
        with pyro.plate("units", 2):
            return pyro.sample("w", family(RATES, DIM))

    value = torch.randn(2, DIM, dtype=torch.float64)
    conditioned = poutine.condition(model, {"w": value})
    site = poutine.trace(conditioned).get_trace()
    exact = family(RATES, DIM).log_prob(value).sum()
    torch.testing.assert_close(site.log_prob_sum(), exact)
    scaled = poutine.trace(poutine.scale(conditioned, 0.25)).get_trace()
    torch.testing.assert_close(scaled.log_prob_sum(), exact / 4)
    assert poutine.trace(model).get_trace().nodes["w"]["value"].shape == (2, DIM)


@every
def test_a_scalar_density_expands_to_the_plate(family):
    def model():
        with pyro.plate("samples", 4, dim=-2), pyro.plate("units", 2, dim=-1):
            return pyro.sample("w", family(RATES, DIM))

    assert model().shape == (4, 2, DIM)


@homogeneous
@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_auto_delta_loss_is_the_regularised_loss_plus_the_log_normalizer(family, scale):
    """P5, at random points."""
    prior = family(RATES, DIM)
    rows = scale * torch.randn(2, DIM, dtype=torch.float64)
    guide = AutoDelta(model_of(family), init_loc_fn=init_to_value(values={"w": rows}))
    loss = Trace_ELBO().loss(model_of(family), guide)
    nll = -dist.Normal(rows, 1.0).log_prob(DATA).sum()
    expected = nll + prior.penalty(rows).sum() + prior.log_normalizer.sum()
    assert loss == pytest.approx(float(expected), rel=1e-12)


def test_auto_delta_finds_the_group_soft_threshold():
    """One observation per weight: the MAP row is (1 - r / ||y||)_+ y, zero for the first row of this data."""
    rates = float64(2.0, 0.5)

    def model():
        with pyro.plate("units", 2):
            rows = pyro.sample("w", GroupLaplace(rates, DIM))
            pyro.sample("y", dist.Normal(rows, 1.0).to_event(1), obs=DATA)

    guide = AutoDelta(model, init_loc_fn=init_to_value(values={"w": DATA.clone()}))
    svi = SVI(model, guide, pyro.optim.ClippedAdam({"lr": 0.05, "lrd": 0.99}), Trace_ELBO())
    for _ in range(600):
        svi.step()
    norm = DATA.norm(dim=-1, keepdim=True)
    exact = (1 - rates[:, None] / norm).clamp_min(0) * DATA
    torch.testing.assert_close(guide.median()["w"].detach(), exact, rtol=0, atol=5e-3)


def test_auto_normal_finds_the_exact_posterior_of_the_ridge():
    """Precision 1 + 2 r, mean y / (1 + 2 r)."""
    guide = AutoNormal(model_of(RowNormal))
    svi = SVI(model_of(RowNormal), guide, pyro.optim.ClippedAdam({"lr": 0.05, "lrd": 0.994}), PARTICLES)
    for _ in range(500):
        svi.step()
    precision = (1 + 2 * RATES)[:, None].expand(2, DIM)
    location = guide.locs.w.detach()
    scale = guide.scales.w.detach()
    torch.testing.assert_close(location, DATA / precision, rtol=0, atol=0.03)
    torch.testing.assert_close(scale, precision.rsqrt(), rtol=0.05, atol=0)


@every
def test_auto_normal_has_finite_gradients(family):
    guide = AutoNormal(model_of(family))
    loss = PARTICLES.differentiable_loss(model_of(family), guide)
    loss.backward()
    gradients = [p.grad for p in guide.parameters()]
    assert gradients
    assert all(g is not None and torch.isfinite(g).all() and g.abs().sum() > 0 for g in gradients)


@homogeneous
def test_analytic_kl_in_the_mean_field_elbo(family):
    """A guide of the prior's family: the loss is the registered KL plus the expected loss of no data."""
    wide = 2 * RATES

    def model():
        with pyro.plate("units", 2):
            pyro.sample("w", family(RATES, DIM))

    def guide():
        with pyro.plate("units", 2):
            pyro.sample("w", family(wide, DIM))

    loss = TraceMeanField_ELBO().loss(model, guide)
    assert loss == pytest.approx(float(kl_divergence(family(wide, DIM), family(RATES, DIM)).sum()), rel=1e-10)


def effective_z(chain: torch.Tensor, expected: float) -> float:
    """Standard errors between a chain's mean and the truth, by batch means of 20."""
    batches = chain[: len(chain) // 20 * 20].reshape(-1, 20).mean(1)
    return float((batches.mean() - expected).abs() / (batches.std() / math.sqrt(len(batches))))


@homogeneous
def test_nuts_samples_the_prior(family):
    """E[penalty] = d / k under the prior (P1)."""

    def model():
        with pyro.plate("units", 1):
            pyro.sample("w", family(float64(1.5), 2))

    mcmc = MCMC(NUTS(model, max_tree_depth=4), num_samples=200, warmup_steps=60, disable_progbar=True)
    mcmc.run()
    prior = family(float64(1.5), 2)
    penalty = prior.penalty(mcmc.get_samples()["w"])[:, 0]
    assert effective_z(penalty, 2 / prior.degree) < 4


def test_nuts_samples_the_horseshoe_posterior():
    """One weight, one observation: the posterior mean by a grid, through a pole that is integrable."""
    observed = 2.0

    def model():
        with pyro.plate("units", 1):
            rows = pyro.sample("w", GroupHorseshoe(float64(1.0), 1))
            pyro.sample("y", dist.Normal(rows, 1.0).to_event(1), obs=float64(observed)[None])

    mcmc = MCMC(NUTS(model, max_tree_depth=4), num_samples=240, warmup_steps=80, disable_progbar=True)
    mcmc.run()
    grid = torch.linspace(-12, 14, 20002, dtype=torch.float64)
    prior = GroupHorseshoe(float64(1.0), 1).log_prob(grid[:, None, None])[:, 0]
    weights = torch.softmax(prior - (grid - observed) ** 2 / 2, dim=0)
    assert effective_z(mcmc.get_samples()["w"][:, 0, 0], float((weights * grid).sum())) < 4
