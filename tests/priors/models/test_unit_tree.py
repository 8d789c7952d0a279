"""The law of many units against the plain log recursion and mpmath, far into the tails (P15)."""

import mpmath
import numpy as np
import pytest
from scipy.special import log_expit
from scipy.stats import poisson_binom

from bayes_guided.priors.models.unit_tree import UnitTree, log_poisson_binomial


def recursion(logits):
    law = np.full(len(logits) + 1, -np.inf)
    law[0] = 0.0
    for logit in logits:
        following = law + log_expit(-logit)
        following[1:] = np.logaddexp(following[1:], law[:-1] + log_expit(logit))
        law = following
    return law


@pytest.mark.parametrize(("units", "scale"), [(1, 1.0), (97, 2.0), (500, 1.0), (2048, 3.0), (3000, 60.0)])
def test_against_the_recursion(units, scale):
    logits = np.random.default_rng(units).normal(size=units) * scale - 1
    found, wanted = log_poisson_binomial(logits), recursion(logits)
    assert (np.abs(found - wanted) < 1e-13 * np.maximum(10, np.abs(wanted))).all()


def test_the_tail_that_underflows():
    logits = np.linspace(3.0, 0.3, 2048)
    found = log_poisson_binomial(logits)
    assert found[0] < -3000
    assert found[0] == pytest.approx(log_expit(-logits).sum(), rel=1e-14)
    assert poisson_binom.pmf(0, 1 / (1 + np.exp(-logits))) == 0.0


def test_against_extended_precision():
    mpmath.mp.dps = 60
    logits = np.random.default_rng(3).normal(size=300) * 4
    law = [mpmath.mpf(1)]
    for logit in logits:
        p = 1 / (1 + mpmath.exp(-mpmath.mpf(float(logit))))
        law = [a * (1 - p) + b * p for a, b in zip([*law, mpmath.mpf(0)], [mpmath.mpf(0), *law], strict=True)]
    wanted = np.array([float(mpmath.log(value)) for value in law])
    found = log_poisson_binomial(logits)
    assert (np.abs(found - wanted) < 1e-14 * np.maximum(10, np.abs(wanted))).all()


def test_marginals_and_groups_given_the_size():
    logits = np.random.default_rng(4).normal(size=450) * 2
    tree = UnitTree(logits, [300, 150], [0, 0])
    free = tree.laws_given(np.exp(tree.log_size_law))
    np.testing.assert_allclose(free.marginals, 1 / (1 + np.exp(-logits)), rtol=1e-11)
    np.testing.assert_allclose(free.groups[0], np.exp(recursion(logits[:300])), rtol=1e-10, atol=1e-60)
    # Given the size, P(m_u) = o_u e_{k-1}(without u) / e_k: the law of the others is the recursion without u.
    size = np.zeros(451)
    size[40] = 1.0
    marginals = tree.laws_given(size).marginals
    total = recursion(logits)[40]
    for unit in (0, 77, 299, 300, 449):
        others = recursion(np.delete(logits, unit))[39]
        assert marginals[unit] == pytest.approx(np.exp(log_expit(logits[unit]) + others - total), rel=1e-10)


def test_minimums():
    logits = np.random.default_rng(5).normal(size=200)
    tree = UnitTree(logits, [120, 80], [70, 30])
    first, second = recursion(logits[:120]), recursion(logits[120:])
    first[:70], second[:30] = -np.inf, -np.inf
    wanted = np.full(201, -np.inf)
    for k in range(121):
        wanted[k : k + 81] = np.logaddexp(wanted[k : k + 81], first[k] + second)
    found = tree.log_size_law
    assert (np.isfinite(found) == np.isfinite(wanted)).all()
    np.testing.assert_allclose(found[100:], wanted[100:], rtol=1e-12)
