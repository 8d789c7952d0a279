"""Moments and quantiles against scipy's laws."""

import pytest
import torch
from scipy import stats

from bayes_guided.priors import CountLaw

BINOMIAL = stats.binom(40, 0.3)
LAW = CountLaw(torch.from_numpy(stats.binom.pmf(range(41), 40, 0.3)))


def test_moments_and_mode() -> None:
    assert LAW.most == 40
    assert LAW.mean == pytest.approx(12.0, abs=1e-12)
    assert LAW.sd == pytest.approx(BINOMIAL.std(), abs=1e-12)
    assert LAW.mode == 12


@pytest.mark.parametrize("level", [0.001, 0.05, 0.5, 0.95, 0.999])
def test_quantiles(level: float) -> None:
    assert LAW.quantile(level) == BINOMIAL.ppf(level)


def test_quantile_of_a_level_that_is_met_exactly_is_the_count_that_meets_it() -> None:
    law = CountLaw(torch.full((20,), 0.05, dtype=torch.float64))
    assert [law.quantile(k / 20) for k in (1, 2, 3, 19)] == [0, 1, 2, 18]


def test_equally_probable_modes_give_the_smallest() -> None:
    assert CountLaw(torch.tensor([0.1, 0.4, 0.4, 0.1])).mode == 1


def test_a_law_that_sums_to_less_than_the_level_ends_at_the_largest_count() -> None:
    assert CountLaw(torch.tensor([0.5, 0.4999, 0.0])).quantile(0.99995) == 2


def test_one_possible_count() -> None:
    law = CountLaw(torch.tensor([0.0, 0.0, 1.0]))
    assert (law.mean, law.sd, law.mode, law.quantile(0.05), law.quantile(0.95)) == (2.0, 0.0, 2, 2, 2)
