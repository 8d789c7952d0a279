import json

import pytest
import torch

from bayes_guided import guidance
from bayes_guided.exceptions import ArchitectureMismatchError, CheckpointError
from bayes_guided.priors import GuidedPrior, Normal
from bayes_guided.priors.storage import prior_from_json, prior_to_json
from tests.scenarios import ALL_FAMILIES, CONV, MLP, RESIDUAL


@pytest.mark.parametrize("family", ALL_FAMILIES)
@pytest.mark.parametrize("penalised", ["row", "norm"])
def test_the_round_trip_through_json_gives_the_same_prior_to_the_bit(family, penalised):
    net = RESIDUAL.net()
    profile = guidance.step(1.0).across(guidance.cost("macs"))
    prior = GuidedPrior(
        RESIDUAL.architecture(net), ALL_FAMILIES[family], profile, rest=Normal(strength=0.1), penalised=penalised
    )
    text = json.dumps(prior_to_json(prior))
    again = prior_from_json(RESIDUAL.architecture(RESIDUAL.net(seed=9)), json.loads(text))
    assert again.weights == prior.weights
    assert again.rest == prior.rest
    assert again.penalised == penalised
    for name, values in prior.coefficients.items():
        assert torch.equal(again.coefficients[name], values)
    rows = prior.architecture.rows(net)
    rest = prior.architecture.rest_vector(net)
    assert torch.equal(again.log_prob(rows, rest), prior.log_prob(rows, rest))
    assert json.dumps(prior_to_json(again)) == text


def test_a_prior_of_another_architecture_is_refused():
    prior = GuidedPrior(MLP.architecture(MLP.net()), ALL_FAMILIES["Normal"])
    with pytest.raises(ArchitectureMismatchError, match="same class and sizes"):
        prior_from_json(CONV.architecture(CONV.net()), prior_to_json(prior))


def test_foreign_values_are_refused():
    architecture = MLP.architecture(MLP.net())
    values = prior_to_json(GuidedPrior(architecture, ALL_FAMILIES["Normal"]))
    with pytest.raises(CheckpointError, match="'Cauchy' is unknown"):
        prior_from_json(architecture, values | {"weights": {"family": "Cauchy", "strength": 1.0}})
    with pytest.raises(CheckpointError, match="family"):
        prior_from_json(architecture, values | {"weights": {"strength": 1.0}})
    for key in values:
        with pytest.raises(CheckpointError, match=key):
            prior_from_json(architecture, {other: value for other, value in values.items() if other != key})
