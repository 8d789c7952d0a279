"""Several fits along one dimension."""

import numpy as np
import pytest

import bayes_guided as bg
from bayes_guided.comparison import side_by_side
from bayes_guided.exceptions import ComparisonError, ConfigError

from .fakes import MarginalFit, guided_prior, independent_prior, product_table, small_architecture, table_fit


def pair(odds, survival, *widths, **settings):
    prior = independent_prior(small_architecture(*widths), odds)
    return prior, table_fit(prior, *product_table(survival), **settings)


@pytest.fixture(scope="module")
def pairs():
    return {
        "weak": pair([0.5] * 6, [0.9, 0.5, 0.5, 0.1, 0.5, 0.5], 4, 2),
        "strong": pair([-2.0] * 6, [0.8, 0.4, 0.3, 0.1, 0.2, 0.5], 4, 2),
    }


def test_several_guidances_on_one_data_set(pairs):
    together = bg.compare(pairs, draws=20)
    assert together.fits == ["weak", "strong"]
    assert together.dataset["log_bayes_factor"].dims == ("fit", "group", "unit")
    assert together.dataset["log_bayes_factor"].attrs["units"] == "nats"
    assert together.dataset["protected"].dtype == bool
    for name, (prior, fit) in pairs.items():
        alone = bg.compare(prior, fit, draws=20)
        assert together.fit(name).dataset.identical(alone.dataset)
        assert together.notes[name] == alone.notes[""]
    with pytest.raises(ComparisonError, match=r'no fit "other".*weak, strong'):
        together.fit("other")


def test_data_sets_whose_networks_differ_share_groups_by_name(pairs):
    wide, deep = pair([0.0] * 6, [0.5] * 6, 2, 4), pair([0.0] * 8, [0.5] * 8, 4, 2, 2)
    together = bg.compare({"weak": pairs["weak"], "wide": wide, "deep": deep}, draws=20)
    assert together.groups == ["layers.0", "layers.1", "layers.2"]
    assert together.dataset["num_units"].values.tolist() == [[4, 2, 0], [2, 4, 0], [4, 2, 2]]
    assert np.isnan(together.dataset["posterior_survival"].sel(fit="weak", group="layers.2")).all()
    for name, (prior, fit) in (("weak", pairs["weak"]), ("wide", wide), ("deep", deep)):
        alone = bg.compare(prior, fit, draws=20).dataset
        again = together.fit(name).dataset
        assert dict(again.sizes).items() >= {n: size for n, size in alone.sizes.items() if n != "draw"}.items()
        for variable in ("posterior_survival", "posterior_width_pmf", "posterior_size_pmf", "in_model", "model_size"):
            np.testing.assert_array_equal(again[variable], alone[variable])


def test_drawn_widths_stay_only_where_every_fit_has_them(pairs):
    unknowing = pair([0.0] * 6, [0.5] * 6, 4, 2, kind=MarginalFit)
    together = bg.compare({"weak": pairs["weak"], "marginal": unknowing}, draws=20)
    assert "posterior_width" not in together.dataset
    assert np.isfinite(together.dataset["posterior_width_pmf"].sel(fit="weak", group="layers.0").values).all()


def test_what_cannot_stand_side_by_side_is_named(pairs):
    one = bg.compare(*pairs["weak"], draws=20)
    prior = guided_prior(small_architecture(4, 2))
    other = bg.compare(prior, table_fit(prior, *product_table([0.5] * 6), known_reading="threshold"), tau=0.5, draws=20)
    with pytest.raises(ComparisonError, match='"b" has reading threshold, others inclusion'):
        side_by_side({"a": one, "b": other})
    with pytest.raises(ComparisonError, match="several fits already"):
        side_by_side({"a": side_by_side({"x": one})})
    with pytest.raises(ComparisonError, match="nothing to compare"):
        bg.compare({})
    with pytest.raises(ConfigError, match="margins"):
        bg.compare(pairs, margins={})
