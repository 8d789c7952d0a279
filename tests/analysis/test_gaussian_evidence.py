"""Evidence from one posterior against the evidence of all 2^U linear models, which theory computes without it."""

import math

import numpy as np
import pytest
import torch

from bayes_guided.analysis.gaussian_evidence import (
    mean_field_gap,
    model_reduction,
    normal_log_density_at_zero,
    removal_log_evidence,
    unit_evidence,
)
from bayes_guided.analysis.gaussian_posterior import DiagonalGaussian, FullGaussian, LowRankGaussian
from bayes_guided.analysis.structured_posterior import KroneckerGaussian
from bayes_guided.exceptions import CovarianceError, ImproperPriorError, PosteriorError
from theory import linear_gaussian
from theory.enumeration import all_masks

UNITS, DIM, NOISE = 6, 3, 0.5
BLOCKS = [list(range(u * DIM, (u + 1) * DIM)) for u in range(UNITS)]
VARIANCE = np.repeat(np.linspace(0.5, 2.0, UNITS), DIM)


def regression():
    rng = np.random.default_rng(19)
    design = rng.normal(size=(40, UNITS * DIM)) + 1.2 * rng.normal(size=(40, 1))
    weights = np.repeat(rng.normal(size=UNITS) * (np.arange(UNITS) % 2), DIM)
    return design, design @ weights + NOISE**0.5 * rng.normal(size=40)


DESIGN, TARGET = regression()
MEAN, COVARIANCE = linear_gaussian.posterior(DESIGN, TARGET, VARIANCE, NOISE)
POSTERIOR = FullGaussian.from_covariance(torch.tensor(MEAN), torch.tensor(COVARIANCE))
AT_ZERO = normal_log_density_at_zero(torch.tensor(1 / VARIANCE).reshape(UNITS, DIM))


def test_all_models():
    evidences = linear_gaussian.log_evidences(DESIGN, TARGET, BLOCKS, VARIANCE, NOISE)
    for mask, evidence in zip(all_masks(UNITS), evidences, strict=True):
        removed = torch.tensor([w for unit, block in enumerate(BLOCKS) if not mask[unit] for w in block], dtype=torch.int64)
        density = float(AT_ZERO[torch.tensor(~mask)].sum())
        found = float(removal_log_evidence(POSTERIOR, removed, density))
        assert found == pytest.approx(float(evidence - evidences[-1]), abs=1e-9)


def test_units_and_the_mean_field_gap():
    evidences = linear_gaussian.log_evidences(DESIGN, TARGET, BLOCKS, VARIANCE, NOISE)
    without = [int(np.flatnonzero((all_masks(UNITS) == (np.arange(UNITS) != u)).all(axis=1))[0]) for u in range(UNITS)]
    found = unit_evidence(POSTERIOR, torch.tensor(BLOCKS), AT_ZERO)
    torch.testing.assert_close(found.log_bayes_factor, torch.tensor(evidences[-1] - evidences[without]), rtol=0, atol=1e-9)
    gaps = [linear_gaussian.mean_field_gap(MEAN, COVARIANCE, block) for block in BLOCKS]
    assert found.mean_field_gap is not None
    torch.testing.assert_close(found.mean_field_gap, torch.tensor(gaps, dtype=torch.float64), rtol=1e-8, atol=1e-8)
    assert found.approximation == "full covariance"
    assert "one mode" in found.scope


def test_the_gap_is_what_mean_field_errs():
    """Block-factorised optimum: precision Lambda_uu and the same mean (P19)."""
    precision = np.linalg.inv(COVARIANCE)
    exact = unit_evidence(POSTERIOR, torch.tensor(BLOCKS), AT_ZERO)
    assert exact.mean_field_gap is not None
    for unit, block in enumerate(BLOCKS):
        factorised = FullGaussian.from_precision(torch.tensor(MEAN[block]), torch.tensor(precision[np.ix_(block, block)]))
        wrong = float(removal_log_evidence(factorised, torch.arange(DIM), float(AT_ZERO[unit])))
        assert wrong + float(exact.log_bayes_factor[unit]) == pytest.approx(float(exact.mean_field_gap[unit]), abs=1e-8)
    assert float(exact.mean_field_gap.abs().max()) > 1


def test_mean_field_knows_no_gap():
    posterior = DiagonalGaussian(torch.tensor(MEAN), torch.tensor(np.linalg.inv(COVARIANCE).diagonal() ** -0.5))
    found = unit_evidence(posterior, torch.tensor(BLOCKS), AT_ZERO)
    assert found.approximation == "mean field"
    assert found.mean_field_gap is None


@pytest.mark.parametrize("chosen", [[0], [3, 4, 5], [0, 7, 8, 16], list(range(18))])
def test_model_reduction(chosen):
    rng = np.random.default_rng(2)
    reduced = 1 / VARIANCE
    reduced[chosen] = rng.uniform(0.3, 30.0, size=len(chosen))
    direct = linear_gaussian.log_evidences(DESIGN, TARGET, BLOCKS, 1 / reduced, NOISE)[-1]
    full = linear_gaussian.log_evidences(DESIGN, TARGET, BLOCKS, VARIANCE, NOISE)[-1]
    index = torch.tensor(chosen)
    found = model_reduction(POSTERIOR, index, torch.tensor(1 / VARIANCE)[index], torch.tensor(reduced)[index])
    assert float(found) == pytest.approx(float(direct - full), abs=1e-9)
    theirs = linear_gaussian.model_reduction(MEAN, np.linalg.inv(COVARIANCE), np.diag(1 / VARIANCE), np.diag(reduced))
    assert float(found) == pytest.approx(theirs, abs=1e-8)


def test_model_reduction_tends_to_removal():
    index = torch.tensor(BLOCKS[2])
    prior = torch.tensor(1 / VARIANCE)[index]
    removal = removal_log_evidence(POSTERIOR, index, float(AT_ZERO[2]))
    torch.testing.assert_close(model_reduction(POSTERIOR, index, prior, prior + 1e11), removal, rtol=1e-7, atol=1e-7)


def test_structured_posteriors_give_the_dense_answer():
    generator = torch.Generator().manual_seed(3)
    factor = torch.randn(12, 2, generator=generator, dtype=torch.float64)
    mean, diagonal = torch.randn(12, generator=generator, dtype=torch.float64), torch.full((12,), 0.3, dtype=torch.float64)
    outputs, inputs = torch.eye(4, dtype=torch.float64) + 0.3, torch.eye(3, dtype=torch.float64) + 0.5
    prior = torch.tensor([1.0, 2.0, 4.0, 8.0], dtype=torch.float64)
    rows = torch.arange(12).reshape(4, 3)
    at_zero = normal_log_density_at_zero(prior[:, None].expand(4, 3))
    for posterior in (LowRankGaussian(mean, diagonal, factor), KroneckerGaussian(mean, outputs, inputs, prior)):
        dense = FullGaussian.from_covariance(mean, posterior.covariance_block(torch.arange(12)))
        expected, found = unit_evidence(dense, rows, at_zero), unit_evidence(posterior, rows, at_zero)
        torch.testing.assert_close(found.log_bayes_factor, expected.log_bayes_factor)
        torch.testing.assert_close(found.mean_field_gap, expected.mean_field_gap)


def test_nothing_removed():
    assert float(removal_log_evidence(POSTERIOR, torch.zeros(0, dtype=torch.int64), 0.0)) == 0.0
    empty = unit_evidence(POSTERIOR, torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0))
    assert empty.log_bayes_factor.shape == (0,)


def test_refusals():
    index, one = torch.tensor([0]), torch.ones(1, dtype=torch.float64)
    for density in (-math.inf, math.inf, math.nan):
        with pytest.raises(ImproperPriorError, match="Savage-Dickey"):
            removal_log_evidence(POSTERIOR, index, density)
    with pytest.raises(ImproperPriorError, match="flat prior"):
        model_reduction(POSTERIOR, index, 0 * one, one)
    with pytest.raises(CovarianceError, match="reduced prior"):
        model_reduction(POSTERIOR, index, 1e6 * one, one)
    with pytest.raises(PosteriorError, match="2 units need 2"):
        unit_evidence(POSTERIOR, torch.tensor(BLOCKS[:2]), AT_ZERO)
    assert normal_log_density_at_zero(torch.tensor([[0.0, 1.0]])).item() == -math.inf
    assert float(mean_field_gap(POSTERIOR, torch.arange(18))) == pytest.approx(0.0, abs=1e-8)
