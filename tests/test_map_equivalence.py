"""MAP under the guided prior is the guided regulariser: the project's first theorem (P5), three ways, for every family.

The regulariser is written out by hand (`scenarios.penalty_by_hand`), the constants come from `theory`.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import pyro
import pytest
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO
from pyro.infer.autoguide import AutoDelta, init_to_value
from torch import Tensor, nn

from bayes_guided import guidance
from bayes_guided.architecture import Role
from bayes_guided.models import BayesianNetwork
from bayes_guided.priors import GuidedPrior, Normal

from .scenarios import MLP, SCENARIOS, WITH_MAP, Scenario, log_normalizer, penalty_by_hand

FAMILIES = pytest.mark.parametrize("family", WITH_MAP)
EVERY_NET = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
PROFILES = pytest.mark.parametrize("profile", [guidance.linear(), guidance.step(1.0)], ids=["linear", "protected"])
PENALISED = pytest.mark.parametrize("penalised", ["row", "norm"])
RIDGE = 0.3


def prior_of(net: nn.Module, scenario: Scenario, family: str, **settings) -> GuidedPrior:
    settings = {"guidance": guidance.linear(), "rest": Normal(strength=RIDGE)} | settings
    return GuidedPrior(scenario.architecture(net), WITH_MAP[family], **settings)


def pressed(prior: GuidedPrior, group) -> Tensor:
    """The columns of a row that the guidance presses on."""
    norm_only = prior.penalised == "norm" and group.norm_silences
    scale_or_shift = (Role.NORM_SCALE, Role.NORM_SHIFT)
    return torch.cat([torch.full((b.size,), not norm_only or b.role in scale_or_shift) for b in group.blocks])


def regulariser(prior: GuidedPrior, net: nn.Module) -> Tensor:
    """lambda sum_u g_u Omega(row_u), and the ridge on all that it does not press on."""
    total = RIDGE * (prior.architecture.rest_vector(net) ** 2).sum()
    for group in prior.architecture.groups:
        row, columns = prior.architecture.rows(net)[group.name], pressed(prior, group)
        coefficients = prior.guidance.coefficients(prior.architecture)[group.name]
        guided = coefficients > 0
        total = total + penalty_by_hand(prior.weights, coefficients[guided], row[guided][:, columns]).sum()
        total = total + RIDGE * ((row[guided][:, ~columns] ** 2).sum() + (row[~guided] ** 2).sum())
    return total


def constant(prior: GuidedPrior) -> float:
    """The sum of log Z over units, protected and unpressed weights, and rest (P2, P3)."""
    ridged, total = prior.architecture.rest_size, 0.0
    for group in prior.architecture.groups:
        coefficients = prior.guidance.coefficients(prior.architecture)[group.name]
        guided, length = coefficients[coefficients > 0], int(pressed(prior, group).sum())
        total += float(log_normalizer(prior.weights, guided, length).sum())
        ridged += group.size * group.row_dim - len(guided) * length
    return total + ridged / 2 * math.log(math.pi / RIDGE)


def objective(prior: GuidedPrior, net: nn.Module, inputs: Tensor, labels: Tensor, dataset_size: int) -> Tensor:
    """N mean NLL + regulariser."""
    return dataset_size * nn.functional.cross_entropy(net(inputs), labels) + regulariser(prior, net)


def joint(model: BayesianNetwork, values: dict[str, Tensor], inputs: Tensor, labels: Tensor) -> Tensor:
    """Pyro's log joint density at these values of the sites."""
    trace = poutine.trace(poutine.condition(model, data=values)).get_trace(inputs, labels)
    return torch.as_tensor(trace.log_prob_sum())


@contextmanager
def module_local_parameters() -> Iterator[None]:
    """Guides whose parameters are theirs, so that a torch optimiser trains them and no global store is touched."""
    with pyro.settings.context(module_local_params=True):
        yield


@FAMILIES
@EVERY_NET
@PROFILES
@PENALISED
def test_value(scenario, family, profile, penalised):
    inputs, labels = scenario.data()
    for seed in range(3):
        net = scenario.net(seed=seed)
        prior = prior_of(net, scenario, family, guidance=profile, penalised=penalised)
        model = BayesianNetwork(net, prior, scenario.likelihood)
        with torch.no_grad():
            gap = -joint(model, model.initial_values(), inputs, labels) - objective(prior, net, inputs, labels, 24)
        assert float(gap) == pytest.approx(constant(prior), rel=1e-10, abs=1e-10)


@FAMILIES
@EVERY_NET
@PROFILES
@PENALISED
def test_gradient(scenario, family, profile, penalised):
    net = scenario.net()
    prior = prior_of(net, scenario, family, guidance=profile, penalised=penalised)
    inputs, labels = (part[:8] for part in scenario.data())
    model = BayesianNetwork(net, prior, scenario.likelihood, dataset_size=24)
    values = {name: value.requires_grad_() for name, value in model.initial_values().items()}
    (-joint(model, values, inputs, labels)).backward()
    objective(prior, net, inputs, labels, 24).backward()
    gradients = {name: parameter.grad for name, parameter in net.named_parameters() if parameter.grad is not None}
    for name, rows in prior.architecture.rows(gradients).items():
        torch.testing.assert_close(values[f"rows.{name}"].grad, rows, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(values["rest"].grad, prior.architecture.rest_vector(gradients), rtol=1e-10, atol=1e-10)


@FAMILIES
@EVERY_NET
def test_training(scenario, family):
    """AutoDelta and the regulariser under the same Adam, from the same start, on the same batches: the same weights."""
    net = scenario.net()
    prior = prior_of(net, scenario, family)
    inputs, labels = scenario.data()
    with module_local_parameters():
        model = BayesianNetwork(net, prior, scenario.likelihood, dataset_size=24)
        guide = AutoDelta(model, init_loc_fn=init_to_value(values=model.initial_values()))
        loss = Trace_ELBO()(model, guide)
        loss(inputs[:8], labels[:8])
        by_pyro = torch.optim.Adam(guide.parameters(), lr=0.01)
        by_hand = torch.optim.Adam(net.parameters(), lr=0.01)
        model.network.load_state_dict(net.state_dict())  # the first call has moved the statistics of BatchNorm
        for step in range(30):
            batch = slice(8 * (step % 3), 8 * (step % 3) + 8)
            by_pyro.zero_grad()
            loss(inputs[batch], labels[batch]).backward()
            by_pyro.step()
            by_hand.zero_grad()
            objective(prior, net, inputs[batch], labels[batch], 24).backward()
            by_hand.step()
        found = guide.median()
    start = prior.architecture.rows(scenario.net())
    for name, rows in prior.architecture.rows(net).items():
        assert float((rows - start[name]).abs().max()) > 0.1
        torch.testing.assert_close(found[f"rows.{name}"], rows, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(found["rest"], prior.architecture.rest_vector(net), rtol=1e-8, atol=1e-8)
    for name, buffer in net.named_buffers():
        torch.testing.assert_close(dict(model.network.named_buffers())[name], buffer, rtol=1e-8, atol=1e-8)


@FAMILIES
@EVERY_NET
@pytest.mark.parametrize("batch_size", [1, 4, 12])
def test_the_expected_objective_does_not_depend_on_the_batch_size(scenario, family, batch_size):
    """The mean over a partition into batches is the whole data set's objective, in value and gradient (P5).

    BatchNorm ties the cases of a batch in training mode: it is in evaluation mode here.
    """
    net = scenario.net().eval()
    prior = prior_of(net, scenario, family)
    model = BayesianNetwork(net, prior, scenario.likelihood, dataset_size=24).eval()
    inputs, labels = scenario.data()
    values = {name: value.requires_grad_() for name, value in model.initial_values().items()}

    def value_and_gradient(parts: list[slice]) -> tuple[Tensor, list[Tensor]]:
        mean = torch.stack([-joint(model, values, inputs[part], labels[part]) for part in parts]).mean()
        return mean.detach(), list(torch.autograd.grad(mean, list(values.values())))

    whole = value_and_gradient([slice(0, 24)])
    batches = value_and_gradient([slice(start, start + batch_size) for start in range(0, 24, batch_size)])
    torch.testing.assert_close(batches, whole, rtol=1e-11, atol=1e-11)


@FAMILIES
def test_rows_are_the_weights_and_biases_that_one_would_write_down(family):
    """The MLP's regulariser straight from its layers, without the architecture's rows."""
    net = MLP.net()
    prior = prior_of(net, MLP, family)
    layers = [net[0], net[2]]
    expected = RIDGE * ((net[4].weight ** 2).sum() + (net[4].bias ** 2).sum())
    for layer in layers:
        units = len(layer.bias)
        rising = 2 * torch.arange(1, units + 1, dtype=torch.float64) / (units + 1)
        row = torch.cat([layer.weight, layer.bias[:, None]], dim=1)
        expected = expected + penalty_by_hand(prior.weights, rising, row).sum()
    rows, rest = prior.architecture.rows(net), prior.architecture.rest_vector(net)
    torch.testing.assert_close(prior.penalty(rows, rest), expected, rtol=1e-12, atol=0)
