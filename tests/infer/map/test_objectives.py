"""The objectives' losses against the regulariser written out by hand."""

import copy
import math

import pytest
import torch

from bayes_guided.exceptions import CollapseError, DataError, LabelError
from bayes_guided.infer.map.objectives import MAPObjective, RefitObjective
from bayes_guided.infer.training.batches import as_batches
from bayes_guided.likelihoods import Categorical, Normal
from tests.infer.problems import CASES, CLASSES, LEARNED_NOISE, Problem
from tests.scenarios import penalty_by_hand

CPU = torch.device("cpu")


def map_objective(problem: Problem, *, allow_empty: bool = False) -> MAPObjective:
    net = problem.net()
    batches = as_batches(problem.data(), 16, CPU)
    settings = {"lr": 1e-3, "warmup_steps": 0, "metric": "row", "allow_empty": allow_empty}
    return MAPObjective(net, problem.prior(net), problem.likelihood(), batches, None, **settings)  # pyright: ignore[reportArgumentType]


def regulariser(objective: MAPObjective) -> float:
    """lambda sum g sqrt(D) ||row|| + r ||rest||^2, from the network's own matrices."""
    prior, parameters = objective.prior, dict(objective.network.named_parameters())
    total = 0.0
    for layer in ("layers.0", "layers.1"):
        rows = torch.cat([parameters[f"{layer}.weight"], parameters[f"{layer}.bias"][:, None]], dim=1).double()
        units = len(rows)
        guidance = 2 * torch.arange(1, units + 1, dtype=torch.float64) / (units + 1)
        total += float(penalty_by_hand(prior.weights, guidance, rows.detach()).sum())
    head = sum(parameters[f"layers.2.{name}"].double().square().sum() for name in ("weight", "bias"))
    return total + 0.5 * float(torch.as_tensor(head).detach())


def test_the_penalty_and_the_epochs_loss_are_those_of_the_regulariser():
    objective = map_objective(CLASSES)
    wanted = regulariser(objective)
    assert objective.penalty() == pytest.approx(wanted, rel=1e-6)
    record = objective.end_epoch(nll=0.75, error=0.25)
    assert record.loss == pytest.approx(0.75 + wanted / CASES, rel=1e-6)
    assert (record.nll, record.error, record.widths) == (0.75, 0.25, {"layers.0": 12, "layers.1": 8})
    assert record.validation_error is None


def test_a_learned_noise_pays_its_prior():
    objective = map_objective(LEARNED_NOISE)
    likelihood = objective.likelihood
    assert isinstance(likelihood, Normal)
    assert likelihood.log_scale is not None
    with torch.no_grad():
        likelihood.log_scale.fill_(0.4)
    inputs, targets = LEARNED_NOISE.data()
    losses = objective.batch_loss(inputs[:9], targets[:9])
    residuals = (objective.network(inputs[:9])[:, 0] - targets[:9]).detach().double()
    nll = float((0.5 * math.log(2 * math.pi) + 0.4 + residuals**2 / (2 * math.exp(0.8))).mean())
    lognormal = 0.4 + 0.4**2 / 2  # minus the log density of LogNormal(0, 1) at e^0.4, without log sqrt(2 pi)
    assert float(losses.nll.detach()) == pytest.approx(nll, rel=1e-5)
    assert float(losses.loss.detach()) == pytest.approx(nll + lognormal / CASES, rel=1e-5)
    assert float(losses.error) == pytest.approx(float((residuals**2).mean()), rel=1e-5)
    assert losses.loss.requires_grad
    record = objective.end_epoch(nll=1.0, error=4.0)
    assert record.loss == pytest.approx(1.0 + (regulariser(objective) + lognormal) / CASES, rel=1e-6)
    assert record.error == 2.0


def test_widths_count_rows_that_are_not_exactly_zero_and_an_empty_group_is_named():
    objective = map_objective(CLASSES)
    first = objective.network.get_submodule("layers.0")
    with torch.no_grad():
        for parameter in first.parameters():
            parameter[2:] = 0
        first.get_parameter("bias")[5] = 1e-38
    assert objective.end_epoch(1.0, 0.0).widths == {"layers.0": 3, "layers.1": 8}
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.zero_()
    with pytest.raises(CollapseError, match=r"every unit of 'layers\.0' vanished.*lower the strength.*allow_empty=True"):
        objective.end_epoch(1.0, 0.0)
    tolerant = map_objective(CLASSES, allow_empty=True)
    tolerant.network.load_state_dict(objective.network.state_dict())
    assert tolerant.end_epoch(1.0, 0.0).widths == {"layers.0": 0, "layers.1": 8}


def test_a_refit_takes_adams_steps_on_the_mean_nll_and_the_ridge():
    net, batches = LEARNED_NOISE.net(), as_batches(LEARNED_NOISE.data(), 16, CPU)
    prior = LEARNED_NOISE.prior(net)
    objective = RefitObjective(net, prior, Normal(), batches, None, lr=0.01)
    reference, noise = copy.deepcopy(net).double(), torch.zeros((), dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([*reference.parameters(), noise], lr=0.01)
    inputs, targets = LEARNED_NOISE.data()
    for _ in range(20):
        objective.optimizer.zero_grad()
        objective.batch_loss(inputs, targets).loss.backward()
        objective.optimizer.step()
        adam.zero_grad()
        residuals = reference(inputs.double())[:, 0] - targets.double()
        ridge = 0.5 * sum((parameter**2).sum() for parameter in reference.parameters())
        nll = (0.5 * math.log(2 * math.pi) + noise + residuals**2 / 2 * (-2 * noise).exp()).mean()
        (nll + (ridge + noise + noise**2 / 2) / CASES).backward()
        adam.step()
    for found, wanted in zip(net.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(found.double(), wanted, rtol=0, atol=2e-5)
    assert float(objective.likelihood.get_parameter("log_scale").detach()) == pytest.approx(float(noise.detach()), abs=2e-5)
    weights = sum(float(parameter.detach().double().square().sum()) for parameter in net.parameters())
    assert objective.penalty() == pytest.approx(0.5 * weights, rel=1e-6)
    assert objective.widths() == {}


def test_bad_targets_and_inputs_are_refused_before_any_step():
    net, (inputs, labels) = CLASSES.net(), CLASSES.data()
    prior = CLASSES.prior(net)
    good = as_batches((inputs, labels), 16, CPU)
    late = labels.clone()
    late[-1] = 3
    bad = as_batches((inputs, late), 16, CPU)
    narrow = as_batches((inputs[:, :4], labels), 16, CPU)
    for data, held_out, error in [
        (bad, None, LabelError),
        (good, bad, LabelError),
        (narrow, None, DataError),
        (good, narrow, DataError),
    ]:
        with pytest.raises(error):
            RefitObjective(net, prior, Categorical(), data, held_out, lr=0.1)
