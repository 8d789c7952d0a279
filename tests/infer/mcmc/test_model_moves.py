"""Each move on the model leaves the posterior as it is: draws of the exact posterior, moved, are draws of it still."""

import numpy as np
import pytest
import torch

from bayes_guided.infer.mcmc.model_moves import ModelMoves, ModelState
from bayes_guided.infer.mcmc.potential import Posterior
from bayes_guided.infer.mcmc.pseudo_prior import RowGaussians
from tests.scenarios import NESTED, TILTED, TWINS, LinearScenario

DRAWS = 250


def moves_of(scenario: LinearScenario) -> ModelMoves:
    """Pseudo-priors that are nothing like the posterior: invariance must not depend on them."""
    net = scenario.net()
    posterior = Posterior(net, scenario.prior.slab_prior, scenario.likelihood, *scenario.data())
    units, length = scenario.units, scenario.row_dim
    factor = torch.eye(length, dtype=torch.float64).repeat(units, 1, 1) * 0.7
    pseudo = RowGaussians(torch.full((units, length), 0.2, dtype=torch.float64), factor)
    return ModelMoves(posterior, scenario.prior, {scenario.group: pseudo})


def exact_states(scenario: LinearScenario, moves: ModelMoves, seed: int) -> list[ModelState]:
    """Models from their exact posterior, present rows from their normal posterior, absent ones from the pseudo-priors."""
    rng = np.random.default_rng(seed)
    truth, states = scenario.truth, []
    for model in rng.choice(len(truth.masks), size=DRAWS, p=np.exp(truth.log_posterior)):
        mask = truth.masks[model]
        mean, covariance = truth.posterior_of(mask)
        rows = torch.from_numpy(rng.multivariate_normal(mean, covariance, method="svd")).reshape(scenario.units, -1)
        masks = {scenario.group: torch.from_numpy(mask.copy())}
        rows = torch.where(masks[scenario.group][:, None], rows, moves.pseudo[scenario.group].sample())
        vector = moves.posterior.space.base.clone()
        moves.posterior.space.rows(vector)[scenario.group].copy_(rows)
        states.append(moves.state(vector, masks))
    return states


@pytest.mark.parametrize("scenario", [TWINS, NESTED, TILTED], ids=lambda s: s.name)
def test_a_sweep_leaves_the_posterior_as_it_is(scenario):
    """Inclusions, widths, means and second moments of the rows after a sweep, within four standard errors of the truth."""
    torch.manual_seed(0)
    moves, truth = moves_of(scenario), scenario.truth
    states, moved = exact_states(scenario, moves, 1), 0
    odds = []
    for state in states:
        before = state.masks[scenario.group]
        moves.refresh(state)
        odds.append(moves.sweep(state)[scenario.group])
        moved += int(not torch.equal(before, state.masks[scenario.group]))
    assert moved > DRAWS / 10  # the test would be empty if nothing moved
    masks = torch.stack([state.masks[scenario.group] for state in states]).double()
    rows = torch.stack([moves.posterior.space.rows(state.vector)[scenario.group].flatten() for state in states])
    present = rows * masks.repeat_interleave(scenario.row_dim, dim=1)
    mean, covariance = truth.posterior()
    assert_mean(masks, truth.inclusion())
    assert_mean(torch.stack(odds).sigmoid(), truth.inclusion())
    assert_mean((masks.sum(dim=1)[:, None] == torch.arange(scenario.units + 1)).double(), truth.width_pmf())
    assert_mean(present, mean)
    assert_mean(present.square(), np.diag(covariance) + mean**2)


def assert_mean(draws: torch.Tensor, expected: np.ndarray) -> None:
    """Independent draws of these means; a rate below 1 in the number of draws may not show at all."""
    error = draws.std(dim=0) / len(draws) ** 0.5
    distance = (draws.mean(dim=0) - torch.from_numpy(np.asarray(expected))).abs()
    assert bool((distance <= 4 * error + 4 / len(draws)).all()), (distance / error, distance)


def test_the_likelihood_that_a_state_carries_is_that_of_its_model():
    torch.manual_seed(1)
    moves = moves_of(TWINS)
    for state in exact_states(TWINS, moves, 2)[:20]:
        moves.sweep(state)
        expected = moves.posterior.log_likelihood(state.vector, state.masks)
        assert float(state.log_likelihood) == pytest.approx(float(expected), rel=1e-12)


def test_refreshing_touches_absent_rows_alone():
    torch.manual_seed(2)
    moves = moves_of(TWINS)
    vector = moves.posterior.space.base.clone()
    state = moves.state(vector, {TWINS.group: torch.tensor([True, False, True, False])})
    moves.refresh(state)
    same = (moves.posterior.space.rows(state.vector)[TWINS.group] == moves.posterior.space.rows(vector)[TWINS.group]).flatten()
    assert same.tolist() == [True, False, True, False]
    assert torch.equal(moves.posterior.space.rest(state.vector), moves.posterior.space.rest(vector))


def test_the_odds_of_a_width_are_exact_given_the_rows():
    """All widths enumerated by the exact joint density, against what the heat bath over widths reports."""
    torch.manual_seed(3)
    moves = moves_of(NESTED)
    state = exact_states(NESTED, moves, 4)[0]
    vector, group = state.vector.clone(), NESTED.group
    weights = []
    for width in range(NESTED.units + 1):
        masks = {group: torch.arange(NESTED.units) < width}
        model = NESTED.prior.models.log_prob_masks({group: masks[group][None]})[0]
        weights.append(model + moves.log_joint(vector, masks))
    pmf = torch.stack(weights).softmax(dim=0)
    expected = torch.stack([pmf[unit + 1 :].sum() for unit in range(NESTED.units)])
    torch.testing.assert_close(moves.sweep(state)[group].sigmoid(), expected, rtol=1e-9, atol=1e-12)
