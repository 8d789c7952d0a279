import math

import numpy as np
import pytest
import torch

from bayes_guided.analysis.row_shrinkage import row_shrinkage_log_odds
from bayes_guided.distributions import GroupLaplace
from bayes_guided.exceptions import NoMAPError
from bayes_guided.priors import Normal
from bayes_guided.priors.rows.row_prior import RowPrior
from tests.distributions.oracles import assert_mean
from tests.scenarios import ALL_FAMILIES, WITH_MAP, log_normalizer, penalty_by_hand

FAMILIES = pytest.mark.parametrize("family", WITH_MAP)
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])

GUIDANCE = torch.tensor([0.0, 0.5, 1.5, 2.0], dtype=torch.float64)
COLUMNS = torch.tensor([False, True, True, False, True])
BASE = Normal(strength=0.3)


def prior(family: str, columns: torch.Tensor = COLUMNS) -> RowPrior:
    return RowPrior("group", ALL_FAMILIES[family], BASE, GUIDANCE, columns)


def test_what_it_says_of_itself():
    rows = prior("GroupLaplace")
    assert rows.dim == 3
    assert not rows.whole_row
    assert rows.protected.tolist() == [True, False, False, False]
    assert prior("GroupLaplace", torch.ones(5, dtype=torch.bool)).whole_row
    # The rate scales with the penalised weights only.
    assert rows.rates.tolist() == pytest.approx([0, *(0.5 * math.sqrt(3) * g for g in (0.5, 1.5, 2.0))])


@FAMILIES
@DTYPES
@pytest.mark.parametrize("columns", [COLUMNS, torch.ones(5, dtype=torch.bool)], ids=["parts", "whole"])
def test_density_and_penalty_by_hand(family, dtype, columns):
    weights, row_prior = ALL_FAMILIES[family], prior(family, columns)
    rows = torch.randn(4, 5, dtype=dtype)
    inside, outside = rows[:, columns], rows[:, ~columns]
    ridge = 0.3 * (outside**2).sum(dim=1)
    expected = penalty_by_hand(weights, GUIDANCE.to(dtype), inside) + ridge
    expected[0] = 0.3 * (rows[0] ** 2).sum()  # protected: the base prior on the whole row
    found = row_prior.penalty(rows)
    assert found.dtype == dtype
    torch.testing.assert_close(found, expected)

    constant = log_normalizer(weights, GUIDANCE[1:], inside.shape[1]) + outside.shape[1] / 2 * math.log(math.pi / 0.3)
    whole = np.concatenate([[5 / 2 * math.log(math.pi / 0.3)], constant])
    tolerance = 1e-9 if dtype == torch.float64 else 1e-5
    log_prob = row_prior.distribution(rows).log_prob(rows)
    assert log_prob.dtype == dtype
    torch.testing.assert_close(-log_prob.double(), found.double() + torch.tensor(whole), rtol=0, atol=tolerance)


@FAMILIES
def test_gradients_of_the_penalty_are_finite_at_zero_and_protected_rows(family):
    rows = torch.zeros(4, 5, dtype=torch.float64, requires_grad=True)
    prior(family).penalty(rows).sum().backward()
    assert rows.grad is not None
    assert not rows.grad.any()


@pytest.mark.parametrize("columns", [COLUMNS, torch.ones(5, dtype=torch.bool)], ids=["parts", "whole"])
def test_samples_of_protected_and_unguided_weights_follow_the_base(columns):
    torch.manual_seed(1)
    density = prior("Laplace", columns).distribution(torch.zeros((), dtype=torch.float64))
    draws = density.sample(torch.Size((20_000,)))
    assert draws.shape == (20_000, 4, 5)
    expected = torch.full((4, 5), 0.5 / 0.3, dtype=torch.float64)
    expected[1:, columns] = (2 / (0.4 * GUIDANCE[1:]) ** 2)[:, None]
    assert_mean(draws.square(), expected)
    torch.testing.assert_close(density.variance, expected)


def test_the_horseshoe_has_a_density_and_no_penalty():
    rows = torch.randn(4, 5, dtype=torch.float64)
    assert torch.isfinite(prior("GroupHorseshoe").distribution(rows).log_prob(rows)).all()
    with pytest.raises(NoMAPError):
        prior("GroupHorseshoe").penalty(rows)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@FAMILIES
def test_on_a_gpu(family):
    rows = torch.randn(4, 5, dtype=torch.float64)
    torch.testing.assert_close(prior(family).penalty(rows.cuda()).cpu(), prior(family).penalty(rows))
    there = prior(family).distribution(rows.cuda())
    torch.testing.assert_close(there.log_prob(rows.cuda()).cpu(), prior(family).distribution(rows).log_prob(rows))


def test_row_shrinkage_looks_at_the_penalised_weights():
    rows = torch.randn(7, 4, 5, dtype=torch.float64)
    row_prior = prior("GroupLaplace")
    odds = row_prior.row_shrinkage_log_odds(rows, 30.0)
    assert bool((odds[:, 0] == torch.inf).all())
    density = GroupLaplace(row_prior.rates[1:], 3)
    torch.testing.assert_close(odds[:, 1:], row_shrinkage_log_odds(density, rows[:, 1:, COLUMNS], 30.0))
