import math

import pytest
import torch

from bayes_guided import distributions, priors
from bayes_guided.exceptions import NoMAPError, StrengthError
from tests.distributions.oracles import assert_mean
from tests.scenarios import ALL_FAMILIES, WITH_MAP, log_normalizer, penalty_by_hand

EVERY = pytest.mark.parametrize("family", ALL_FAMILIES)
FAMILIES = pytest.mark.parametrize("family", WITH_MAP)
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])

GUIDANCE = torch.tensor([0.2, 1.0, 1.8], dtype=torch.float64)

RATES = {
    "Normal": lambda g, d: 0.7 * g,
    "Laplace": lambda g, d: 0.4 * g,
    "GroupLaplace": lambda g, d: 0.5 * g * d**0.5,
    "SparseGroupLaplace": lambda g, d: 0.6 * g,
    "GroupSqrtLaplace": lambda g, d: 0.3 * g * d**0.75,
    "GroupHorseshoe": lambda g, d: 0.8 * g,
}


@EVERY
@pytest.mark.parametrize("dim", [1, 9, 400])
def test_rates(family, dim):
    rates = ALL_FAMILIES[family].rates(GUIDANCE, dim)
    torch.testing.assert_close(rates, RATES[family](GUIDANCE, dim), rtol=1e-15, atol=0)


@FAMILIES
@DTYPES
@pytest.mark.parametrize("dim", [1, 6])
def test_density_is_the_penalty_and_the_constant_of_theory(family, dtype, dim):
    weights, guidance = WITH_MAP[family], GUIDANCE.to(dtype)
    rows = torch.randn(3, dim, dtype=dtype)
    rates = weights.rates(guidance, dim)
    density = weights.distribution(rates, dim)
    assert density.batch_shape == (3,)
    assert density.event_shape == (dim,)
    penalty = weights.penalty(rows, rates)
    assert penalty.dtype == dtype
    torch.testing.assert_close(penalty, penalty_by_hand(weights, guidance, rows))
    constant = torch.tensor(log_normalizer(weights, guidance, dim), dtype=torch.float64)
    tolerance = 1e-9 if dtype == torch.float64 else 1e-5
    torch.testing.assert_close(-density.log_prob(rows).double(), penalty.double() + constant, rtol=0, atol=tolerance * dim)


@pytest.mark.parametrize("family", ["GroupLaplace", "SparseGroupLaplace", "GroupSqrtLaplace"])
def test_the_root_mean_square_weight_hardly_depends_on_the_length(family):
    """That is what the powers of D in the rates are for; a factor sqrt(D) too much would give 10 here."""
    weights = WITH_MAP[family]
    one = torch.ones(1, dtype=torch.float64)

    def rms(dim: int) -> float:
        return float(weights.distribution(weights.rates(one, dim), dim).variance[0, 0].sqrt())

    assert rms(2000) / rms(20) == pytest.approx(1, abs=0.1)


def test_moments_of_samples():
    for weights in WITH_MAP.values():
        torch.manual_seed(0)
        density = weights.distribution(weights.rates(GUIDANCE, 4), 4)
        draws = density.sample(torch.Size((200_000,)))  # squares of GroupSqrtLaplace have heavy tails
        assert_mean(draws, 0.0)
        assert_mean(draws.square(), density.variance)
        # The mean penalty is D over the degree, whatever the guidance (P1).
        degree = {"Normal": 2, "GroupSqrtLaplace": 0.5}.get(type(weights).__name__, 1)
        assert_mean(torch.stack([penalty_by_hand(weights, GUIDANCE, draw) for draw in draws[:5000]]), 4 / degree)


def test_the_horseshoe_has_no_map():
    horseshoe = ALL_FAMILIES["GroupHorseshoe"]
    rates = horseshoe.rates(GUIDANCE, 3)
    assert isinstance(horseshoe.distribution(rates, 3), distributions.GroupHorseshoe)
    with pytest.raises(NoMAPError, match="GroupLaplace or GroupSqrtLaplace"):
        horseshoe.penalty(torch.randn(3, 3, dtype=torch.float64), rates)
    with pytest.raises(NoMAPError, match="without bound"):
        horseshoe.prox_plan(rates, 3)


@EVERY
@pytest.mark.parametrize("strength", [-1.0, 0.0, math.nan, math.inf, -math.inf])
def test_strengths_that_are_not_positive_and_finite_are_refused(family, strength):
    with pytest.raises(StrengthError, match=rf"{family}\(strength=.*guidance 0 instead"):
        getattr(priors, family)(strength=strength)


@pytest.mark.parametrize("mix", [0.0, 1.0, -0.1, 1.5, math.nan])
def test_the_mix_lies_between_its_ends(mix):
    with pytest.raises(StrengthError, match=r"mix=.*GroupLaplace.*Laplace"):
        priors.SparseGroupLaplace(strength=1.0, mix=mix)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@EVERY
def test_on_a_gpu(family):
    weights = ALL_FAMILIES[family]
    rows = torch.randn(3, 5, dtype=torch.float64)
    there = weights.distribution(weights.rates(GUIDANCE.cuda(), 5), 5)
    here = weights.distribution(weights.rates(GUIDANCE, 5), 5)
    torch.testing.assert_close(there.log_prob(rows.cuda()).cpu(), here.log_prob(rows))
    assert there.sample().device.type == "cuda"
