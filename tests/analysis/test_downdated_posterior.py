"""Structured posteriors and their updates against the dense matrices they stand for."""

import time

import pytest
import torch

from bayes_guided.analysis.downdated_posterior import DowndatedGaussian
from bayes_guided.analysis.gaussian_evidence import unit_evidence
from bayes_guided.analysis.gaussian_posterior import DiagonalGaussian, FullGaussian, GaussianPosterior, LowRankGaussian
from bayes_guided.analysis.structured_posterior import BlockGaussian, KroneckerGaussian
from bayes_guided.exceptions import CovarianceError

OUT, IN = 4, 3


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def positive(side: int, seed: int) -> torch.Tensor:
    root = normal(side, side + 2, seed=seed)
    return root @ root.T


def kronecker(outputs: int = OUT, inputs: int = IN) -> KroneckerGaussian:
    mean, prior = normal(outputs * inputs, seed=0), 0.5 + normal(outputs, seed=1).square()
    return KroneckerGaussian(mean, positive(outputs, 2), positive(inputs, 3), prior)


def directions(posterior: GaussianPosterior, rows: torch.Tensor) -> torch.Tensor:
    found = torch.zeros(len(rows), len(posterior), dtype=torch.float64)
    for unit, row in enumerate(rows):
        found[unit, row] = posterior.mean[row] / posterior.mean[row].norm()
    return found


def downdated(base: GaussianPosterior, rows: torch.Tensor) -> DowndatedGaussian:
    return DowndatedGaussian(base, directions(base, rows), torch.linspace(0.2, 0.4, len(rows), dtype=torch.float64))


ROWS = torch.arange(OUT * IN).reshape(OUT, IN)
EXTRA = DiagonalGaussian(normal(2, seed=5), 0.5 + normal(2, seed=6).abs())
WIDE = torch.cat([ROWS, OUT * IN + torch.arange(4)[:, None] % 2], dim=1)
LOW_RANK = LowRankGaussian(normal(12, seed=7), 1 + normal(12, seed=8).square(), normal(12, 2, seed=9))
POSTERIORS = {
    "kronecker": kronecker(),
    "low rank": LOW_RANK,
    "blocks": BlockGaussian([kronecker(), EXTRA]),
    "downdated kronecker": downdated(kronecker(), ROWS),
    "downdated blocks, rows within": downdated(BlockGaussian([kronecker(), EXTRA]), ROWS),
    "downdated blocks, rows across": downdated(BlockGaussian([kronecker(), EXTRA]), WIDE[:2]),
    "blocks of downdated": BlockGaussian([EXTRA, downdated(kronecker(), ROWS[1:3])]),
}


def whole(posterior: GaussianPosterior) -> torch.Tensor:
    return posterior.covariance_block(torch.arange(len(posterior)))


@pytest.mark.parametrize("name", POSTERIORS)
def test_against_the_dense_matrices(name: str):
    posterior = POSTERIORS[name]
    everything = torch.arange(len(posterior))
    covariance, precision = whole(posterior), posterior.precision_block(everything)
    torch.testing.assert_close(covariance @ precision, torch.eye(len(posterior), dtype=torch.float64), atol=1e-10, rtol=0)
    torch.testing.assert_close(posterior.log_det_covariance(), torch.logdet(covariance))
    vectors = normal(5, len(posterior), seed=4)
    torch.testing.assert_close(posterior.times(vectors), vectors @ covariance)
    dense = FullGaussian.from_covariance(posterior.mean, covariance)
    for index in (ROWS[0], ROWS[2], torch.tensor([7, 2, 5]), everything):
        columns = normal(len(index), 2, seed=11)
        for matrix, block in (
            (posterior.covariance_matrix(index), dense.covariance_block(index)),
            (posterior.precision_matrix(index), dense.precision_block(index)),
        ):
            torch.testing.assert_close(matrix.dense(), block)
            torch.testing.assert_close(matrix.gram(columns), columns.T @ block @ columns)
            gram, log_det = matrix.inverse_gram(columns)
            torch.testing.assert_close(gram, columns.T @ torch.linalg.solve(block, columns))
            torch.testing.assert_close(log_det, torch.logdet(block))
    at_zero = torch.linspace(-3, 1, OUT, dtype=torch.float64)
    found, expected = unit_evidence(posterior, ROWS, at_zero), unit_evidence(dense, ROWS, at_zero)
    torch.testing.assert_close(found.log_bayes_factor, expected.log_bayes_factor)
    torch.testing.assert_close(found.mean_field_gap, expected.mean_field_gap)


@pytest.mark.parametrize("name", [*POSTERIORS, "full", "diagonal"])
def test_draws_have_the_mean_and_the_covariance(name: str):
    """Every entry within five standard errors (a hundred entries each)."""
    full = FullGaussian.from_covariance(normal(4, seed=1), positive(4, 2))
    posterior = {"full": full, "diagonal": EXTRA, **POSTERIORS}[name]
    n, covariance = 40_000, whole(posterior)
    draws = posterior.draw(n, torch.Generator().manual_seed(8))
    variance = covariance.diagonal()
    assert bool(((draws.mean(0) - posterior.mean).abs() < 5 * (variance / n).sqrt()).all())
    error = ((covariance.square() + variance[:, None] * variance) / n).sqrt()
    assert bool(((draws.T.cov() - covariance).abs() < 5 * error).all())


def test_a_length_that_nothing_holds_is_refused():
    base = DiagonalGaussian(torch.ones(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64))
    length = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    with pytest.raises(CovarianceError, match="lengths"):
        DowndatedGaussian(base, length, torch.tensor([1.0], dtype=torch.float64)).log_det_covariance()


def test_kronecker_evidence_of_a_wide_layer_is_a_matter_of_seconds():
    posterior = kronecker(300, 785)
    rows = torch.arange(300 * 785).reshape(300, 785)
    at_zero = torch.zeros(300, dtype=torch.float64)
    started = time.perf_counter()
    found = unit_evidence(posterior, rows, at_zero)
    assert time.perf_counter() - started < 5.0
    part = unit_evidence(FullGaussian.from_covariance(*_marginal(posterior, rows[7])), torch.arange(785)[None], at_zero[:1])
    torch.testing.assert_close(found.log_bayes_factor[7], part.log_bayes_factor[0])


def _marginal(posterior: GaussianPosterior, row: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return posterior.mean[row], posterior.covariance_block(row)
