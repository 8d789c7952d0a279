import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from bayes_guided.priors.rows import weighted_prox
from theory import proximal
from theory import weighted_prox as theory

DTYPES = pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-15), (torch.float32, 5e-7)])
SPREADS = pytest.mark.parametrize("decades", [0, 1, 4, 13])


def cases(
    decades: float, dtype: torch.dtype, units: int = 200, length: int = 9, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, np.random.Generator]:
    """Rows of sizes from 1e-3 to 1e3, and metrics whose entries spread over so many decades."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((units, length)) * 10 ** rng.uniform(-3, 3, size=(units, 1))
    metric = 10 ** rng.uniform(-decades / 2, decades / 2, size=(units, length))
    return torch.tensor(rows, dtype=dtype), torch.tensor(metric, dtype=dtype), rng


def group_thresholds(rows: torch.Tensor, metric: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    return (metric * rows).norm(dim=1) * torch.tensor(rng.uniform(0, 1.2, len(rows)), dtype=rows.dtype)


def sqrt_thresholds(rows: torch.Tensor, metric: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    whole = (metric * rows.square()).sum(dim=1) / rows.norm(dim=1).sqrt()
    return whole * torch.tensor(rng.uniform(0, 1.2, len(rows)), dtype=rows.dtype)


@DTYPES
@SPREADS
def test_group_meets_its_optimality_condition(dtype, error, decades):
    rows, metric, rng = cases(decades, dtype)
    kappa = group_thresholds(rows, metric, rng)
    found = weighted_prox.group(rows, kappa, metric)
    assert found.dtype == dtype
    alive = (found != 0).any(dim=1)
    assert 0 < int(alive.sum()) < len(rows)
    for x, a, k, d in zip(*(t.double().numpy() for t in (found, rows, kappa, metric)), strict=True):
        assert proximal.group_residual(x, a, k, d) <= error * np.linalg.norm(d * a)


@SPREADS
def test_group_against_theory(decades):
    rows, metric, rng = cases(decades, torch.float64)
    kappa = group_thresholds(rows, metric, rng)
    found = weighted_prox.group(rows, kappa, metric).numpy()
    given = zip(rows.numpy(), kappa.numpy(), metric.numpy(), strict=True)
    exact = [theory.weighted_group_prox(a, float(k), d) for a, k, d in given]
    np.testing.assert_allclose(found, np.stack(exact), rtol=1e-11, atol=0)


@DTYPES
@SPREADS
def test_soft_threshold_and_ridge_against_theory(dtype, error, decades):
    rows, metric, rng = cases(decades, dtype)
    kappa = group_thresholds(rows, metric, rng)
    a, k, d = (t.double().numpy() for t in (rows, kappa[:, None], metric))
    soft = weighted_prox.soft_threshold(rows, kappa, metric).double().numpy()
    scale = np.abs(a) + k / d
    assert (np.abs(soft - proximal.soft_threshold(a, k, d)) <= 2 * error * scale).all()
    ridge = weighted_prox.ridge(rows, kappa, metric).double().numpy()
    np.testing.assert_allclose(ridge, proximal.ridge_prox(a, k, d), rtol=4 * error)


def test_sparse_group_meets_its_optimality_condition():
    rows, metric, rng = cases(3, torch.float64)
    kappa = 0.4 * group_thresholds(rows, metric, rng)
    found = weighted_prox.group(weighted_prox.soft_threshold(rows, kappa, metric), kappa, metric)
    assert bool((found == 0).any() & (found != 0).any())
    for x, a, k, d in zip(*(t.numpy() for t in (found, rows, kappa, metric)), strict=True):
        assert proximal.sparse_group_residual(x, a, k, k, d) <= 1e-15 * np.linalg.norm(d * a) * 4


@DTYPES
@SPREADS
def test_square_root_reaches_the_global_minimum_of_theory(dtype, error, decades):
    rows, metric, rng = cases(decades, dtype, units=60)
    kappa = sqrt_thresholds(rows, metric, rng)
    found = weighted_prox.group_sqrt(rows, kappa, metric)
    alive = (found != 0).any(dim=1)
    assert 0 < int(alive.sum()) < len(rows)
    for x, a, k, d in zip(*(t.double().numpy() for t in (found, rows, kappa, metric)), strict=True):
        best = theory.sqrt_objective(theory.weighted_group_sqrt_prox(a, float(k), d), a, float(k), d)
        removed = theory.sqrt_objective(np.zeros_like(a), a, float(k), d)
        assert theory.sqrt_objective(x, a, float(k), d) <= best + 4 * error * removed


def test_square_root_takes_the_better_of_two_minima():
    """The metric of the theory's counterexample, where the outermost stationary point is not the best."""
    rows, metric, kappa = np.array([1.6, 0.045]), np.array([1.0, 500.0]), 1.3
    found = weighted_prox.group_sqrt(torch.tensor(rows)[None], torch.tensor([kappa]).double(), torch.tensor(metric)[None])[0]
    starts = [rows, 0.1 * rows, np.array([0.0, 0.045]), np.array([0.01, 0.04])]
    search = [minimize(theory.sqrt_objective, x, args=(rows, kappa, metric), method="Nelder-Mead") for x in starts]
    best = min(result.fun for result in search)
    assert theory.sqrt_objective(found.numpy(), rows, kappa, metric) <= best + 1e-9


@pytest.mark.parametrize("operator", [weighted_prox.group, weighted_prox.group_sqrt])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_of_one_weight(operator, dtype):
    rows = torch.tensor([[2.0], [-2.0], [0.1], [0.0]], dtype=dtype)
    kappa, metric = torch.full((4,), 1.2, dtype=dtype), torch.full((4, 1), 1.5, dtype=dtype)
    found = operator(rows, kappa, metric)[:, 0]
    euclidean = proximal.group_prox if operator is weighted_prox.group else proximal.group_sqrt_prox
    exact = euclidean(rows.numpy(), 1.2 / 1.5)[:, 0]
    np.testing.assert_allclose(found.numpy(), exact, rtol=1e-6 if dtype == torch.float32 else 1e-14)
    assert exact[0] > 0 > exact[1]
    assert exact[2] == found[2] == found[3] == 0


@pytest.mark.parametrize("operator", [weighted_prox.group, weighted_prox.group_sqrt])
def test_only_weights_of_tiny_metric(operator):
    """A second moment of 0 gives a metric of eps / lr: the row falls to a threshold of any size, and nothing is NaN."""
    rows, metric = torch.randn(5, 4), torch.full((5, 4), 1e-12)
    assert not operator(rows, torch.ones(5), metric).any()
