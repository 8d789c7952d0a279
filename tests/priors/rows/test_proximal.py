import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from bayes_guided.priors.rows.proximal import GROUP, GROUP_SQRT, RIDGE, ProxPlan, soft_threshold
from tests.scenarios import WITH_MAP, penalty_by_hand
from theory import proximal as theory

DTYPES = pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-14), (torch.float32, 5e-7)])
FAMILIES = pytest.mark.parametrize("family", WITH_MAP)


def cases(units: int, length: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows and thresholds from far below to far above the point where a row vanishes."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((units, length))
    return rows, np.linalg.norm(rows, axis=1) * rng.uniform(0, 1.3, size=units)


def tensors(dtype: torch.dtype, *arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.tensor(array, dtype=dtype) for array in arrays]


def apply(family: str, rows: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """The family's prox of `step` times its penalty at guidance 1."""
    weights = WITH_MAP[family]
    length = rows.shape[1]
    return weights.prox_plan(weights.rates(torch.ones_like(step), length), length).apply(rows, step)


@DTYPES
@pytest.mark.parametrize("length", [1, 2, 7, 300])
def test_operators_against_theory(dtype, error, length):
    rows, kappa = cases(400, length)
    given, threshold = tensors(dtype, rows, kappa)
    exact, exact_kappa = given.double().numpy(), threshold.double().numpy()
    found = {
        "soft": soft_threshold(given, threshold / 3),
        "ridge": ProxPlan(None, (RIDGE, threshold)).apply(given, torch.ones_like(threshold)),
        "group": ProxPlan(None, (GROUP, threshold)).apply(given, torch.ones_like(threshold)),
        "both": ProxPlan(threshold / 3, (GROUP, threshold / 2)).apply(given, torch.ones_like(threshold)),
        "sqrt": ProxPlan(None, (GROUP_SQRT, threshold)).apply(given, torch.ones_like(threshold)),
    }
    third = (threshold / 3).double().numpy()
    truth = {
        "soft": theory.soft_threshold(exact, third[:, None]),
        "ridge": theory.ridge_prox(exact, exact_kappa[:, None]),
        "group": theory.group_prox(exact, exact_kappa),
        "both": theory.sparse_group_prox(exact, third, exact_kappa / 2),
        "sqrt": theory.group_sqrt_prox(exact, exact_kappa),
    }
    for name, value in found.items():
        assert value.dtype == dtype
        largest = np.abs(exact).max()
        np.testing.assert_allclose(value.double().numpy(), truth[name], rtol=0, atol=4 * error * largest, err_msg=name)
        dead = (value == 0).all(dim=1).numpy()
        assert np.array_equal(dead, (truth[name] == 0).all(axis=1)), name
        assert not dead.all()
        assert dead.any() or name not in ("group", "both")


@FAMILIES
@pytest.mark.parametrize("length", [1, 2, 4])
def test_every_family_against_brute_force(family, length):
    """No point found by a numerical search from many starts is better than the operator's."""
    rows, _ = cases(6, length, seed=1)
    given = torch.tensor(rows)
    step = torch.tensor(np.random.default_rng(2).uniform(0.05, 2.5, size=6))
    found = apply(family, given, step)
    one = torch.ones(1, dtype=torch.float64)

    def value(x: np.ndarray, unit: int) -> float:
        penalty = penalty_by_hand(WITH_MAP[family], one, torch.tensor(x)[None])
        return float(((x - rows[unit]) ** 2).sum() / (2 * step[unit]) + penalty)

    for unit in range(6):
        starts = [scale * rows[unit] for scale in (1.0, 0.6, 0.2)]
        best = min(
            [
                minimize(value, x, args=(unit,), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).fun
                for x in starts
            ]
            + [value(np.zeros(length), unit)]
        )
        assert value(found[unit].numpy(), unit) <= best + 1e-10


@FAMILIES
@DTYPES
def test_rate_zero_changes_no_bit(family, dtype, error):
    """Protected units: whatever the step, over thousands of applications."""
    weights = WITH_MAP[family]
    rows = torch.cat([torch.randn(50, 7, dtype=dtype), 1e-25 * torch.randn(3, 7, dtype=dtype), torch.zeros(2, 7, dtype=dtype)])
    guidance = torch.zeros(55, dtype=dtype)
    plan = weights.prox_plan(weights.rates(guidance, 7), 7)
    for step in (1e-6, 1.0, 1e6):
        assert torch.equal(plan.apply(rows, torch.full((55,), step, dtype=dtype)), rows)
        assert torch.equal(plan.apply_weighted(rows, torch.full((55, 7), step, dtype=dtype)), rows)


@FAMILIES
@DTYPES
def test_zero_rows_stay_zero_and_finite(family, dtype, error):
    rows, step = torch.zeros(3, 4, dtype=dtype), torch.tensor([1e-30, 1.0, 1e30], dtype=dtype)
    assert torch.equal(apply(family, rows, step), rows)


def test_the_norm_of_the_square_root_penalty_jumps():
    kappa = torch.tensor([0.7, 0.7], dtype=torch.float64)
    threshold = float(theory.group_sqrt_threshold(0.7))
    norms = torch.tensor([threshold * (1 - 1e-12), threshold * (1 + 1e-12)], dtype=torch.float64)
    kept = norms * GROUP_SQRT.factor(norms, kappa)
    assert kept[0] == 0
    assert float(kept[1]) == pytest.approx(0.7 ** (2 / 3), abs=1e-10)


@FAMILIES
def test_a_constant_metric_is_the_per_row_operator(family):
    rows, _ = cases(200, 6, seed=3)
    given = torch.tensor(rows)
    step = torch.tensor(np.random.default_rng(4).uniform(0.05, 2.5, size=200))
    weights = WITH_MAP[family]
    plan = weights.prox_plan(weights.rates(torch.ones(200, dtype=torch.float64), 6), 6)
    metric = (1 / step)[:, None].expand(200, 6).clone()
    torch.testing.assert_close(plan.apply_weighted(given, metric), plan.apply(given, step), rtol=1e-9, atol=1e-13)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@FAMILIES
def test_on_a_gpu(family):
    rows, _ = cases(100, 5, seed=5)
    given, step = torch.tensor(rows), torch.full((100,), 0.5, dtype=torch.float64)
    torch.testing.assert_close(apply(family, given.cuda(), step.cuda()).cpu(), apply(family, given, step))
