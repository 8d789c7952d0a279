"""Row Gaussians against torch's multivariate normal, and fits against the moments of what they are fitted to."""

import torch
from torch.distributions import MultivariateNormal

from bayes_guided.infer.mcmc.pseudo_prior import RowGaussians, fit_row_gaussians

UNITS, LENGTH = 3, 4


def gaussians(seed: int = 0) -> RowGaussians:
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(UNITS, LENGTH, LENGTH, generator=generator, dtype=torch.float64)
    factor = torch.linalg.cholesky(raw @ raw.mT + torch.eye(LENGTH, dtype=torch.float64))
    return RowGaussians(torch.randn(UNITS, LENGTH, generator=generator, dtype=torch.float64), factor)


def test_densities_are_multivariate_normal():
    made = gaussians()
    rows = torch.randn(UNITS, LENGTH, dtype=torch.float64)
    expected = MultivariateNormal(made.mean, scale_tril=made.factor).log_prob(rows)
    torch.testing.assert_close(made.log_prob(rows), expected, rtol=1e-12, atol=1e-12)


def test_draws_have_the_moments_and_a_fit_finds_them():
    torch.manual_seed(1)
    made, draws = gaussians(), 4000
    rows = torch.stack([made.sample() for _ in range(draws)])
    covariance = made.factor @ made.factor.mT
    scale = covariance.diagonal(dim1=-2, dim2=-1)
    error = (scale / draws).sqrt()
    assert bool(((rows.mean(dim=0) - made.mean).abs() <= 4 * error).all())
    fitted = fit_row_gaussians(rows, torch.ones(draws, UNITS, dtype=torch.bool))
    spread = (scale[:, :, None] * scale[:, None, :] * 2 / draws).sqrt()
    # Shrinking takes (row + 5) / (draws + row + 5) of the covariances off.
    assert bool(((fitted.factor @ fitted.factor.mT - covariance).abs() <= 4 * spread + 0.005 * covariance.abs()).all())


def test_only_draws_while_present_count_and_rare_units_keep_theirs():
    torch.manual_seed(2)
    made, draws = gaussians(), 200
    rows = torch.stack([made.sample() for _ in range(draws)])
    present = torch.ones(draws, UNITS, dtype=torch.bool)
    present[:100, 0] = False
    present[5:, 1] = False
    garbled = torch.where(present.unsqueeze(-1), rows, torch.full_like(rows, 1e6))
    before = gaussians(seed=3)
    fitted = fit_row_gaussians(garbled, present, before)
    alone = fit_row_gaussians(rows[100:, :1], present[100:, :1])
    torch.testing.assert_close(fitted.mean[0], alone.mean[0], rtol=1e-9, atol=1e-9)
    assert torch.equal(fitted.mean[1], before.mean[1])
    assert torch.equal(fitted.factor[1], before.factor[1])


def test_a_row_that_never_moved_has_a_density():
    rows = torch.ones(50, UNITS, LENGTH, dtype=torch.float64)
    fitted = fit_row_gaussians(rows, torch.ones(50, UNITS, dtype=torch.bool))
    assert bool(torch.isfinite(fitted.log_prob(rows[0])).all())
