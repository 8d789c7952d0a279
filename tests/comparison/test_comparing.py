"""Comparisons against posteriors over models that are known exactly, all laws by listing masks."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import expit, logit

import bayes_guided as bg
from bayes_guided.exceptions import ComparisonError, ConfigError
from bayes_guided.priors import GibbsComplexity, NestedWidth
from tests.infer.problems import BUDGET, CLASSES

from .fakes import (
    IndependentFit,
    MarginalFit,
    exact_divergence,
    independent_prior,
    product_table,
    slab_prior,
    small_architecture,
    table_fit,
)

ODDS = [0.3, -0.4, -1.0, -2.0, 0.5, -0.5]
SURVIVAL = [0.95, 0.8, 0.3, 0.01, 0.6, 0.2]
DRAWS = 4000


@pytest.fixture(scope="module")
def twins():
    """Two groups of 4 and 2 units, in which units come and go together: three models."""
    prior = independent_prior(small_architecture(4, 2), ODDS)
    table = np.array([[1, 1, 0, 0, 1, 0], [0, 0, 1, 1, 0, 1], [1, 0, 1, 0, 1, 1]], dtype=bool)
    return table_fit(prior, table, [0.5, 0.3, 0.2])


@pytest.fixture(scope="module")
def product():
    """The same groups with independent units."""
    prior = independent_prior(small_architecture(4, 2), ODDS)
    return table_fit(prior, *product_table(SURVIVAL), kind=IndependentFit)


def log_prior_of(table, odds):
    return (np.log(expit(np.where(table, odds, -np.asarray(odds))))).sum(axis=1)


def width_pmf(table, probabilities, most):
    return np.bincount(table.sum(axis=1), weights=probabilities, minlength=most + 1)


def test_units_hold_prior_and_posterior_in_one_reading(product):
    found = bg.compare(product.prior, product).dataset
    exact = {"prior_survival": expit(ODDS), "posterior_survival": SURVIVAL, "prior_log_odds": ODDS}
    exact |= {"posterior_log_odds": logit(SURVIVAL), "log_bayes_factor": logit(SURVIVAL) - ODDS}
    q, p = np.array(SURVIVAL), expit(ODDS)
    exact["unit_divergence"] = q * np.log(q / p) + (1 - q) * np.log((1 - q) / (1 - p))
    for name, values in exact.items():
        assert found[name].dims == ("group", "unit")
        assert_allclose(found[name].values[0], values[:4], rtol=1e-6)
        assert_allclose(found[name].values[1], [*values[4:], np.nan, np.nan], rtol=1e-6)
    assert found.attrs["reading"] == found.attrs["prior_reading"] == "inclusion"
    assert found["num_units"].values.tolist() == [4, 2]
    assert found["group"].values.tolist() == [group.name for group in product.architecture.groups]


def test_independent_units_have_exact_laws_without_drawing_weights(product):
    found = bg.compare(product.prior, product, draws=2).dataset
    for side, survival in (("prior", expit(ODDS)), ("posterior", np.array(SURVIVAL))):
        for place, units in enumerate((slice(0, 4), slice(4, 6))):
            most = units.stop - units.start
            law = width_pmf(*product_table(survival[units]), most)
            assert_allclose(found[f"{side}_width_pmf"].values[place, : most + 1], law, rtol=1e-6)
            assert np.isnan(found[f"{side}_width_pmf"].values[place, most + 1 :]).all()
            assert_allclose(found[f"{side}_effective_width"].values[place], survival[units].sum(), rtol=1e-6)
        assert_allclose(found[f"{side}_size_pmf"], width_pmf(*product_table(survival), 6), rtol=1e-6)
        assert_allclose(found[f"{side}_effective_size"], survival.sum(), rtol=1e-6)
    kl = exact_divergence(product.table, product.probabilities, log_prior_of(product.table, ODDS))
    assert_allclose(found["divergence_all"], kl, rtol=1e-6)
    assert_allclose(found["divergence_lower_bound_all"], kl, rtol=1e-6)
    assert_allclose(found["divergence"].sum(), kl, rtol=1e-6)
    assert (found["total_correlation"] == 0).all()


def test_widths_of_correlated_units_come_from_joint_draws_not_from_marginals(twins):
    found = bg.compare(twins.prior, twins, draws=DRAWS).dataset
    law = width_pmf(twins.table[:, :4], twins.probabilities, 4)
    error = 4 * np.sqrt(law * (1 - law) / DRAWS)
    assert_allclose(law, [0, 0, 1, 0, 0])  # always two units, whichever
    assert (np.abs(found["posterior_width_pmf"].values[0] - law) <= error).all()
    size = width_pmf(twins.table, twins.probabilities, 6)
    assert (np.abs(found["posterior_size_pmf"].values - size) <= 4 * np.sqrt(size * (1 - size) / DRAWS)).all()
    from_marginals = width_pmf(*product_table(twins.exact_survival[:4]), 4)
    assert np.abs(from_marginals - law).max() > 0.4  # what a product of marginals would say
    assert_allclose(found["posterior_effective_width"], [2.0, 1.2], rtol=1e-6)
    assert_allclose(found["posterior_width"].mean("draw")[0], 2.0)


def test_divergence_is_its_lower_bound_plus_the_total_correlation(twins):
    found = bg.compare(twins.prior, twins, draws=DRAWS).dataset
    kl = exact_divergence(twins.table, twins.probabilities, log_prior_of(twins.table, ODDS))
    q, p = twins.exact_survival, expit(ODDS)
    bound = (q * np.log(q / p) + (1 - q) * np.log((1 - q) / (1 - p))).sum()
    assert_allclose(found["divergence_lower_bound_all"], bound, rtol=1e-6)
    assert kl - bound > 1.0
    assert abs(found["divergence_all"] - kl) <= 4 * found["divergence_error_all"]
    assert abs(found["total_correlation_all"] - (kl - bound)) <= 4 * found["divergence_error_all"]
    for place, units in enumerate((slice(0, 4), slice(4, 6))):
        table, which = np.unique(twins.table[:, units], axis=0, return_inverse=True)
        group = np.bincount(which.ravel(), weights=twins.probabilities)
        exact = exact_divergence(table, group, log_prior_of(table, ODDS[units]))
        assert abs(found["divergence"][place] - exact) <= 4 * found["divergence_error"][place] + 1e-9
    assert float(found["coverage_all"]) == 1.0


def test_a_posterior_that_the_draws_have_not_seen_has_a_lower_bound_only():
    prior = independent_prior(small_architecture(8, 4), [-1.0] * 12)
    table, probabilities = product_table([0.5] * 12)
    unknowing = table_fit(prior, table, probabilities)  # does not know that its units are independent
    found = bg.compare(prior, unknowing, draws=300)
    assert float(found.dataset["coverage_all"]) < 0.2
    assert np.isnan(found.dataset["divergence_all"])
    assert np.isnan(found.dataset["total_correlation_all"])
    assert_allclose(found.dataset["divergence_lower_bound_all"], 12 * (np.log(0.5) - (np.log(expit(-1) * expit(1))) / 2))
    assert any("take more draws" in note for note in found.notes[""])


def test_priors_with_dependent_units_have_a_divergence_and_no_bound():
    architecture = small_architecture(4, 2)
    hazards = {group.name: torch.full((group.size,), 0.4) for group in architecture.groups}
    nested = NestedWidth.from_hazard(architecture, hazards)
    table = np.array([[1, 1, 0, 0, 1, 0], [1, 0, 0, 0, 1, 1], [1, 1, 1, 0, 1, 0]], dtype=bool)
    for models in (nested, GibbsComplexity(architecture, "parameters", beta=0.1)):
        fit = table_fit(slab_prior(models), table, [0.5, 0.3, 0.2])
        found = bg.compare(fit.prior, fit, draws=DRAWS)
        masks = fit._split(torch.from_numpy(table))
        log_prior = models.log_prob_masks(masks).numpy()
        exact = exact_divergence(table, fit.probabilities, log_prior)
        assert abs(found.dataset["divergence_all"] - exact) <= 4 * found.dataset["divergence_error_all"]
        assert np.isnan(found.dataset["divergence_lower_bound_all"])
        assert any("bounds nothing" in note for note in found.notes[""])
        assert_allclose(found.dataset["model_log_prior"], log_prior[0], rtol=1e-9)
    impossible = table_fit(slab_prior(nested), [[0, 0, 0, 1, 1, 0], [1, 1, 0, 0, 1, 0]], [0.5, 0.5])
    assert np.isposinf(bg.compare(impossible.prior, impossible).dataset["divergence_all"])
    unseen = table_fit(slab_prior(nested), *product_table([0.5] * 6))
    found = bg.compare(unseen.prior, unseen, draws=20).dataset
    assert np.isnan(found["total_correlation_all"])
    assert np.isposinf(found["divergence_all"])


def test_fits_that_know_marginals_only_say_so(product):
    fit = table_fit(product.prior, product.table, product.probabilities, kind=MarginalFit)
    found = bg.compare(fit.prior, fit, level=0.8)
    for name in ("posterior_width_pmf", "posterior_size_pmf", "divergence", "divergence_all", "total_correlation_all"):
        assert np.isnan(found.dataset[name]).all()
    assert "posterior_width" not in found.dataset
    assert np.isfinite(found.dataset["divergence_lower_bound"]).all()
    assert any("only marginals" in note for note in found.notes[""])
    assert_allclose(found.dataset["posterior_lower"][0], np.maximum(np.array(SURVIVAL[:4]) - 0.1, 0), rtol=1e-9)
    assert_allclose(found.dataset["posterior_upper"][0], np.minimum(np.array(SURVIVAL[:4]) + 0.1, 1), rtol=1e-9)
    assert found.dataset.attrs["level"] == 0.8


def test_protected_units_are_in_every_model_and_outside_evidence():
    architecture = small_architecture(4, 2)
    names = [group.name for group in architecture.groups]
    protected = {names[0]: torch.tensor([True, False, False, False]), names[1]: torch.tensor([False, False])}
    prior = independent_prior(architecture, ODDS, protected)
    table, probabilities = product_table([1.0, *SURVIVAL[1:]])
    fit = table_fit(prior, table, probabilities, kind=IndependentFit)
    found = bg.compare(prior, fit).dataset
    first = found.isel(group=0, unit=0)
    assert bool(first["protected"])
    assert float(first["prior_survival"]) == float(first["posterior_survival"]) == 1.0
    assert float(first["log_bayes_factor"]) == float(first["unit_divergence"]) == 0.0
    assert int(found["protected"].sum()) == 1
    exact = exact_divergence(table, probabilities, log_prior_of(table[:, 1:], ODDS[1:]))
    assert_allclose(found["divergence_all"], exact, rtol=1e-6)
    law = width_pmf(*product_table([1.0, *SURVIVAL[1:4]]), 4)
    assert_allclose(found["posterior_width_pmf"][0], law, rtol=1e-6, atol=1e-15)


def test_prior_odds_stay_right_where_the_probability_is_one():
    architecture = small_architecture(4, 2)
    odds = [60.0, -60.0, 800.0, -2.0, 0.5, -0.5]
    prior = independent_prior(architecture, odds)
    fit = table_fit(prior, *product_table(SURVIVAL), kind=IndependentFit)
    found = bg.compare(prior, fit).dataset
    assert_allclose(found["prior_log_odds"][0], odds[:4], rtol=1e-12)
    assert_allclose(found["log_bayes_factor"][0], logit(SURVIVAL[:4]) - odds[:4], rtol=1e-9)


def test_a_map_is_the_model_that_it_chose_and_no_probability():
    net = CLASSES.net()
    prior = CLASSES.prior(net)
    fit = bg.fit_map(net, prior, CLASSES.data(), **BUDGET)
    margins = bg.infer.margins(fit, CLASSES.data(), refit=False).margin
    comparison = bg.compare(prior, fit, reading="map", curvature=30.0, margins=margins)
    found = comparison.dataset
    alive = {name: (rows != 0).any(dim=1).numpy() for name, rows in fit.rows.items()}
    implied = prior.model_prior("evidence", curvature=30.0)
    for place, name in enumerate(alive):
        size = len(alive[name])
        assert (found["in_model"].values[place, :size] == alive[name]).all()
        assert (found["posterior_survival"].values[place, :size] == alive[name]).all()
        assert_allclose(found["prior_survival"].values[place, :size], implied.unit_survival()[name], rtol=1e-12)
        assert found["posterior_width_pmf"].values[place, alive[name].sum()] == 1.0
        assert_allclose(found["row_norm"].values[place, :size], fit.rows[name].norm(dim=1), rtol=1e-6)
        assert_allclose(found["margin"].values[place, :size], margins[name], rtol=1e-12)
        assert_allclose(found["guidance"].values[place, :size], prior.coefficients[name], rtol=1e-12)
    for name in ("posterior_log_odds", "log_bayes_factor", "unit_divergence", "divergence", "divergence_all", "coverage_all"):
        assert np.isnan(found[name]).all()
    assert (found.attrs["reading"], found.attrs["prior_reading"]) == ("map", "evidence")
    assert float(found["model_log_prior"]) == pytest.approx(float(implied.log_prob(fit.sub_architecture())))
    assert float(found["model_size"]) == sum(alive[name].sum() for name in alive)
    assert any("joint MAP" in note for note in comparison.notes[""])


def test_the_result_repeats_and_leaves_the_generator_alone(twins):
    state = torch.get_rng_state()
    one, other = (bg.compare(twins.prior, twins, draws=50) for _ in range(2))
    assert one.dataset.identical(other.dataset)
    assert torch.equal(torch.get_rng_state(), state)
    third = bg.compare(twins.prior, twins, draws=50, generator=torch.Generator().manual_seed(99))
    assert not third.dataset["posterior_width"].identical(one.dataset["posterior_width"])


def test_bad_questions_are_named(twins):
    with pytest.raises(ConfigError, match="draws=1"):
        bg.compare(twins.prior, twins, draws=1)
    with pytest.raises(ConfigError, match="level=2"):
        bg.compare(twins.prior, twins, level=2.0)
    with pytest.raises(ComparisonError, match="needs a fit"):
        bg.compare(twins.prior)
