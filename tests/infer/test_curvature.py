"""The mean curvature of the data per weight, against the whole GGN."""

import pytest
import torch

import bayes_guided as bg
from bayes_guided.analysis.curvature import full_ggn, network_function
from bayes_guided.analysis.output_hessian import bernoulli_hessian, categorical_hessian, normal_hessian, poisson_hessian
from bayes_guided.exceptions import ConfigError, DivergedError
from bayes_guided.infer.curvature import mean_curvature
from tests.infer.problems import BINARY, BUDGET, CLASSES, COUNTS, KNOWN_NOISE

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
    parts = [mean_curvature(fit, (i, t), cases=200) for i, t in zip(inputs.split(200), targets.split(200), strict=True)]
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
    twice = mean_curvature(fit, (torch.cat([inputs, inputs]), torch.cat([targets, targets])), cases=50)
    assert twice == pytest.approx(2 * once)
    assert torch.equal(before, torch.get_rng_state())
    with pytest.raises(ConfigError, match="cases=0"):
        mean_curvature(fit, (inputs, targets), cases=0)


def test_a_network_that_diverged_is_named():
    fit = fitted(CLASSES)
    with torch.no_grad():
        next(fit.net.parameters()).fill_(1e38)
    with pytest.raises(DivergedError, match="not finite"):
        mean_curvature(fit, CLASSES.data(), cases=50)
