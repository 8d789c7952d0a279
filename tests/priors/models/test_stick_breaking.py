"""The Bernstein recursion against expansion into moments, and against quadrature over the sticks."""

from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from bayes_guided.priors.models.stick_breaking import log_count_law, log_mask_probability

ALPHA = torch.tensor([3.0, 0.7, 5.0, 1.3, 2.0], dtype=torch.float64)


def by_moments(alpha, mask):
    """Inclusion-exclusion over absent units; E prod_{u in A} S_u = prod_l alpha_l / (alpha_l + members of A at l or later)."""
    present = np.flatnonzero(mask)
    absent = np.flatnonzero(~mask)
    total = 0.0
    for size in range(len(absent) + 1):
        for extra in combinations(absent, size):
            members = np.concatenate([present, extra])
            counts = np.array([(members >= place).sum() for place in range(len(mask))])
            total += (-1) ** size * np.prod(alpha / (alpha + counts))
    return total


def test_masks_against_moments():
    codes = np.arange(32)
    masks = (codes[:, None] >> np.arange(5)) % 2 == 1
    values = log_mask_probability(ALPHA, torch.from_numpy(masks)).exp().numpy()
    np.testing.assert_allclose(values, [by_moments(ALPHA.numpy(), mask) for mask in masks], rtol=1e-11)
    assert values.sum() == pytest.approx(1.0, abs=1e-14)


def test_two_units_against_quadrature():
    a, b = 2.5, 0.8

    def integrand(x, y):
        return (1 - x) * (x * y) * a * x ** (a - 1) * b * y ** (b - 1)

    total = quad(lambda y: quad(lambda x: integrand(x, y), 0, 1)[0], 0, 1)[0]
    mask = torch.tensor([[False, True]])
    assert float(log_mask_probability(torch.tensor([a, b], dtype=torch.float64), mask).exp()) == pytest.approx(total, rel=1e-8)


def test_long_masks_keep_relative_accuracy():
    # All units absent and equal sticks: E prod (1 - S_u) for 300 units would cancel hopelessly in an expansion.
    alpha = torch.full((300,), 40.0, dtype=torch.float64)
    masks = torch.zeros(2, 300, dtype=torch.bool)
    masks[1, :] = True
    none, every = log_mask_probability(alpha, masks).tolist()
    expected = float(-torch.log1p(torch.arange(1, 301, dtype=torch.float64) / 40.0).sum())
    assert every == pytest.approx(expected, rel=1e-13)
    widths = log_count_law(alpha, 300)
    assert float(widths[0]) == pytest.approx(none, rel=1e-12)
    assert float(widths[-1]) == pytest.approx(every, rel=1e-12)
    assert float(widths.exp().sum()) == pytest.approx(1.0, abs=1e-11)
    mean = float(((40.0 / 41.0) ** torch.arange(1, 301, dtype=torch.float64)).sum())
    assert float(widths.exp() @ torch.arange(301, dtype=torch.float64)) == pytest.approx(mean, rel=1e-11)


def test_capped_counts_add_up():
    full = log_count_law(ALPHA, 5).exp()
    capped = log_count_law(ALPHA, 2).exp()
    torch.testing.assert_close(capped[:2], full[:2], rtol=1e-13, atol=0)
    torch.testing.assert_close(capped[2], full[2:].sum(), rtol=1e-13, atol=0)
