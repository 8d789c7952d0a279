"""fit_mcmc's surroundings: seeds, the user's own things, dtypes, data, and settings that are refused."""

import copy
from typing import Any

import pyro
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import bayes_guided as bg
from bayes_guided.exceptions import ArchitectureMismatchError, ConfigError, DataError, LabelError
from bayes_guided.infer import MCMCFit
from tests.infer.problems import same_bits
from tests.scenarios import ROWS, TWINS, LinearScenario

TINY: dict[str, Any] = {"chains": 2, "warmup": 40, "draws": 4, "seed": 1, "max_tree_depth": 1}


def regression_fit(scenario: LinearScenario, prior: Any, **settings: Any) -> MCMCFit:
    return bg.fit_mcmc(scenario.net(), prior, scenario.data(), likelihood=scenario.likelihood, **settings)


def test_the_same_seed_gives_the_same_bits_and_the_users_things_stay():
    net = TWINS.net()
    before, prior = copy.deepcopy(net), TWINS.prior
    likelihood = bg.likelihoods.Normal()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    fits = [bg.fit_mcmc(net, prior, TWINS.data(), likelihood=likelihood, **TINY) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), state)
    assert same_bits(net, before)
    assert float(likelihood.scale.detach()) == 1.0
    assert same_bits(fits[0].net, fits[1].net)
    for name, rows in fits[0].samples.rows.items():
        assert torch.equal(rows, fits[1].samples.rows[name])
    other = bg.fit_mcmc(net, prior, TWINS.data(), likelihood=likelihood, **{**TINY, "seed": 2})
    assert not torch.equal(other.samples.log_density, fits[0].samples.log_density)
    assert not torch.equal(fits[0].samples.log_density[0], fits[0].samples.log_density[1])


def test_it_does_not_meet_a_users_own_pyro_model():
    """A parameter of the user's, read and trained before and after, and none of ours beside it."""
    with pyro.get_param_store().scope():
        mine = pyro.param("weights", torch.tensor([1.0, 2.0]))
        alone = regression_fit(TWINS, TWINS.prior.slab_prior, **TINY)
        assert list(pyro.get_param_store().keys()) == ["weights"]
        assert pyro.param("weights") is mine
    assert torch.equal(alone.samples.rest, regression_fit(TWINS, TWINS.prior.slab_prior, **TINY).samples.rest)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_have_the_networks_dtype(dtype):
    data = TWINS.data(dtype)
    for prior in (TWINS.prior, TWINS.prior.slab_prior):
        fit = bg.fit_mcmc(TWINS.net(dtype), prior, data, likelihood=bg.likelihoods.Normal(), **TINY)
        drawn = fit.draws(5)
        assert drawn.rows[TWINS.group].dtype == drawn.rest.dtype == dtype
        assert drawn.noise_scale is not None
        assert drawn.noise_scale.dtype == dtype
        assert bool((drawn.noise_scale > 0).all())


def test_a_loader_is_read_once_and_whole():
    inputs, targets = TWINS.data()
    loader = DataLoader(TensorDataset(inputs, targets), batch_size=6)
    settings = {"likelihood": TWINS.likelihood, **TINY}
    by_loader = bg.fit_mcmc(TWINS.net(), TWINS.prior, loader, **settings)
    by_tensors = bg.fit_mcmc(TWINS.net(), TWINS.prior, (inputs, targets), **settings)
    assert torch.equal(by_loader.samples.log_density, by_tensors.samples.log_density)
    short = DataLoader(TensorDataset(inputs, targets), batch_size=6, drop_last=True)
    with pytest.raises(DataError, match="drop_last"):
        bg.fit_mcmc(TWINS.net(), TWINS.prior, short, **settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [("chains", 0), ("draws", 3), ("warmup", 39), ("target_accept", 1.0), ("target_accept", 0.0), ("max_tree_depth", 0)],
)
def test_settings_out_of_range(name, value):
    with pytest.raises(ConfigError, match=name):
        regression_fit(TWINS, TWINS.prior, **{**TINY, name: value})


def test_frozen_rows_cannot_be_absent():
    net = ROWS.net()
    net[0].weight.requires_grad_(False)  # pyright: ignore[reportIndexIssue]
    with pytest.raises(ConfigError, match="frozen"):
        bg.fit_mcmc(net, ROWS.prior, ROWS.data(), likelihood=ROWS.likelihood, **TINY)


def test_what_does_not_fit_together():
    inputs, targets = TWINS.data()
    with pytest.raises(LabelError):
        bg.fit_mcmc(TWINS.net(), TWINS.prior, (inputs, targets), **TINY)
    with pytest.raises(ArchitectureMismatchError):
        bg.fit_mcmc(nn.Linear(4, 1).double(), TWINS.prior, (inputs, targets), likelihood=TWINS.likelihood, **TINY)
    with pytest.raises(DataError):
        bg.fit_mcmc(TWINS.net(), TWINS.prior, (inputs * torch.nan, targets), likelihood=TWINS.likelihood, **TINY)
