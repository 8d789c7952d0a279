"""The tree group lasso: exact nested prox, nested zeros, and the MAP that training finds."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import bayes_guided as bg
from bayes_guided.exceptions import ConfigError, GuidanceError, NoDensityError
from bayes_guided.priors import TreeGroupLaplace
from bayes_guided.priors.rows.proximal import tree_factor
from theory import proximal


def _rows(units: int, dim: int, seed: int) -> Tensor:
    return torch.randn(units, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("seed", range(20))
def test_the_prox_is_theorys_and_its_zeros_are_nested(seed: int) -> None:
    rows = _rows(7, 3, seed)
    kappa = 0.6 * torch.rand(7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = TreeGroupLaplace(1.0).prox_plan(kappa, 3).apply(rows, torch.ones(7, dtype=torch.float64))
    expected = proximal.tree_prox(rows.numpy(), kappa.numpy())
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-14)
    zero = (found == 0).all(dim=1)
    assert bool((zero.long().diff() >= 0).all())
    assert proximal.tree_duality_gap(rows.numpy(), kappa.numpy()) < 1e-12


def test_zero_rows_and_zero_rates_stay_finite() -> None:
    assert tree_factor(torch.zeros(3), torch.ones(3)).tolist() == [0.0, 0.0, 0.0]
    assert tree_factor(torch.tensor([1.0, 2.0]), torch.zeros(2)).tolist() == [1.0, 1.0]


def test_the_penalty_is_its_formula_with_a_finite_gradient_at_zero_rows() -> None:
    rows = _rows(4, 2, 0)
    rows[2:] = 0
    rows.requires_grad_()
    weights = TreeGroupLaplace(2.0)
    rates = weights.rates(torch.tensor([0.5, 1.0, 1.5, 1.0], dtype=torch.float64), 2)
    torch.testing.assert_close(rates, 2.0 * 2**0.5 * torch.tensor([0.5, 1.0, 1.5, 1.0], dtype=torch.float64))
    penalty = weights.penalty(rows, rates)
    by_hand = torch.stack([rates[k] * rows[k:].detach().norm() for k in range(4)])
    torch.testing.assert_close(penalty, by_hand)
    penalty.sum().backward()
    assert rows.grad is not None
    assert bool(torch.isfinite(rows.grad).all())
    assert bool((rows.grad[2:] == 0).all())


def _linear_problem() -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 6, bias=False), nn.Linear(6, 2, bias=False)).double()
    inputs = torch.randn(40, 5, dtype=torch.float64)
    return net, inputs, torch.randn(40, 2, dtype=torch.float64)


def test_training_finds_the_map_of_an_independent_solver() -> None:
    """Convex in the first layer once the second is frozen: proximal gradient in NumPy with theory's prox is the truth."""
    net, inputs, targets = _linear_problem()
    net[1].weight.requires_grad_(False)  # pyright: ignore[reportAttributeAccessIssue, reportIndexIssue]
    architecture = bg.Architecture.from_module(net, inputs[:2])
    prior = bg.GuidedPrior(architecture, weights=TreeGroupLaplace(strength=1.5), guidance=bg.guidance.linear())
    rates = prior.rates()["0"].numpy()
    optimizer = bg.optim.ProximalAdam(net, prior, dataset_size=40, lr=2e-2, warmup_steps=20)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.998)
    for _ in range(3000):
        optimizer.zero_grad()
        (0.5 * (net(inputs) - targets).square().sum(dim=1)).mean().backward()
        optimizer.step()
        schedule.step()
    x, y, b = inputs.numpy(), targets.numpy(), net[1].weight.detach().numpy()  # pyright: ignore[reportIndexIssue, reportCallIssue, reportAttributeAccessIssue]
    step = 1 / (np.linalg.norm(x, 2) ** 2 * np.linalg.norm(b, 2) ** 2)
    w = np.zeros((6, 5))
    for _ in range(4000):
        gradient = b.T @ (x @ w.T @ b.T - y).T @ x
        w = proximal.tree_prox(w - step * gradient, step * rates)
    found = net[0].weight.detach().numpy()  # pyright: ignore[reportIndexIssue, reportCallIssue, reportAttributeAccessIssue]
    assert 0 < (np.abs(w).sum(axis=1) == 0).sum() < 6
    np.testing.assert_array_equal(np.abs(found).sum(axis=1) == 0, np.abs(w).sum(axis=1) == 0)
    np.testing.assert_allclose(found, w, atol=2e-5)


def test_fit_map_leaves_the_first_units() -> None:
    digits = bg.datasets.load_digits()
    torch.manual_seed(0)
    net = bg.nets.mlp(64, (32, 24), outputs=10)
    architecture = bg.Architecture.from_module(net, digits.train_x[:2])
    prior = bg.GuidedPrior(architecture, weights=TreeGroupLaplace(strength=5.0))
    fit = bg.fit_map(net, prior, (digits.train_x, digits.train_y), epochs=30, batch_size=64, lr=5e-3, seed=0)
    for name, indices in fit.sub_architecture().survivors.items():
        assert indices == list(range(len(indices)))
        assert 0 < len(indices) < architecture.group(name).size
    assert fit.evaluate((digits.test_x, digits.test_y)).error < 0.1


def test_what_it_cannot_do_is_refused() -> None:
    net, inputs, _ = _linear_problem()
    architecture = bg.Architecture.from_module(net, inputs[:2])
    prior = bg.GuidedPrior(architecture, weights=TreeGroupLaplace(strength=1.0), guidance=bg.guidance.step(2))
    with pytest.raises(NoDensityError, match="NestedWidth"):
        prior.log_prob(architecture.rows(net))
    with pytest.raises(NoDensityError):
        prior.model_prior("evidence", curvature=1.0)
    with pytest.raises(ConfigError, match="metric"):
        bg.optim.ProximalAdam(net, prior, dataset_size=1, metric="weight")
    with pytest.raises(GuidanceError, match="come first"):
        bg.GuidedPrior(
            architecture,
            weights=TreeGroupLaplace(strength=1.0),
            guidance=bg.guidance.custom({"0": torch.tensor([1.0, 0.0, 1.0, 1.0, 1.0, 1.0])}),
        ).rates()


def test_protected_units_come_first_and_stay() -> None:
    net, inputs, targets = _linear_problem()
    architecture = bg.Architecture.from_module(net, inputs[:2])
    prior = bg.GuidedPrior(architecture, weights=TreeGroupLaplace(strength=500.0), guidance=bg.guidance.step(2))
    fit = bg.fit_map(
        net, prior, (inputs, targets), likelihood=bg.likelihoods.Normal(1.0), epochs=150, batch_size=40, lr=1e-2, seed=0
    )
    assert fit.sub_architecture().survivors == {"0": [0, 1]}
