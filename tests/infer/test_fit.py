"""What every fit answers, on a fit whose posterior is written down."""

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from bayes_guided import GuidedPrior, guidance, likelihoods, priors
from bayes_guided.exceptions import ConfigError, ReadingError
from bayes_guided.infer import Draws, Fit, History
from bayes_guided.priors.log_odds import prior_log_odds
from tests.infer.problems import CLASSES

ODDS = 700.0
HALF = 0.0
"""Log odds given every draw in the reading shrinkage."""


@dataclass(frozen=True, eq=False)
class WrittenDown(Fit):
    """Every unit has the same log odds in the reading evidence, and rows at the network's own weights."""

    method: ClassVar[str] = "written down"

    @property
    def approximation(self) -> str:
        return "none"

    @property
    def readings(self) -> tuple[str, ...]:
        return ("evidence", "threshold", "shrinkage", "map")

    def _log_odds(self, reading: str, meaning: Any) -> dict[str, Tensor]:
        return {name: torch.full((len(rows),), -ODDS) for name, rows in self.rows.items()}

    def _interval(self, reading: str, meaning: Any, level: float) -> Any:
        if reading != "threshold":
            return None
        return tuple({name: torch.full((len(rows),), end) for name, rows in self.rows.items()} for end in (0.1, level))

    def _masks(self, reading: str, meaning: Any, draws: Draws) -> dict[str, Tensor]:
        if reading == "evidence":
            return dict(super()._masks(reading, meaning, draws))
        if reading == "shrinkage":
            return {name: torch.full(rows.shape[:2], HALF, dtype=torch.float64) for name, rows in draws.rows.items()}
        return {name: rows.norm(dim=-1) > meaning.tau for name, rows in draws.rows.items()}

    def draws(self, n: int, generator: torch.Generator | None = None) -> Draws:
        noise = torch.randn(n, generator=generator or self.generator())
        rows = {name: rows * noise[:, None, None] for name, rows in self.rows.items()}
        return Draws(rows, self.architecture.rest_vector(self.net).detach().expand(n, -1))

    def sub_architecture(self) -> Any:
        return self.architecture.full()

    def _to_tree(self) -> dict[str, Any]:
        return {}

    @classmethod
    def _from_tree(cls, common: dict[str, Any], tree: dict[str, Any]) -> Fit:
        return cls(**common)


@pytest.fixture(scope="module")
def fit():
    net = CLASSES.net()
    architecture = CLASSES.prior(net).architecture
    coefficients = dict(guidance.linear().coefficients(architecture))
    coefficients["layers.0"][0] = 0.0
    prior = GuidedPrior(
        architecture,
        priors.GroupLaplace(strength=2.0),
        guidance.custom(coefficients, normalise=False),
    )
    return WrittenDown(prior, likelihoods.Categorical(), net.eval(), History(), seed=3, seconds=1.0)


def test_survival_is_the_odds_with_protected_units_certain(fit):
    survival = fit.unit_survival("evidence", curvature=10.0)
    odds = fit.unit_log_odds("evidence", curvature=10.0)
    assert float(survival["layers.0"][0]) == 1.0
    assert float(odds["layers.0"][0]) == float("inf")
    assert bool((survival["layers.0"][1:] < 1e-300).all())
    assert bool((odds["layers.1"] == -ODDS).all()), "odds stay where the probability underflows"
    assert survival["layers.1"].dtype == torch.float64


def test_bayes_factors_are_posterior_minus_prior_odds_and_nothing_for_protected_units(fit):
    factors = fit.unit_log_bayes_factors("evidence", curvature=10.0)
    prior = prior_log_odds(fit.prior, "evidence", curvature=10.0)
    assert float(factors["layers.0"][0]) == 0.0
    torch.testing.assert_close(factors["layers.1"], -ODDS - prior["layers.1"])
    with pytest.raises(ReadingError, match="P20"):
        fit.unit_log_bayes_factors("map")


def test_intervals_exist_where_the_method_has_them(fit):
    assert fit.survival_interval("evidence", curvature=10.0) is None
    lower, upper = fit.survival_interval("threshold", tau=1.0, level=0.9)
    assert float(lower["layers.1"][0]) == pytest.approx(0.1)
    assert float(upper["layers.1"][0]) == pytest.approx(0.9)
    assert float(lower["layers.0"][0]) == 1.0
    with pytest.raises(ConfigError, match="level"):
        fit.survival_interval("threshold", tau=1.0, level=1.0)


def test_masks_come_from_joint_draws_that_repeat(fit):
    masks = fit.masks("threshold", 50, tau=1.0)
    again = fit.masks("threshold", 50, tau=1.0)
    other = fit.masks("threshold", 50, tau=1.0, generator=torch.Generator().manual_seed(9))
    assert all(torch.equal(masks[name], again[name]) for name in masks)
    assert any(not torch.equal(masks[name], other[name]) for name in masks)
    assert bool(masks["layers.0"][:, 0].all())
    noise = torch.randn(50, generator=torch.Generator().manual_seed(fit.seed))
    expected = noise.abs()[:, None] * fit.rows["layers.1"].norm(dim=1) > 1.0
    assert torch.equal(masks["layers.1"], expected)


def test_masks_drawn_from_odds_follow_the_generator_and_hang_on_nothing_else(fit):
    """Calls with generators of their own give independent masks; masks and weights of one call are independent as well."""
    n, known = 2000, {"curvature": 1.0}
    one, other = (fit.masks("shrinkage", n, generator=torch.Generator().manual_seed(k), **known)["layers.1"] for k in (5, 6))
    error = 0.5 / n**0.5
    assert bool(((one.double().mean(dim=0) - 0.5).abs() < 4 * error).all())
    assert bool((((one == other).double().mean(dim=0) - 0.5).abs() < 4 * error).all())
    assert torch.equal(one, fit.masks("shrinkage", n, generator=torch.Generator().manual_seed(5), **known)["layers.1"])
    noise = torch.randn(n, generator=torch.Generator().manual_seed(5)) > 0  # the sign of the draw's rows
    assert bool((((one == noise[:, None]).double().mean(dim=0) - 0.5).abs() < 4 * error).all())


def test_questions_that_the_fit_cannot_answer_are_refused(fit):
    with pytest.raises(ReadingError, match=r'"inclusion"; it knows evidence, threshold, shrinkage, map'):
        fit.unit_survival("inclusion")
    with pytest.raises(ReadingError, match="tau"):
        fit.unit_survival("threshold")
    with pytest.raises(ReadingError, match="joint models"):
        fit.masks("evidence", 10, curvature=1.0)


def test_global_generators_stay(fit):
    before = torch.get_rng_state()
    fit.draws(5)
    fit.masks("threshold", 5, tau=1.0)
    assert torch.equal(before, torch.get_rng_state())
