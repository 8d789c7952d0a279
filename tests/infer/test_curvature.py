"""The mean curvature of the data per weight, against the whole GGN."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import bayes_guided as bg
from bayes_guided.analysis.curvature import full_ggn, network_function
from bayes_guided.analysis.output_hessian import bernoulli_hessian, categorical_hessian, normal_hessian, poisson_hessian
from bayes_guided.exceptions import ConfigError, DivergedError
from bayes_guided.infer.curvature import mean_curvature
from tests.infer.problems import BINARY, BUDGET, CLASSES, COUNTS, KNOWN_NOISE, built

HESSIANS = (
    (CLASSES, categorical_hessian),
    (BINARY, bernoulli_hessian),
    (COUNTS, poisson_hessian),
    (KNOWN_NOISE, normal_hessian(0.3)),
)


def fitted(problem):
    net = problem.net()
    return bg.fit_map(net, problem.prior(net), problem.data(), likelihood=problem.likelihood(), **{**BUDGET, "epochs": 3})


@pytest.mark.parametrize(("problem", "hessian"), HESSIANS, ids=[problem.name for problem, _ in HESSIANS])
def test_it_is_the_mean_diagonal_of_the_ggn_over_rows(problem, hessian):
    fit = fitted(problem)
    inputs, targets = problem.data(4000, seed=1)
    names = [name for name, _ in fit.net.named_parameters()]
    function, point = network_function(fit.net.double(), names)
    diagonal = full_ggn(function, point, [inputs.double()], hessian).diagonal()
    sizes = [parameter.numel() for parameter in fit.net.parameters()]
    by_name = dict(zip(names, diagonal.split(sizes), strict=True))
    shaped = {name: by_name[name].view_as(parameter) for name, parameter in fit.net.named_parameters()}
    rows = torch.cat([values.flatten() for values in fit.architecture.rows(shaped).values()])
    fit.net.float()
    pairs = zip(inputs.split(200), targets.split(200), strict=True)
    # Of one seed the parts would have their noise in common.
    parts = [mean_curvature(replace(fit, seed=seed), pair, cases=200) for seed, pair in enumerate(pairs)]
    estimates = 20 * torch.tensor(parts)  # of 4000 cases, from 200 each
    error = estimates.std() / len(parts) ** 0.5
    assert abs(float(estimates.mean()) - float(rows.mean())) < 4 * float(error)
    assert float(error) < 0.2 * float(rows.mean())


def test_it_repeats_scales_with_the_data_and_changes_nothing_global():
    fit = fitted(CLASSES)
    inputs, targets = CLASSES.data()
    before = torch.get_rng_state()
    once = mean_curvature(fit, (inputs, targets), cases=50)
    assert mean_curvature(fit, (inputs, targets), cases=50) == once
    whole = mean_curvature(fit, (inputs, targets), cases=len(inputs))
    doubled = TensorDataset(torch.cat([inputs, inputs]), torch.cat([targets, targets]))
    few, twice = (mean_curvature(fit, DataLoader(part, 30), cases=30) for part in (TensorDataset(inputs, targets), doubled))
    assert twice == pytest.approx(2 * few)
    assert whole == pytest.approx(once, rel=0.5)
    shuffled = DataLoader(TensorDataset(inputs, targets), 30, shuffle=True)
    assert mean_curvature(fit, shuffled, cases=30) == mean_curvature(fit, shuffled, cases=30)
    assert torch.equal(before, torch.get_rng_state())
    with pytest.raises(ConfigError, match="cases=0"):
        mean_curvature(fit, (inputs, targets), cases=0)


def test_the_order_of_the_data_is_of_no_account():
    """Half of the cases are zeros, which bend nothing in the first layer; sorted, they would be all that is looked at."""
    net = built(lambda: nn.Sequential(nn.Linear(5, 12, bias=False), nn.ReLU(), nn.Linear(12, 3)))
    inputs, targets = CLASSES.data(2000)
    fit = bg.fit_map(net, CLASSES.prior(net), (inputs, targets), **{**BUDGET, "epochs": 1})
    inputs = torch.cat([torch.zeros(1000, 5), inputs[:1000]])
    several = [replace(fit, seed=seed) for seed in range(12)]
    halves = torch.tensor([mean_curvature(one, (inputs[1000:], targets[1000:]), cases=1000) for one in several])
    found = torch.tensor([mean_curvature(one, (inputs, targets), cases=200) for one in several])
    error = float((halves.var() + found.var()).div(len(several)).sqrt())
    assert abs(float(found.mean() - halves.mean())) < 4 * error < float(halves.mean()) / 2


def test_a_network_that_diverged_is_named():
    fit = fitted(CLASSES)
    with torch.no_grad():
        next(fit.net.parameters()).fill_(1e38)
    with pytest.raises(DivergedError, match="not finite"):
        mean_curvature(fit, CLASSES.data(), cases=50)
