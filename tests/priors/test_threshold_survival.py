"""The threshold reading of a whole prior, held against draws from it and against what P10 says of it."""

import math
from typing import Any

import pytest
import torch
from torch import nn

import bayes_guided as bg
from bayes_guided.exceptions import ReadingError
from bayes_guided.priors.threshold_survival import kept_sizes, row_sizes, threshold_survival

DRAWS = 4000


def _prior(weights: bg.priors.WeightPrior, **settings: Any) -> bg.GuidedPrior:
    net = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2))
    return bg.GuidedPrior(bg.Architecture.from_module(net, torch.zeros(4, 3)), weights=weights, **settings)


@pytest.mark.parametrize("penalised", ["row", "norm"])
@pytest.mark.parametrize(
    "weights",
    [
        bg.priors.Normal(1.0),
        bg.priors.Laplace(1.0),
        bg.priors.GroupLaplace(1.0),
        bg.priors.GroupSqrtLaplace(1.0),
        bg.priors.GroupHorseshoe(1.0),
    ],
)
def test_share_of_draws_above_the_threshold(weights: bg.priors.WeightPrior, penalised: Any) -> None:
    torch.manual_seed(0)
    prior = _prior(weights, guidance=bg.guidance.step(2.0), penalised=penalised)
    row_prior = prior.row_priors["0"]
    rows = prior.sample((DRAWS,))["0"]
    sizes = torch.stack([row_sizes(row_prior, draw) for draw in rows])
    thresholds = sizes[:, 2:].double().flatten().quantile(torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64))
    survival = threshold_survival(row_prior, thresholds)
    assert survival.shape == (3, 5)
    assert (survival[:, :2] == 1).all(), "protected units are present in every model (P6)"
    share = (sizes[:, 2:] > thresholds[:, None, None]).double().mean(dim=1)
    standard_error = (survival[:, 2:] * (1 - survival[:, 2:]) / DRAWS).sqrt()
    assert ((share - survival[:, 2:]).abs() <= 4 * standard_error).all()


def test_more_guidance_means_less_survival_and_pruning_thresholds_mean_nothing() -> None:
    prior = _prior(bg.priors.GroupLaplace(30.0), guidance=bg.guidance.linear()).row_priors["0"]
    survival = threshold_survival(prior, torch.tensor([0.1]))[0]
    assert (survival.diff() < 0).all()
    net = nn.Sequential(nn.Linear(99, 4), nn.ReLU(), nn.Linear(4, 2))
    wide = bg.GuidedPrior(bg.Architecture.from_module(net, torch.zeros(2, 99)), weights=bg.priors.GroupLaplace(30.0))
    # The warning of P10: rows of a hundred weights, tau = 0.01, rate 300.
    assert (threshold_survival(wide.row_priors["0"], torch.tensor([0.01])) == 1).all()


def test_the_sparse_group_has_no_threshold_reading() -> None:
    with pytest.raises(ReadingError, match="no threshold reading"):
        threshold_survival(_prior(bg.priors.SparseGroupLaplace(1.0)).row_priors["0"], torch.tensor([1.0]))


@pytest.mark.parametrize("threshold", [0.0, -1.0, math.inf, math.nan])
def test_thresholds_are_positive_and_finite(threshold: float) -> None:
    with pytest.raises(ReadingError, match="tau"):
        threshold_survival(_prior(bg.priors.Normal(1.0)).row_priors["0"], torch.tensor([threshold]))


def test_no_threshold_gives_no_level() -> None:
    assert threshold_survival(_prior(bg.priors.Normal(1.0)).row_priors["0"], torch.empty(0)).shape == (0, 5)


def test_sizes_are_of_the_penalised_part() -> None:
    rows = torch.arange(30.0).reshape(5, 6)
    whole = _prior(bg.priors.GroupLaplace(1.0)).row_priors["0"]
    norm = _prior(bg.priors.GroupLaplace(1.0), penalised="norm").row_priors["0"]
    lasso = _prior(bg.priors.Laplace(1.0)).row_priors["0"]
    torch.testing.assert_close(row_sizes(whole, rows), (rows**2).sum(1).sqrt())
    torch.testing.assert_close(row_sizes(norm, rows), (rows[:, 4:] ** 2).sum(1).sqrt())
    torch.testing.assert_close(row_sizes(lasso, -rows), rows.sum(1))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([0.0, 3.0, 0.0, 1.0, 2.0], [1.0, 2.0, 3.0]),
        ([4.0, 3.0, 1.0, 2.0], [1.0, 2.0, 4.0]),
        ([0.0, 5.0], [5.0, 5.0, 5.0]),
        ([0.0, 0.0], []),
    ],
)
def test_smallest_median_and_largest_size_kept(sizes: list[float], expected: list[float]) -> None:
    assert kept_sizes(torch.tensor(sizes)).tolist() == expected
