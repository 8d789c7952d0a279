"""Mixtures over all draws and over balanced halves of them, by brute force."""

import numpy as np
import pytest
import torch

from bayes_guided.infer.prediction.mixture import Mixture


def gathered(means, log_density, chunk, halves=True):
    mixture = Mixture(len(means), halves=halves)
    for start in range(0, len(means), chunk):
        part = slice(start, start + chunk)
        mixture.add(start, {"mean": torch.from_numpy(means[part]), "log_density": torch.from_numpy(log_density[part])})
    return mixture, mixture.predictors()


@pytest.mark.parametrize(("draws", "groups"), [(1, 1), (2, 2), (7, 4), (16, 16), (45, 16)])
@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_halves_of_the_groups(draws, groups, chunk):
    rng = np.random.default_rng(draws)
    means, log_density = rng.random((draws, 5, 3)), 30 * rng.normal(size=(draws, 5))
    mixture, found = gathered(means, log_density, chunk)
    group = mixture.group.numpy()
    assert np.array_equal(np.unique(group), np.arange(groups))
    assert (np.diff(group) >= 0).all()
    assert np.ptp(np.bincount(group)) <= 1
    assert len(found["mean"]) == 2 * groups - 1
    # Which groups a predictor takes shows from a mean that is 1 in one group.
    marks = np.eye(groups)[group][:, None, :]
    taken = gathered(marks, np.zeros((draws, 1)), chunk)[1]["mean"][:, 0].numpy() > 0
    assert taken[0].all()
    assert np.array_equal(taken[1:groups], ~taken[groups:])
    assert (taken[1:].sum(axis=1) == groups // 2).all()
    kept = [np.flatnonzero(row[group]) for row in taken]
    np.testing.assert_allclose(found["mean"], [means[rows].mean(axis=0) for rows in kept], rtol=1e-12)
    exact = [np.log(np.exp(log_density[rows].astype(np.longdouble)).mean(axis=0)) for rows in kept]
    np.testing.assert_allclose(found["log_density"], np.array(exact, dtype=float), rtol=1e-12)


@pytest.mark.parametrize("draws", [2, 8, 64])
def test_halves_have_the_variance_between_groups(draws):
    means = np.random.default_rng(draws).normal(size=(draws, 1))
    values = gathered(means, np.zeros((draws, 1)), 10)[1]["mean"][:, 0].numpy()
    pairs = len(values) // 2
    found = (((values[1 : 1 + pairs] - values[1 + pairs :]) / 2) ** 2).mean()
    groups = means.reshape(min(draws, 16), -1).mean(axis=1)
    assert found == pytest.approx(groups.var(ddof=1) / len(groups), rel=1e-10)


def test_without_halves_there_is_the_mixture_alone():
    means = np.arange(6.0).reshape(6, 1)
    assert gathered(means, means, 4, halves=False)[1]["mean"].tolist() == [[2.5]]


def test_a_half_without_the_draw_that_holds_all_of_the_density():
    found = gathered(np.zeros((2, 1)), np.array([[0.0], [-5000.0]]), 2)[1]["log_density"][:, 0]
    assert found.tolist() == pytest.approx([-np.log(2), 0.0, -5000.0])
