"""The ground truths themselves: networks, package priors and data space say what the weight-space oracle says."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch.func import functional_call

from tests.scenarios import (
    COPIES,
    LINEAR,
    ORTHOGONAL,
    ORTHOGONAL_LAPLACE,
    TANH,
    TANH_GUIDED,
    TWINS,
    LinearScenario,
    TanhScenario,
)
from theory.enumeration import all_masks
from theory.linear_gaussian import log_evidences

linear = pytest.mark.parametrize("scenario", [*LINEAR, COPIES], ids=lambda scenario: scenario.name)


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


def test_the_orthogonal_problem_is_quadratic_around_the_effects() -> None:
    """L(w) = h / 2 sum ||w_u - a_u||^2 + constant, at random rows."""
    scenario = ORTHOGONAL_LAPLACE
    net, (inputs, targets), architecture = scenario.net(), scenario.data(), scenario.architecture
    effects = torch.from_numpy(scenario.rows)
    assert effects.norm(dim=1).numpy() == pytest.approx(scenario.effects)

    def loss(rows: torch.Tensor) -> float:
        parameters = architecture.parameters({scenario.group: rows}, architecture.rest_vector(net))
        return -float(scenario.likelihood.log_prob(functional_call(net, parameters, (inputs,)), targets).sum())

    for seed in range(3):
        rows = torch.randn(effects.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        expected = scenario.curvature / 2 * float((rows - effects).square().sum())
        assert loss(rows) - loss(effects) == pytest.approx(expected, rel=1e-10)


def test_resampled_targets_give_least_squares_rows_of_the_right_law() -> None:
    """Normal around the effects with variance 1 / h, which the bootstrap's formula starts from."""
    scenario = ORTHOGONAL_LAPLACE
    targets = np.stack([scenario.resampled(seed)[1].numpy() for seed in range(2000)])
    gram = scenario.curvature * scenario.noise_scale**2
    estimates = np.einsum("sno,ou,nd->sud", targets, scenario.head, scenario.inputs) / gram
    noise = (estimates - scenario.rows) * scenario.curvature**0.5
    count = noise.size
    assert abs(noise.mean()) < 4 / count**0.5
    assert abs(noise.var() - 1) < 4 * (2 / count) ** 0.5
    kept = (np.linalg.norm(estimates, axis=2) > scenario.rate / scenario.curvature).mean(axis=0)
    error = np.sqrt(scenario.bootstrap * (1 - scenario.bootstrap) / len(targets))
    assert (np.abs(kept - scenario.bootstrap) < 4 * error + 1e-12).all()


def test_the_four_numbers_of_the_notes_disagree_as_printed() -> None:
    scenario = ORTHOGONAL_LAPLACE
    assert scenario.map_norms[:2] == pytest.approx([0, 0.08], abs=1e-12)
    assert scenario.bootstrap[:2] == pytest.approx([0.946, 0.984], abs=5e-4)
    assert scenario.threshold_survival[0] == pytest.approx(0.993, abs=5e-4)
    assert scenario.prior_threshold_survival == pytest.approx(0.9996, abs=5e-5)
    assert scenario.inclusion[:2] == pytest.approx([0.053, 0.127], abs=5e-4)


def test_the_package_prior_has_the_rate_of_the_orthogonal_truth() -> None:
    for prior in (ORTHOGONAL_LAPLACE.guided, ORTHOGONAL_LAPLACE.spike_and_slab.slab_prior):
        assert prior.row_priors["0"].rates.tolist() == pytest.approx([ORTHOGONAL_LAPLACE.rate] * 4)


@pytest.mark.parametrize("scenario", [TANH, TANH_GUIDED], ids=lambda scenario: scenario.name)
def test_the_tanh_network_and_its_prior_are_those_of_the_truth(scenario: TanhScenario) -> None:
    """The joint density of weights and data: over the package's network and prior, and written out in NumPy."""
    net, (inputs, targets), truth = scenario.net(), scenario.data(), scenario.truth
    outputs = net(inputs).detach()
    rest = scenario.architecture.rest_vector(net).detach()
    rows = {name: row.detach() for name, row in scenario.architecture.rows(net).items()}
    prior = scenario.prior.slab_prior
    found = prior.log_prob(rows, rest) + scenario.likelihood.log_prob(outputs, targets).sum()
    incoming, outgoing = rows[scenario.group].numpy()[:, 0], rest.numpy()
    clean = np.tanh(np.outer(truth.inputs, incoming)) @ outgoing
    expected = (
        norm.logpdf(targets.numpy(), clean, truth.noise_variance**0.5).sum()
        + norm.logpdf(incoming, 0, truth.incoming_variance**0.5).sum()
        + norm.logpdf(outgoing, 0, truth.outgoing_variance**0.5).sum()
    )
    assert float(found) == pytest.approx(expected, rel=1e-10)
    masks = {scenario.group: torch.from_numpy(all_masks(scenario.units).copy())}
    np.testing.assert_allclose(scenario.prior.models.log_prob_masks(masks).numpy(), truth.log_prior, rtol=0, atol=1e-12)


def test_tanh_units_differ_only_where_they_are_guided() -> None:
    assert np.ptp(TANH.truth.inclusion()) < 1e-9
    assert np.ptp(TANH_GUIDED.truth.inclusion()) > 0.05
