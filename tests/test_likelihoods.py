import copy
import json
import math

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine
from scipy import stats
from torch import nn

from bayes_guided.exceptions import CheckpointError, LabelError, StrengthError
from bayes_guided.likelihoods import (
    Bernoulli,
    Categorical,
    Likelihood,
    Normal,
    Poisson,
    likelihood_from_json,
    likelihood_to_json,
)

OUTPUTS = torch.tensor([[0.3, -1.2], [2.0, 0.1], [-0.7, 0.6]], dtype=torch.float64)
BINARY = torch.tensor([[1.0, 0], [1, 1], [0, 0]], dtype=torch.float64)
COUNTS = torch.tensor([[0.0, 3], [7, 1], [1, 0]], dtype=torch.float64)
REALS = torch.tensor([[0.1, -1.0], [2.5, 0.3], [-0.9, 1.4]], dtype=torch.float64)


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def learned(log_scale: float) -> Normal:
    likelihood = Normal().double()
    assert likelihood.log_scale is not None
    with torch.no_grad():
        likelihood.log_scale.fill_(log_scale)
    return likelihood


BY_SCIPY = {
    "bernoulli": (Bernoulli(), BINARY, lambda f, y: stats.bernoulli.logpmf(y, logistic(f))),
    "known noise": (Normal(scale=0.7), REALS, lambda f, y: stats.norm.logpdf(y, f, 0.7)),
    "learned noise": (learned(0.4), REALS, lambda f, y: stats.norm.logpdf(y, f, math.exp(0.4))),
    "poisson": (Poisson(), COUNTS, lambda f, y: stats.poisson.logpmf(y, np.exp(f))),
}


@pytest.mark.parametrize("name", BY_SCIPY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("form", ["several outputs", "one output", "no output axis"])
def test_log_prob_against_scipy(name, dtype, form):
    likelihood, targets, exact = BY_SCIPY[name]
    likelihood = copy.deepcopy(likelihood).to(dtype)
    outputs, targets = OUTPUTS.to(dtype), targets.to(dtype)
    expected = exact(OUTPUTS.numpy(), targets.numpy())
    if form == "several outputs":
        expected = expected.sum(axis=1)
    else:
        outputs = outputs[:, :1] if form == "one output" else outputs[:, 0]
        targets, expected = targets[:, 0], expected[:, 0]
    likelihood.check(targets, outputs)
    found = likelihood.log_prob(outputs, targets)
    assert found.dtype == dtype
    np.testing.assert_allclose(found.detach().double().numpy(), expected, rtol=1e-12 if dtype == torch.float64 else 1e-5)
    # What Pyro scores is the same.
    density = likelihood.distribution(outputs)
    assert density.batch_shape == (3,)
    torch.testing.assert_close(density.log_prob(targets), found)


def test_categorical_against_scipy():
    labels = torch.tensor([1, 0, 1])
    found = Categorical().log_prob(OUTPUTS, labels)
    probabilities = np.exp(OUTPUTS.numpy()) / np.exp(OUTPUTS.numpy()).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.numpy(), np.log(probabilities[np.arange(3), labels.numpy()]), rtol=1e-12)
    torch.testing.assert_close(Categorical().distribution(OUTPUTS).log_prob(labels), found)
    np.testing.assert_allclose(Categorical().mean(OUTPUTS).numpy(), probabilities, rtol=1e-12)
    assert Categorical().error(OUTPUTS, labels).tolist() == [1, 0, 0]


SOFT = torch.tensor([[0.2, 0.8], [1.0, 0.0], [0.5, 0.5]], dtype=torch.float64)


def test_labels_given_as_probabilities():
    """The expected log likelihood; where all of it is on one class, that of the label."""
    logs = np.log(np.exp(OUTPUTS.numpy()) / np.exp(OUTPUTS.numpy()).sum(axis=1, keepdims=True))
    likelihood = Categorical()
    likelihood.check(SOFT, OUTPUTS)
    np.testing.assert_allclose(likelihood.log_prob(OUTPUTS, SOFT).numpy(), (SOFT.numpy() * logs).sum(axis=1), rtol=1e-12)
    labels = torch.tensor([1, 0, 1])
    hard = nn.functional.one_hot(labels).double()
    torch.testing.assert_close(likelihood.log_prob(OUTPUTS, hard), likelihood.log_prob(OUTPUTS, labels))
    assert torch.equal(likelihood.error(OUTPUTS, hard), likelihood.error(OUTPUTS, labels))
    forecast, happened = likelihood.forecasts(OUTPUTS.softmax(dim=1), hard)
    assert torch.equal(happened, likelihood.forecasts(OUTPUTS.softmax(dim=1), labels)[1])
    torch.testing.assert_close(forecast, OUTPUTS.softmax(dim=1).amax(dim=1))

    def model():
        with pyro.plate("data", 6, subsample=torch.arange(3)):
            likelihood.observe(OUTPUTS, SOFT)

    scored = poutine.trace(model).get_trace().log_prob_sum()
    assert float(scored) == pytest.approx(2 * (SOFT.numpy() * logs).sum(), rel=1e-12)


def test_errors_and_means():
    assert Bernoulli().error(OUTPUTS, BINARY).tolist() == [0, 0, 0.5]
    assert Bernoulli().error(OUTPUTS[:, 0], BINARY[:, 1]).tolist() == [1, 0, 0]
    torch.testing.assert_close(Bernoulli().mean(OUTPUTS), torch.sigmoid(OUTPUTS))
    torch.testing.assert_close(Normal(scale=2.0).error(OUTPUTS, REALS), ((OUTPUTS - REALS) ** 2).sum(dim=1))
    assert torch.equal(Normal().mean(OUTPUTS[:, :1]), OUTPUTS[:, 0])
    torch.testing.assert_close(Poisson().mean(OUTPUTS), OUTPUTS.exp())
    torch.testing.assert_close(Poisson().error(OUTPUTS, COUNTS), ((OUTPUTS.exp() - COUNTS) ** 2).sum(dim=1))
    assert Categorical().error_name == Bernoulli().error_name == "error"
    assert Normal().error_name == Poisson().error_name == "RMSE"


@pytest.mark.parametrize("name", BY_SCIPY)
def test_outputs_that_are_not_numbers_give_nan_and_no_other_error(name):
    """A fit has to see the NaN to say where it diverged; torch's own densities raise a ValueError instead."""
    likelihood, targets, _ = BY_SCIPY[name]
    outputs = OUTPUTS.clone()
    outputs[1, 0] = math.nan
    assert torch.isnan(likelihood.log_prob(outputs, targets)).tolist() == [False, True, False]


def test_the_penalty_of_a_learned_noise_is_its_log_normal_prior():
    differences = []
    for log_scale in (-1.3, 0.0, 0.8):
        likelihood = learned(log_scale)
        differences.append(float(likelihood.penalty()) + stats.lognorm.logpdf(math.exp(log_scale), 1.0))
    assert differences == pytest.approx([differences[0]] * 3)
    assert differences[0] == pytest.approx(-0.5 * math.log(2 * math.pi))
    for likelihood in (Normal(scale=2.0), Categorical(), Poisson()):
        assert float(likelihood.penalty()) == 0
        assert not list(likelihood.parameters())
        assert likelihood.initial_values() == {}


def test_a_learned_noise_is_a_site():
    likelihood = learned(0.4)
    torch.testing.assert_close(likelihood.initial_values()["noise_scale"], torch.tensor(math.exp(0.4), dtype=torch.float64))

    def model():
        drawn = likelihood.sample_parameters()
        with pyro.plate("data", 3):
            drawn.observe(OUTPUTS, REALS)

    value = torch.tensor(1.7, dtype=torch.float64)
    trace = poutine.trace(poutine.condition(model, data={"noise_scale": value})).get_trace()
    trace.compute_log_prob()
    assert trace.nodes["noise_scale"]["value"].dtype == torch.float64
    assert float(trace.nodes["noise_scale"]["log_prob"]) == pytest.approx(stats.lognorm.logpdf(1.7, 1.0))
    expected = stats.norm.logpdf(REALS.numpy(), OUTPUTS.numpy(), 1.7).sum(axis=1)
    np.testing.assert_allclose(trace.nodes["targets"]["log_prob"].numpy(), expected, rtol=1e-12)
    for other in (Normal(scale=1.0), Categorical()):
        assert other.sample_parameters() is other
    assert float(likelihood.scale) == pytest.approx(math.exp(0.4))  # drawing changes nothing


BY_SCIPY_FUNCTION = {
    "known noise": (Normal(scale=0.7), REALS, lambda f, y: stats.norm.cdf(y, f, 0.7), lambda f, y: stats.norm.cdf(y, f, 0.7)),
    "poisson": (
        Poisson(),
        COUNTS,
        lambda f, y: stats.poisson.cdf(y - 1, np.exp(f)),
        lambda f, y: stats.poisson.cdf(y, np.exp(f)),
    ),
}


@pytest.mark.parametrize("name", BY_SCIPY_FUNCTION)
def test_distribution_function_against_scipy(name):
    likelihood, targets, below, up_to = BY_SCIPY_FUNCTION[name]
    found = likelihood.distribution_function(OUTPUTS, targets)
    for values, exact in zip(found, (below, up_to), strict=True):
        np.testing.assert_allclose(values.numpy(), exact(OUTPUTS.numpy(), targets.numpy()), rtol=1e-12, atol=1e-15)
    single = likelihood.distribution_function(OUTPUTS[:, :1], targets[:, 0])
    torch.testing.assert_close(single[1], found[1][:, 0])


def test_what_a_mean_forecasts():
    labels = torch.tensor([0, 1, 1])
    probability, happened = Categorical().forecasts(OUTPUTS.softmax(dim=1), labels)
    torch.testing.assert_close(probability, OUTPUTS.softmax(dim=1).amax(dim=1))
    assert happened.tolist() == [1, 0, 1]
    probability, happened = Bernoulli().forecasts(OUTPUTS.sigmoid(), BINARY)
    assert torch.equal(probability, OUTPUTS.sigmoid())
    assert torch.equal(happened, BINARY)
    assert Categorical().distribution_function(OUTPUTS, labels) is None
    assert Poisson().forecasts(OUTPUTS.exp(), COUNTS) is None


@pytest.mark.parametrize("name", [*BY_SCIPY, "categorical"])
def test_the_error_of_a_mean_is_that_of_the_outputs_that_have_it(name):
    likelihood, targets = BY_SCIPY[name][:2] if name in BY_SCIPY else (Categorical(), torch.tensor([0, 1, 1]))
    found = likelihood.error_of_mean(likelihood.mean(OUTPUTS), targets)
    torch.testing.assert_close(found, likelihood.error(OUTPUTS, targets))
    assert found.shape == (3,)


def test_a_scale_given_as_a_tensor_under_vmap():
    scales = torch.tensor([0.5, 2.0], dtype=torch.float64)
    found = torch.func.vmap(lambda scale: Normal().with_scale(scale).log_prob(OUTPUTS, REALS))(scales)
    for scale, values in zip(scales, found, strict=True):
        torch.testing.assert_close(values, Normal(float(scale)).log_prob(OUTPUTS, REALS))


BAD_TARGETS = {
    "labels too high": (Categorical(), OUTPUTS, torch.tensor([0, 1, 2]), "0 to 2, but the network has 2"),
    "labels below 0": (Categorical(), OUTPUTS, torch.tensor([0, -1, 1]), "-1 to 1"),
    "labels of another dtype": (Categorical(), OUTPUTS, torch.tensor([0.0, 1.0, 1.0]), "int64"),
    "probabilities that do not sum to 1": (Categorical(), OUTPUTS, SOFT * torch.tensor([[1.0], [0.9], [1]]), "case 1"),
    "a negative probability": (Categorical(), OUTPUTS, torch.tensor([[1.0, 0], [0, 1], [-0.1, 1.1]]), "case 2"),
    "a missing probability": (Categorical(), OUTPUTS, SOFT * math.nan, "case 0"),
    "probabilities of other classes": (Categorical(), OUTPUTS, torch.ones(3, 1), "1 probabilities.*2 outputs"),
    "labels of another shape": (Categorical(), OUTPUTS, torch.zeros(3, 1, dtype=torch.int64), r"shape \(3, 1\)"),
    "no logits": (Categorical(), OUTPUTS[:, 0], torch.tensor([0, 1, 1]), r"\(batch, classes\)"),
    "not binary": (Bernoulli(), OUTPUTS, REALS, "0 or 1"),
    "not a count": (Poisson(), OUTPUTS, REALS, "counts"),
    "a negative count": (Poisson(), OUTPUTS, -COUNTS, "counts"),
    "a missing count": (Poisson(), OUTPUTS, COUNTS * math.nan, "counts"),
    "an output too many": (Normal(), OUTPUTS[:, :1], REALS[:, :1], r"\(N,\) .*\(N, 1\): drop their second axis"),
    "an output too few": (Normal(), OUTPUTS, REALS[:, 0], r"\(N, 2\) .*\(N,\): mend"),
    "whole numbers": (Normal(), OUTPUTS, torch.zeros(3, 2, dtype=torch.int64), "floating"),
}


@pytest.mark.parametrize("name", BAD_TARGETS)
def test_targets_that_cannot_be_are_refused(name):
    likelihood, outputs, targets, message = BAD_TARGETS[name]
    with pytest.raises(LabelError, match=message):
        likelihood.check(targets, outputs)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_a_noise_that_cannot_be_is_refused(scale):
    with pytest.raises(StrengthError, match="positive finite standard deviation"):
        Normal(scale=scale)


@pytest.mark.parametrize("likelihood", [Categorical(), Bernoulli(), Poisson(), Normal(scale=0.1), learned(-0.37)])
def test_json_round_trip(likelihood: Likelihood):
    again = likelihood_from_json(json.loads(json.dumps(likelihood_to_json(likelihood))))
    assert type(again) is type(likelihood)
    if isinstance(likelihood, Normal) and isinstance(again, Normal):
        assert again.learned == likelihood.learned
        assert float(again.scale) == pytest.approx(float(likelihood.scale), rel=1e-7 if likelihood.learned else 0)


def test_foreign_json_is_refused():
    for values in ({"family": "Cauchy"}, {}):
        with pytest.raises(CheckpointError, match="family"):
            likelihood_from_json(values)
