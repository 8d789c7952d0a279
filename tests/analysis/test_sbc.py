"""Simulation-based calibration: exact posteriors pass, wrong ones fail, and each number is theory's."""

import numpy as np
import pytest
import torch
from scipy import stats

from bayes_guided.analysis.sbc import (
    CalibrationTable,
    calibration_of_draws,
    calibration_of_laws,
    ranks_in_draws,
    ranks_in_laws,
    z_statistic,
)
from bayes_guided.exceptions import PosteriorError
from theory import measures
from theory.enumeration import all_masks
from theory.linear_gaussian import log_evidences

UNITS, SETS, LOG_ODDS = 4, 600, -0.4
MASKS = all_masks(UNITS)


@pytest.fixture(scope="module")
def simulated():
    """True models (sets, units) and the log evidences (sets, 16) of correlated regressions drawn from the prior."""
    rng = np.random.default_rng(7)
    present = rng.random((SETS, UNITS)) < 1 / (1 + np.exp(-LOG_ODDS))
    evidences = []
    for mask in present:
        design = rng.normal(size=(12, UNITS)) + 1.5 * rng.normal(size=(12, 1))
        target = design @ (mask * rng.normal(size=UNITS)) + rng.normal(size=12)
        evidences.append(log_evidences(design, target, [[u] for u in range(UNITS)], np.ones(UNITS), 1.0))
    return present, np.stack(evidences)


def posterior(evidences, log_odds):
    """Probabilities of the 16 models, (sets, 16)."""
    log_joint = evidences + log_odds * MASKS.sum(axis=1)
    weights = np.exp(log_joint - log_joint.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def width_laws(models):
    return np.stack([models[:, MASKS.sum(axis=1) == k].sum(axis=1) for k in range(UNITS + 1)], axis=1)


def table_of_laws(name, present, models) -> CalibrationTable:
    uniform = np.random.default_rng(8).random(SETS)
    parts = (present, models @ MASKS, width_laws(models), uniform)
    return calibration_of_laws(name, *(torch.from_numpy(part) for part in parts))


def test_the_exact_posterior_passes_with_theorys_numbers(simulated):
    present, evidences = simulated
    models = posterior(evidences, LOG_ODDS)
    table = table_of_laws("exact", present, models)
    assert (table.name, table.data_sets) == ("exact", SETS)
    np.testing.assert_allclose(table.unit_z, measures.calibration_z(models @ MASKS, present), rtol=1e-10)
    uniform, laws = np.random.default_rng(8).random(SETS), width_laws(models)
    ranks = [measures.randomised_rank(laws[i], int(present[i].sum()), uniform[i]) for i in range(SETS)]
    np.testing.assert_allclose(table.ranks, ranks, rtol=1e-10)
    assert table.ks_p == pytest.approx(stats.kstest(ranks, "uniform").pvalue, rel=1e-6)
    assert table.passed


def test_a_wrong_prior_fails(simulated):
    present, evidences = simulated
    table = table_of_laws("wrong prior", present, posterior(evidences, 1.2))
    assert table.largest_z > 4
    assert table.z < -4
    assert table.ks_p < 1e-3
    assert not table.passed


def test_units_that_stand_in_for_one_another_do_not_fail_the_width():
    """Twins of which exactly one is present: widths never vary, although every unit does."""
    first = torch.rand(50, generator=torch.Generator().manual_seed(0)) < 0.5
    present, law = torch.stack([first, ~first], dim=1), torch.tensor([[0.0, 1.0, 0.0]]).expand(50, 3)
    table = calibration_of_laws("twins", present, torch.full((50, 2), 0.5), law, torch.rand(50, dtype=torch.float64))
    assert table.z == 0.0
    assert table.unit_z[0] == -table.unit_z[1]


def test_draws_from_the_exact_posterior_pass_and_from_a_wrong_one_fail(simulated):
    present, evidences = simulated
    rng = np.random.default_rng(9)
    uniform = torch.from_numpy(rng.random(SETS))
    for log_odds, passes in ((LOG_ODDS, True), (0.6, False)):
        models = posterior(evidences, log_odds)
        index = (rng.random((SETS, 200, 1)) > models.cumsum(axis=1)[:, None, :]).sum(axis=2)
        drawn = torch.from_numpy(MASKS[index])
        table = calibration_of_draws("chain", torch.from_numpy(present), drawn, uniform)
        assert table.passed == passes
        exact = table_of_laws("law", present, models)
        np.testing.assert_allclose(table.unit_z, exact.unit_z, atol=0.6)
        assert table.z == pytest.approx(exact.z, abs=0.6)
        averaged = calibration_of_draws(
            "averaged", torch.from_numpy(present), drawn, uniform, torch.from_numpy(models @ MASKS)
        )
        np.testing.assert_allclose(averaged.unit_z, exact.unit_z, rtol=1e-12)


@pytest.mark.parametrize("draws", [2, 5])
def test_the_rank_in_draws_is_uniform_whatever_the_number_of_draws(draws):
    """Truth and draws independent from one law of three widths: every multiset, weighted by its probability."""
    rng = np.random.default_rng(10)
    law = np.array([0.2, 0.5, 0.3])
    everything = torch.from_numpy(rng.choice(3, size=(40_000, draws + 1), p=law))
    uniform = torch.from_numpy(rng.random(40_000))
    ranks = ranks_in_draws(everything[:, 0], everything[:, 1:], uniform)
    assert stats.kstest(ranks.numpy(), "uniform").pvalue > 1e-3
    # With the law itself in the place of draws' frequencies the same truths are uniform, too.
    ranks = ranks_in_laws(everything[:, 0], torch.from_numpy(law).expand(40_000, 3), uniform)
    assert stats.kstest(ranks.numpy(), "uniform").pvalue > 1e-3


def test_z_by_hand_and_at_certainty():
    excess = torch.tensor([[0.5, 0.0, 1.0], [0.25, 0.0, 0.0]])
    variance = torch.tensor([[0.25, 0.0, 0.0], [0.1875, 0.0, 0.0]])
    assert z_statistic(excess, variance).tolist() == pytest.approx([0.75 / 0.4375**0.5, 0.0, float("inf")])


def test_what_does_not_fit_is_refused():
    present, half, uniform = torch.ones(3, 2, dtype=torch.bool), torch.full((3, 2), 0.5), torch.rand(3)
    law = torch.full((3, 3), 1 / 3)
    with pytest.raises(PosteriorError, match="inclusion probabilities of shape"):
        calibration_of_laws("x", present, half[:, :1], law, uniform)
    with pytest.raises(PosteriorError, match="not between 0 and 1"):
        calibration_of_laws("x", present, half * 3, law, uniform)
    with pytest.raises(PosteriorError, match="widths run from 0 to 2"):
        calibration_of_laws("x", present, half, law[:, :2], uniform)
    with pytest.raises(PosteriorError, match="does not sum to 1"):
        calibration_of_laws("x", present, half, law * 0.9, uniform)
    with pytest.raises(PosteriorError, match="at least 2 draws"):
        calibration_of_draws("x", present, present[:, None], uniform)
