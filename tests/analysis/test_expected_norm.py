"""Expected penalties against theory's quadrature, closed forms and finite differences."""

import math

import numpy as np
import pytest
import torch

from bayes_guided.analysis.expected_norm import (
    expected_l1,
    expected_norm,
    expected_norm_bound,
    expected_root_norm,
    expected_root_norm_bound,
    expected_square,
)
from theory import expected_penalty


def cases():
    rng = np.random.default_rng(9)
    yield from ((np.zeros(d), np.ones(d)) for d in (1, 2, 16, 300))
    yield from ((shift * rng.normal(size=d), rng.exponential(size=d)) for d in (1, 3, 40) for shift in (0.1, 1.0, 30.0))
    yield 2 * rng.normal(size=12), np.append(np.full(11, 0.01), 3.0)
    yield np.zeros(30), np.append(np.full(29, 1e-3), 5.0)
    yield rng.normal(size=20), np.full(20, 1e-6)
    yield np.append(np.zeros(5), 2.0), np.append(np.full(5, 0.4), 0.0)
    yield rng.normal(size=8), np.zeros(8)


CASES = list(cases())


def tensors(mean, sd):
    return tuple(torch.tensor(value, dtype=torch.float64)[None] for value in (mean, sd))


@pytest.mark.parametrize("case", range(len(CASES)))
def test_exact_values(case):
    mean, sd = CASES[case]
    for function, power in ((expected_norm, 1.0), (expected_root_norm, 0.5)):
        exact = expected_penalty.expected_norm_power(mean, sd, power)
        assert float(function(*tensors(mean, sd))[0]) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("dim", [1, 16, 785])
def test_equal_variances(dim):
    mean, sd = np.full(dim, 0.3), np.full(dim, 0.2)
    for function, power in ((expected_norm, 1.0), (expected_root_norm, 0.5)):
        exact = expected_penalty.isotropic_norm_power(0.3 * dim**0.5, 0.2, dim, power)
        assert float(function(*tensors(mean, sd))[0]) == pytest.approx(exact, rel=1e-10)


def test_elementary_values_and_bounds():
    for mean, sd in CASES:
        found = tensors(mean, sd)
        lower, upper = expected_penalty.expected_norm_bounds(mean, sd)
        assert float(expected_norm_bound(*found)) == pytest.approx(float(upper), rel=1e-14)
        assert lower * (1 - 1e-10) <= float(expected_norm(*found)) <= float(expected_norm_bound(*found)) * (1 + 1e-10)
        assert float(expected_root_norm(*found)) <= float(expected_root_norm_bound(*found)) * (1 + 1e-10)
        assert float(expected_square(*found)) == pytest.approx(float(expected_penalty.expected_square(mean, sd)), rel=1e-14)
        random = sd > 0
        folded = float(expected_penalty.expected_l1(mean[random], sd[random])) + float(np.abs(mean[~random]).sum())
        assert float(expected_l1(*found)) == pytest.approx(folded, rel=1e-12)
    assert float(expected_root_norm_bound(*tensors(np.array([3.0]), np.array([4.0])))) == pytest.approx(math.sqrt(5))


@pytest.mark.parametrize(
    "function",
    [expected_norm, expected_root_norm, expected_l1, expected_square, expected_norm_bound, expected_root_norm_bound],
)
def test_gradients(function):
    rng = np.random.default_rng(4)
    mean = torch.tensor(rng.normal(size=(4, 5)) * [[0.0], [1.0], [20.0], [0.3]], requires_grad=True)
    sd = torch.tensor(rng.exponential(size=(4, 5)) + 0.1, requires_grad=True)
    assert torch.autograd.gradcheck(function, (mean, sd), eps=1e-3, atol=2e-6, rtol=1e-6)


def test_gradient_of_a_wide_sharp_row():
    mean = torch.linspace(0.5, 1.0, 400, dtype=torch.float64)[None].requires_grad_()
    sd = torch.full((1, 400), 1e-3, dtype=torch.float64, requires_grad=True)
    expected_norm(mean, sd).sum().backward()
    norm = mean.detach().norm()
    # To first order in the variances E||w|| = ||mean|| + (tr C - u'Cu) / (2 ||mean||), u = mean / ||mean||.
    assert mean.grad is not None
    assert sd.grad is not None
    torch.testing.assert_close(mean.grad, mean.detach() / norm, rtol=1e-4, atol=0)
    torch.testing.assert_close(sd.grad, sd.detach() * (1 - (mean.detach() / norm) ** 2) / norm, rtol=1e-4, atol=0)


def test_rows_of_zeros_have_zero_penalty_and_gradient():
    mean = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    sd = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]], dtype=torch.float64)
    value = expected_norm(mean, sd)
    assert value[0] == 0
    value.sum().backward()
    assert mean.grad is not None
    assert mean.grad.tolist() == [[0.0] * 3] * 2


def test_dtype_is_kept():
    assert expected_norm(torch.ones(1, 4), torch.ones(1, 4)).dtype == torch.float32


def test_no_rows():
    assert expected_norm(torch.ones(0, 4), torch.ones(0, 4)).shape == (0,)
