"""Every form of covariance against the dense matrix that it stands for."""

import pytest
import torch

from bayes_guided.analysis.gaussian_posterior import (
    DiagonalGaussian,
    FullGaussian,
    GaussianPosterior,
    LowRankGaussian,
    cholesky,
)
from bayes_guided.analysis.structured_posterior import BlockGaussian, KroneckerGaussian
from bayes_guided.exceptions import CovarianceError, ImproperPriorError, PosteriorError


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def positive(size, seed=0):
    factor = normal(size, size + 2, seed=seed)
    return factor @ factor.T


MEAN = normal(12, seed=1)
DIAGONAL = normal(12, seed=2).exp()
FACTOR = normal(12, 3, seed=3)
OUTPUTS, INPUTS = positive(4, seed=4), positive(3, seed=5)
PRIOR = torch.tensor([0.5, 1.0, 3.0, 20.0], dtype=torch.float64)
KRONECKER_COVARIANCE = torch.linalg.inv(torch.kron(OUTPUTS, INPUTS) + PRIOR.repeat_interleave(3).diag())
FULL = positive(12, seed=6)


def blocks():
    pieces = (DiagonalGaussian(MEAN[:5], DIAGONAL[:5].sqrt()), KroneckerGaussian(MEAN, OUTPUTS, INPUTS, PRIOR))
    return BlockGaussian(pieces), torch.block_diag(DIAGONAL[:5].diag(), KRONECKER_COVARIANCE)


PAIRS: dict[str, tuple[GaussianPosterior, torch.Tensor]] = {
    "full": (FullGaussian.from_covariance(MEAN, FULL), FULL),
    "full, by precision": (FullGaussian.from_precision(MEAN, torch.linalg.inv(FULL)), FULL),
    "mean field": (DiagonalGaussian(MEAN, DIAGONAL.sqrt()), DIAGONAL.diag()),
    "low rank": (LowRankGaussian(MEAN, DIAGONAL, FACTOR), DIAGONAL.diag() + FACTOR @ FACTOR.T),
    "Kronecker": (KroneckerGaussian(MEAN, OUTPUTS, INPUTS, PRIOR), KRONECKER_COVARIANCE),
    "blocks": blocks(),
}
INDICES = [[0], [3, 4, 5], [11, 2, 7, 0, 3], list(range(12)), []]


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("chosen", INDICES)
def test_blocks_of_covariance_and_precision(name, chosen):
    posterior, dense = PAIRS[name]
    index = torch.tensor(chosen, dtype=torch.int64)
    torch.testing.assert_close(posterior.covariance_block(index), dense[index][:, index], rtol=1e-9, atol=1e-10)
    precision = torch.linalg.inv(dense)
    torch.testing.assert_close(posterior.precision_block(index), precision[index][:, index], rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", PAIRS)
def test_log_det(name):
    posterior, dense = PAIRS[name]
    torch.testing.assert_close(posterior.log_det_covariance(), torch.logdet(dense), rtol=1e-9, atol=1e-9)
    assert len(posterior) == len(dense)


def test_approximations_are_named():
    assert PAIRS["full"][0].approximation == "full covariance"
    assert PAIRS["mean field"][0].approximation == "mean field"
    assert PAIRS["low rank"][0].approximation == "low rank (3) plus diagonal"
    assert PAIRS["blocks"][0].approximation == "independent blocks (Kronecker factors, mean field)"


def test_single_factors_of_curvature():
    singular = torch.ones(3, 3, dtype=torch.float64)  # rank one, as from a single input
    posterior = KroneckerGaussian(MEAN, OUTPUTS, singular, PRIOR)
    dense = torch.linalg.inv(torch.kron(OUTPUTS, singular) + PRIOR.repeat_interleave(3).diag())
    torch.testing.assert_close(posterior.covariance_block(torch.arange(12)), dense)


def test_refusals():
    broken = torch.tensor([[1.0, 2.0], [2.0, 1.0]], dtype=torch.float64)
    with pytest.raises(CovarianceError, match="smallest eigenvalue is -1"):
        FullGaussian.from_covariance(MEAN[:2], broken)
    with pytest.raises(CovarianceError, match="precision is not positive definite"):
        FullGaussian.from_precision(MEAN[:2], broken)
    with pytest.raises(CovarianceError, match="NaN"):
        cholesky(torch.full((2, 2), torch.nan), "it")
    with pytest.raises(CovarianceError, match="standard deviation is 0"):
        DiagonalGaussian(MEAN, 0 * MEAN)
    with pytest.raises(CovarianceError, match="diagonal"):
        LowRankGaussian(MEAN, -DIAGONAL, FACTOR)
    with pytest.raises(CovarianceError, match="output factor has the eigenvalue -1"):
        KroneckerGaussian(MEAN[:4], broken, torch.eye(2), torch.ones(2)).log_det_covariance()
    with pytest.raises(ImproperPriorError, match="base prior"):
        KroneckerGaussian(MEAN[:4], torch.eye(2), torch.eye(2), torch.zeros(2))
    with pytest.raises(PosteriorError, match="need 4 means"):
        KroneckerGaussian(MEAN, torch.eye(2), torch.eye(2), torch.ones(2))
    with pytest.raises(PosteriorError, match="0 to 11"):
        PAIRS["full"][0].covariance_block(torch.tensor([12]))
    with pytest.raises(PosteriorError, match="at least one"):
        BlockGaussian([])
