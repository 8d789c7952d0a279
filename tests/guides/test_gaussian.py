"""Every Gaussian guide against its own posterior as a matrix, and against its draws."""

import math

import pytest
import torch

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ConfigError, ExactLimitError
from bayes_guided.guides import FullCovariance, Weights, gaussian_guide
from bayes_guided.nets import mlp

from .guided_weights import NAMES, moved_guide, small_net, weights_of


@pytest.mark.parametrize("name", NAMES)
def test_entropy_is_that_of_the_covariance(name):
    guide = moved_guide(name)
    posterior = guide.posterior()
    covariance = posterior.covariance_block(torch.arange(len(posterior)))
    expected = 0.5 * (len(posterior) * math.log(2 * math.pi * math.e) + torch.logdet(covariance))
    assert float(guide.entropy().detach()) == pytest.approx(float(expected), rel=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_marginals_are_those_of_the_posterior(name):
    guide = moved_guide(name)
    posterior = guide.posterior()
    covariance = posterior.covariance_block(torch.arange(len(posterior)))
    torch.testing.assert_close(guide.sds.flat(), covariance.diagonal().sqrt(), rtol=1e-10, atol=0)
    torch.testing.assert_close(guide.means.flat(), posterior.mean)


@pytest.mark.parametrize("name", NAMES)
def test_draws_have_the_posterior_mean_and_covariance(name):
    guide, n = moved_guide(name), 40_000
    posterior = guide.posterior()
    with torch.no_grad():
        drawn = guide.rsample(n, torch.Generator().manual_seed(2))
    flat = torch.cat([*(rows.flatten(1) for rows in drawn.rows.values()), drawn.rest], dim=1)
    covariance = posterior.covariance_block(torch.arange(len(posterior)))
    sd = covariance.diagonal().sqrt()
    assert bool(((flat.mean(dim=0) - posterior.mean).abs() < 5 * sd / math.sqrt(n)).all())
    # The standard error of a sample covariance of normals; 5 of them, since there are 30^2 / 2 entries.
    error = ((sd[:, None] * sd).square() + covariance.square()).sqrt() / math.sqrt(n)
    assert bool(((flat.T.cov() - covariance).abs() < 5 * error).all())


@pytest.mark.parametrize("name", NAMES)
def test_start_is_the_network_with_small_noise(name):
    net = small_net()
    architecture = Architecture.from_module(net, torch.zeros(2, 3).double())
    start = weights_of(architecture, net)
    guide = gaussian_guide(name, architecture, start, sd=0.02)
    assert torch.equal(guide.means.flat(), start.flat())
    expected = torch.full_like(start.flat(), 0.02)
    if name == "low_rank":  # half of the variance is in a random factor
        torch.testing.assert_close(guide.sds.flat(), expected, rtol=0.6, atol=0)
        assert float(guide.sds.flat().detach().square().mean()) == pytest.approx(0.02**2, rel=0.2)
    else:
        torch.testing.assert_close(guide.sds.flat(), expected)


@pytest.mark.parametrize("name", NAMES)
def test_index_finds_the_rows_in_the_flat_weights(name):
    guide = moved_guide(name)
    for group, rows in guide.means.rows.items():
        assert torch.equal(guide.means.flat()[guide.index(group)], rows)
    with pytest.raises(ConfigError, match="no group"):
        guide.index("nowhere")


@pytest.mark.parametrize("name", NAMES)
def test_draws_are_differentiable_and_in_the_dtype(name):
    guide = moved_guide(name, torch.float32)
    drawn = guide.rsample(3)
    total = sum(rows.square().sum() for rows in drawn.rows.values()) + drawn.rest.square().sum()
    total.backward()
    assert all(parameter.grad is not None for parameter in guide.parameters())
    assert drawn.rest.dtype == torch.float32
    assert guide.posterior().mean.dtype == torch.float64


def test_bad_settings_are_refused():
    net = small_net()
    architecture = Architecture.from_module(net, torch.zeros(2, 3).double())
    start = weights_of(architecture, net)
    with pytest.raises(ConfigError, match="guide="):
        gaussian_guide("diagonal", architecture, start)
    with pytest.raises(ConfigError, match="start_sd"):
        gaussian_guide("mean_field", architecture, start, sd=0.0)
    with pytest.raises(ConfigError, match="rank"):
        gaussian_guide("low_rank", architecture, start, rank=0)


def test_full_covariance_of_a_large_network_is_refused():
    net = mlp(40, (60,), outputs=1)
    architecture = Architecture.from_module(net, torch.zeros(2, 40))
    start = Weights({name: rows.detach() for name, rows in architecture.rows(net).items()}, architecture.rest_vector(net))
    with pytest.raises(ExactLimitError, match="low_rank"):
        FullCovariance(architecture, start)
