"""Evaluation against SciPy's densities and scikit-learn's calibration, and the network and generators left as they were."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.calibration import calibration_curve
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from bayes_guided import likelihoods
from bayes_guided.exceptions import DataError, LabelError
from bayes_guided.infer.prediction.evaluation import evaluate
from bayes_guided.infer.training.batches import as_batches
from tests.infer.problems import BINARY, CLASSES, COUNTS, KNOWN_NOISE, LEARNED_NOISE, Jittered, Problem

CPU = torch.device("cpu")


def by_hand(problem: Problem, outputs: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """Error and NLL per case, by SciPy in float64."""
    if problem is CLASSES:
        logits = outputs - outputs.max(axis=1, keepdims=True)
        log_prob = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))[np.arange(len(targets)), targets]
        return float((outputs.argmax(axis=1) != targets).mean()), -float(log_prob.mean())
    single = outputs[:, 0]
    if problem is BINARY:
        log_prob = stats.bernoulli.logpmf(targets.astype(int), 1 / (1 + np.exp(-single)))
        return float(((single > 0) != (targets == 1)).mean()), -float(log_prob.mean())
    if problem is COUNTS:
        log_prob = stats.poisson.logpmf(targets, np.exp(single))
        return float(np.sqrt(((np.exp(single) - targets) ** 2).mean())), -float(log_prob.mean())
    log_prob = stats.norm.logpdf(targets, single, 0.3 if problem is KNOWN_NOISE else 1.0)
    return float(np.sqrt(((single - targets) ** 2).mean())), -float(log_prob.mean())


@pytest.mark.parametrize("problem", [CLASSES, BINARY, COUNTS, KNOWN_NOISE, LEARNED_NOISE], ids=lambda p: p.name)
def test_error_and_nll_are_those_of_scipy(problem):
    net, (inputs, targets) = problem.net(), problem.data(1100)
    found = evaluate(net, problem.likelihood(), as_batches((inputs, targets), 7, CPU))
    error, nll = by_hand(problem, net(inputs).detach().double().numpy(), targets.numpy())
    assert found.error == pytest.approx(error, rel=1e-5)
    assert found.nll == pytest.approx(nll, rel=1e-5)
    assert found.cases == 1100
    assert found.error_name == ("error" if problem in (CLASSES, BINARY) else "RMSE")


@pytest.mark.parametrize("problem", [CLASSES, BINARY], ids=lambda p: p.name)
def test_calibration_of_classes_is_that_of_their_probabilities(problem):
    net, (inputs, targets) = problem.net(), problem.data(1100)
    found = evaluate(net, problem.likelihood(), as_batches((inputs, targets), 7, CPU))
    outputs = net(inputs).detach()
    if problem is CLASSES:
        forecast, predicted = outputs.softmax(dim=1).max(dim=1)
        happened = predicted == targets
    else:
        forecast, happened = outputs[:, 0].sigmoid(), targets
    frequency, mean = calibration_curve(happened.numpy(), forecast.numpy(), n_bins=15, strategy="quantile")
    # Bins of equal mass up to one event of 1100.
    assert found.calibration_error == pytest.approx(np.abs(frequency - mean).mean(), abs=0.01)
    assert (found.error_se, found.nll_se, found.calibration_error_se, found.draws) == (None, None, None, 1)


def test_calibration_of_numbers_is_that_of_their_intervals():
    net, (inputs, targets) = KNOWN_NOISE.net(), KNOWN_NOISE.data(1100)
    found = evaluate(net, KNOWN_NOISE.likelihood(), as_batches((inputs, targets), 7, CPU))
    residual = np.abs(net(inputs).detach()[:, 0].numpy() - targets.numpy()) / 0.3
    levels = np.arange(1, 10) / 10
    covered = [(residual <= stats.norm.ppf((1 + level) / 2)).mean() for level in levels]
    assert found.calibration_error == pytest.approx(np.abs(covered - levels).mean(), abs=1e-6)


def test_a_network_that_diverged_is_evaluated_all_the_same():
    net = CLASSES.net()
    with torch.no_grad():
        next(net.parameters()).fill_(torch.nan)
    found = evaluate(net, likelihoods.Categorical(), as_batches(CLASSES.data(20), 7, CPU))
    assert np.isnan([found.nll, found.calibration_error]).all()


def test_a_loader_gives_the_same_and_counts_what_it_yields():
    net, data = CLASSES.net(), CLASSES.data(50)
    wanted = evaluate(net, likelihoods.Categorical(), as_batches(data, 1, CPU))
    loader = DataLoader(TensorDataset(*data), batch_size=8, shuffle=True)
    found = evaluate(net, likelihoods.Categorical(), as_batches(loader, 1, CPU))
    assert (found.error, found.cases) == (wanted.error, 50)
    assert found.nll == pytest.approx(wanted.nll, rel=1e-6)
    first = [part[:48] for part in data]
    dropping = DataLoader(TensorDataset(*data), batch_size=8, drop_last=True)
    found = evaluate(net, likelihoods.Categorical(), as_batches(dropping, 1, CPU))
    wanted = evaluate(net, likelihoods.Categorical(), as_batches((first[0], first[1]), 1, CPU))
    assert found.cases == 48
    assert found.nll == pytest.approx(wanted.nll, rel=1e-6)


def test_modes_and_generators_stay_also_after_an_error():
    net = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 3))
    net.train()
    net[1].eval()
    modes = [module.training for module in net.modules()]
    buffers = {name: value.clone() for name, value in net.named_buffers()}
    generator = torch.get_rng_state()
    inputs, labels = CLASSES.data(20)
    loader = DataLoader(Jittered(inputs, labels), batch_size=4, shuffle=True)
    evaluate(net, likelihoods.Categorical(), as_batches(loader, 1, CPU))
    labels[17] = 3
    with pytest.raises(LabelError, match="to 3, but the network has 3 outputs") as kept:
        evaluate(net, likelihoods.Categorical(), as_batches(loader, 1, CPU))
    # The error, and with it every frame it passed, is still held: nothing may be left to a garbage collection.
    assert kept.value is not None
    assert torch.equal(torch.get_rng_state(), generator)
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(value, buffers[name]) for name, value in net.named_buffers())


def test_inputs_that_the_network_does_not_take_are_named():
    with pytest.raises(DataError, match=r"does not run on inputs of shape \(9, 4\)"):
        evaluate(CLASSES.net(), likelihoods.Categorical(), as_batches((torch.zeros(9, 4), torch.zeros(9).long()), 1, CPU))
