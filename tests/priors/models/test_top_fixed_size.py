"""Masks by units, size and minimum widths, in order, against sorting all of them."""

from itertools import product

import numpy as np
import pytest

from bayes_guided.priors.models.top_fixed_size import masks_by_weight


@pytest.mark.parametrize("minimums", [(0, 0, 0), (2, 0, 1), (4, 2, 3)])
@pytest.mark.parametrize("ties", [False, True])
def test_every_mask_in_order(minimums, ties):
    sizes = (4, 2, 4)
    rng = np.random.default_rng(sum(minimums))
    logits = rng.integers(-1, 2, size=10).astype(float) if ties else rng.normal(size=10) * 3
    weight = rng.normal(size=11) * 4
    weight[5] = -np.inf
    borders = np.cumsum((0, *sizes))
    every = {}
    for bits in product([False, True], repeat=10):
        mask = np.array(bits)
        enough = all(mask[a:b].sum() >= m for a, b, m in zip(borders, borders[1:], minimums, strict=False))
        if enough and mask.sum() != 5:
            every[bits] = logits[mask].sum() + weight[mask.sum()]
    found = list(masks_by_weight(logits, sizes, minimums, weight))
    assert {tuple(mask.tolist()) for _, mask in found} == set(every)
    assert len(found) == len(every)
    np.testing.assert_allclose([value for value, _ in found], sorted(every.values(), reverse=True), atol=1e-12)
    np.testing.assert_allclose([value for value, _ in found], [every[tuple(m.tolist())] for _, m in found], atol=1e-12)
