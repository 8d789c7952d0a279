"""The fixed point is the MAP (P24): on a convex problem that is solved independently."""

import numpy as np
import pytest
import torch

from bayes_guided.optim import ProximalAdam
from theory.proximal import group_prox

from .convex import CASES, FEATURES, PRIORS, UNITS, Problem, train

METRICS = pytest.mark.parametrize("metric", ["row", "weight"])


@pytest.mark.parametrize("family", PRIORS)
@METRICS
def test_it_converges_to_the_map_of_a_convex_problem(family, metric):
    problem = Problem(family)
    net = problem.net()
    optimizer = ProximalAdam(net, problem.prior(net), dataset_size=CASES, lr=0.05, warmup_steps=10, metric=metric)
    found = train(problem, net, optimizer, 600 if metric == "row" else 400)
    solution = problem.solution()
    np.testing.assert_allclose(found, solution, rtol=0, atol=3e-6)
    assert np.array_equal(found == 0, solution == 0)
    vanished = (found == 0).all(axis=1).sum()
    assert (0 < vanished < UNITS) == (family != "Normal")


def test_adam_and_then_the_prox_of_the_learning_rate_converges_elsewhere():
    """The optimiser that one would write first has a fixed point that depends on the gradient's scale (P24)."""
    for scale, error in ((1.0, 0.1), (0.01, 0.1), (100.0, 1.0)):
        problem = Problem("GroupLaplace", scale)
        net = problem.net()
        adam = torch.optim.Adam([net[0].weight], lr=0.05)
        kappa = 0.05 * problem.strength * problem.guidance * FEATURES**0.5 / CASES

        def prox(net=net, kappa=kappa) -> None:
            with torch.no_grad():
                net[0].weight.copy_(torch.tensor(group_prox(net[0].weight.numpy(), kappa)))

        found = train(problem, net, adam, 600, after=prox)
        assert np.abs(found - problem.solution()).max() > error
    assert not found.any()  # at scale 100 it removes every unit


@METRICS
def test_the_path_does_not_depend_on_the_scale_of_the_objective(metric):
    paths = []
    for scale in (1.0, 1e-3, 1e3):
        problem = Problem("SparseGroupLaplace", scale)
        net = problem.net()
        prior = problem.prior(net)
        optimizer = ProximalAdam(net, prior, dataset_size=CASES, lr=0.01, eps=1e-200, warmup_steps=10, metric=metric)
        paths.append(train(problem, net, optimizer, 100))
    np.testing.assert_allclose(paths[1], paths[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(paths[2], paths[0], rtol=1e-9, atol=1e-12)
    assert (paths[0] == 0).all(axis=1).any()


@METRICS
def test_a_warm_up_on_noisy_gradients_protects_a_stationary_start(metric):
    """At pretrained weights the second moments are 0, and a first proximal step would remove every unit (P24)."""
    problem = Problem("GroupLaplace")
    pretrained = np.linalg.lstsq(problem.inputs, problem.targets @ np.linalg.inv(problem.output).T, rcond=None)[0].T

    net = problem.net(pretrained)
    optimizer = ProximalAdam(net, problem.prior(net), dataset_size=CASES, lr=1e-3, warmup_steps=0, metric=metric)
    assert not train(problem, net, optimizer, 1).any()

    net = problem.net(pretrained)
    optimizer = ProximalAdam(net, problem.prior(net), dataset_size=CASES, lr=3e-3, warmup_steps=50, metric=metric)
    generator = torch.Generator().manual_seed(0)
    for _ in range(700):
        optimizer.zero_grad()
        problem.loss(net, torch.randperm(CASES, generator=generator)[:10]).backward()
        optimizer.step()
    solution, found = problem.solution(), net[0].weight.detach().numpy()
    assert np.array_equal((found != 0).any(axis=1), (solution != 0).any(axis=1))
    assert np.abs(found - solution).max() < 0.1
