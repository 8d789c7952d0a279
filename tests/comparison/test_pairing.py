"""Pairs without a meaning are refused, with the reason."""

import dataclasses

import numpy as np
import pytest
import torch

import bayes_guided as bg
from bayes_guided import priors
from bayes_guided.exceptions import ArchitectureMismatchError, PriorMismatchError, ReadingError
from bayes_guided.priors.storage import prior_from_json, prior_to_json

from .fakes import guided_prior, independent_prior, product_table, small_architecture, table_fit

TABLE = product_table([0.5] * 6)


def fake(prior, reading="inclusion"):
    return table_fit(prior, *TABLE, known_reading=reading)


def test_readings_of_a_continuous_prior_stand_beside_their_own():
    prior = guided_prior(small_architecture(4, 2))
    for reading, number in (("threshold", {"tau": 0.7}), ("shrinkage", {"curvature": 9.0}), ("evidence", {"curvature": 9.0})):
        found = bg.compare(prior, fake(prior, reading), reading=reading, draws=10, **number).dataset
        exact = prior.model_prior(reading, **number)
        for place, (name, survival) in enumerate(exact.unit_survival().items()):
            np.testing.assert_allclose(found["prior_survival"].values[place, : len(survival)], survival, rtol=1e-12)
            np.testing.assert_allclose(found["prior_log_odds"].values[place, : len(survival)], -exact.costs[name], rtol=1e-12)
        assert found.attrs["reading"] == found.attrs["prior_reading"] == reading
        assert {name: float(found[name]) for name in number} == number
        assert np.isnan(float(found["tau" if "curvature" in number else "curvature"]))


def test_a_reading_that_the_fit_cannot_give_is_refused_with_the_reason():
    prior = guided_prior(small_architecture(4, 2))
    with pytest.raises(ReadingError, match=r"it knows threshold.*cannot be compared"):
        bg.compare(prior, fake(prior, "threshold"), reading="shrinkage", curvature=1.0)
    with pytest.raises(ReadingError, match=r'exact zeros and no posterior odds.*reading="map"'):
        bg.compare(prior, fake(prior, "map"), reading="evidence", curvature=1.0)


def test_a_reading_that_the_prior_cannot_give_is_refused_with_the_reason():
    architecture = small_architecture(4, 2)
    with_models = independent_prior(architecture, [0.0] * 6)
    with pytest.raises(ReadingError, match='its reading is "inclusion"'):
        bg.compare(with_models, fake(with_models, "threshold"), reading="threshold", tau=0.1)
    with pytest.raises(ReadingError, match='its reading is "inclusion"'):
        bg.compare(with_models, fake(with_models, "map"), curvature=1.0)
    continuous = guided_prior(architecture)
    with pytest.raises(ReadingError, match="has no models in it"):
        bg.compare(continuous, fake(continuous, "inclusion"))
    horseshoe = guided_prior(architecture, weights=priors.GroupHorseshoe(strength=1.0))
    with pytest.raises(ReadingError, match="no evidence reading"):
        bg.compare(horseshoe, fake(horseshoe, "map"), curvature=1.0)


def test_a_missing_number_is_named():
    prior = guided_prior(small_architecture(4, 2))
    with pytest.raises(ReadingError, match="tau"):
        bg.compare(prior, fake(prior, "threshold"))
    with pytest.raises(ReadingError, match=r"joint MAP it is.*curvature"):
        bg.compare(prior, fake(prior, "map"))


def test_a_fit_of_another_architecture_or_prior_is_refused():
    architecture = small_architecture(4, 2)
    prior = independent_prior(architecture, [0.0] * 6)
    fit = fake(prior)
    with pytest.raises(ArchitectureMismatchError, match="2-4 units against 4-2 units"):
        bg.compare(independent_prior(small_architecture(2, 4), [0.0] * 6), fit)
    with pytest.raises(PriorMismatchError, match="another prior"):
        bg.compare(independent_prior(architecture, [0.0] * 5 + [0.1]), fit)
    with pytest.raises(PriorMismatchError, match="another prior"):
        bg.compare(guided_prior(architecture), fit)
    with pytest.raises(PriorMismatchError, match="another prior"):
        bg.compare(dataclasses.replace(prior, slab=priors.Normal(strength=2.0)), fit)


def test_the_same_prior_read_from_a_file_is_the_same():
    architecture = small_architecture(4, 2)
    prior = independent_prior(architecture, torch.linspace(-1, 1, 6).div(3).tolist())
    again = prior_from_json(architecture, prior_to_json(prior))
    assert again is not prior
    one, other = bg.compare(prior, fake(prior), draws=10), bg.compare(again, fake(prior), draws=10)
    np.testing.assert_allclose(one.dataset["log_bayes_factor"], other.dataset["log_bayes_factor"], rtol=1e-9)
