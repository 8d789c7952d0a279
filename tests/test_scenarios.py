"""The ground truths themselves: networks, package priors and data space say what the weight-space oracle says."""

import numpy as np
import pytest
import torch
from torch.func import functional_call

from tests.scenarios import LINEAR, ORTHOGONAL, TWINS, LinearScenario
from theory.linear_gaussian import log_evidences

linear = pytest.mark.parametrize("scenario", LINEAR, ids=lambda scenario: scenario.name)


@linear
def test_the_network_is_linear_in_its_rows_with_the_design_of_the_truth(scenario: LinearScenario) -> None:
    net, (inputs, targets) = scenario.net(), scenario.data()
    rows = torch.randn(scenario.units, scenario.row_dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    architecture = scenario.architecture
    parameters = architecture.parameters({scenario.group: rows}, architecture.rest_vector(net))
    outputs = scenario.likelihood.mean(functional_call(net, parameters, (inputs,)))
    assert outputs.shape == targets.shape
    expected = scenario.design @ rows.numpy().ravel()
    np.testing.assert_allclose(outputs.detach().numpy().ravel(), expected, rtol=0, atol=1e-12)


@linear
def test_all_that_is_no_row_is_fixed(scenario: LinearScenario) -> None:
    net = scenario.net()
    trained = {name for name, parameter in net.named_parameters() if parameter.requires_grad}
    assert scenario.architecture.rest_size == sum(p.numel() for p in net.parameters() if not p.requires_grad)
    assert trained == {block.parameter for group in scenario.architecture.groups for block in group.blocks}


@linear
def test_evidences_are_those_of_data_space(scenario: LinearScenario) -> None:
    truth = scenario.truth
    blocks = np.arange(truth.design.shape[1]).reshape(scenario.units, scenario.row_dim).tolist()
    data_space = log_evidences(truth.design, truth.target, blocks, truth.prior_variance, truth.noise_variance)
    np.testing.assert_allclose(truth.log_evidences, data_space, rtol=0, atol=1e-9)


@linear
def test_the_priors_are_those_of_the_package(scenario: LinearScenario) -> None:
    found = scenario.model_prior.log_prob_masks({scenario.group: scenario.masks})
    np.testing.assert_allclose(found.numpy(), scenario.log_prior, rtol=0, atol=1e-12)
    slab = scenario.prior.slab_prior.row_priors[scenario.group]
    rows = torch.randn(scenario.units, scenario.row_dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    variance = torch.from_numpy(scenario.truth.prior_variance).reshape(rows.shape)
    expected = torch.distributions.Normal(0, variance.sqrt()).log_prob(rows).sum()
    torch.testing.assert_close(slab.distribution(rows).log_prob(rows).sum(), expected, rtol=0, atol=1e-10)


def test_the_designs_are_what_their_names_say() -> None:
    def correlations(scenario: LinearScenario) -> np.ndarray:
        cosines = scenario.design.T @ scenario.design
        scale = np.sqrt(np.diag(cosines))
        return np.abs(cosines / np.outer(scale, scale) - np.eye(scenario.units))

    assert correlations(ORTHOGONAL).max() < 0.1
    assert correlations(TWINS)[0, 1] > 0.98


@linear
def test_no_problem_is_trivial(scenario: LinearScenario) -> None:
    """Some unit is in real doubt, so that a test against these inclusion probabilities can fail."""
    inclusion = scenario.truth.inclusion()
    assert ((inclusion > 0.1) & (inclusion < 0.9)).any()
