"""Simulation-based calibration: the exact posterior passes, a wrong prior fails, and the README says what was found."""

import json

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import poisson_binom

from experiments.calibration import run
from experiments.calibration.enumeration import Enumeration
from experiments.calibration.methods import SingleRemovals
from experiments.calibration.problem import Config, Problem
from experiments.calibration.tables import fill, table
from theory.linear_gaussian import log_evidences, mean_field_gap, posterior
from theory.linear_models import LinearModels, independent_log_prior

CONFIG = Config.load()
RESULTS = json.loads((run.HERE / "results.json").read_text())


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem(CONFIG)


def test_the_exact_method_is_the_truth(problem: Problem) -> None:
    """The package's evidence functions against weight space in NumPy."""
    exact = Enumeration(problem, problem.right_prior)
    for index in range(3):
        targets = problem.draw(index).targets
        truth = LinearModels(
            problem.inputs.numpy(),
            targets.numpy(),
            range(CONFIG.units),
            np.full(CONFIG.units, CONFIG.slab_variance),
            CONFIG.noise_scale**2,
            independent_log_prior(np.full(CONFIG.units, CONFIG.log_odds)),
        )
        np.testing.assert_array_equal(exact.masks.numpy(), truth.masks)
        np.testing.assert_allclose(exact.probabilities(targets).log().numpy(), truth.log_posterior, rtol=0, atol=1e-9)


def test_data_sets_follow_the_prior_predictive_distribution(problem: Problem) -> None:
    """First and second moments; the draws do not depend on one another's order."""
    sets = [problem.draw(index) for index in range(2000)]
    inclusion = 1 / (1 + np.exp(-CONFIG.log_odds))
    present = torch.stack([data.present for data in sets]).double()
    assert (present.mean(0) - inclusion).abs().max() < 4 * (inclusion * (1 - inclusion) / len(sets)) ** 0.5
    targets = torch.stack([data.targets for data in sets])
    squares = targets.square().mean(dim=1)
    expected = CONFIG.noise_scale**2 + CONFIG.units * inclusion * CONFIG.slab_variance  # columns have mean square 1
    assert abs(float(squares.mean()) - expected) < 4 * float(squares.std()) / len(sets) ** 0.5
    assert torch.equal(problem.draw(7).targets, sets[7].targets)


@pytest.mark.parametrize("mean_field", [False, True])
def test_single_removals_are_those_of_theory(problem: Problem, mean_field: bool) -> None:
    """Evidences of the full model and of those that lack one unit; the mean-field gap; the law of independent units."""
    targets, units = problem.draw(0).targets, CONFIG.units
    variance = np.full(units, CONFIG.slab_variance)
    design, target = problem.inputs.numpy(), targets.numpy()
    evidences = log_evidences(design, target, [[u] for u in range(units)], variance, CONFIG.noise_scale**2)
    log_factor = evidences[-1] - evidences[[2**units - 1 - 2 ** (units - 1 - u) for u in range(units)]]
    if mean_field:
        mean, covariance = posterior(design, target, variance, CONFIG.noise_scale**2)
        log_factor = log_factor - [mean_field_gap(mean, covariance, [u]) for u in range(units)]
    inclusion, law = SingleRemovals("removals", problem, mean_field=mean_field).posterior(targets, 0)
    expected = expit(log_factor + CONFIG.log_odds)
    np.testing.assert_allclose(inclusion.numpy(), expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(law.numpy(), poisson_binom(expected).pmf(np.arange(units + 1)), rtol=0, atol=1e-10)


def test_quick_finds_what_is_expected_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in run.HERE.iterdir() if path.is_file()}
    assert run.main(["--quick"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("| passes |") >= 1
    assert "| wrong prior | 100 |" in printed
    assert before == {path: path.read_bytes() for path in run.HERE.iterdir() if path.is_file()}


def test_the_stored_results_are_as_expected() -> None:
    stored = {result["method"]: result for result in RESULTS}
    assert list(stored) == list(CONFIG.data_sets)
    assert all(result["data_sets"] == CONFIG.data_sets[name] for name, result in stored.items())
    assert all(run.as_expected(result) for result in RESULTS)


def test_an_exact_method_that_fails_is_not_as_expected() -> None:
    (exact,) = (result for result in RESULTS if result["method"] == "exact")
    (wrong,) = (result for result in RESULTS if result["method"] == "wrong prior")
    assert not run.as_expected(exact | {"passed": False})
    assert not run.as_expected(wrong | {"passed": True})


def test_the_readme_shows_the_stored_results() -> None:
    readme = (run.HERE / "README.md").read_text()
    assert table(RESULTS) in readme
    assert fill(readme, RESULTS) == readme
