"""Rows as the network's parameters: the values and gradients of `Architecture.parameters`."""

import pytest
import torch

from bayes_guided.architecture import Architecture
from bayes_guided.guides import NetworkParameters, Weights
from tests.infer.problems import ConvNet, built

from .guided_weights import small_net, weights_of


def problem(kind):
    """An architecture, and weights that want gradients."""
    net = small_net() if kind == "mlp" else built(ConvNet).double()
    example = torch.zeros(2, 3) if kind == "mlp" else torch.zeros(2, 1, 6, 6)
    architecture = Architecture.from_module(net, example.double())
    start = weights_of(architecture, net)
    leaves = [value.clone().requires_grad_() for value in (*start.rows.values(), start.rest)]
    return architecture, Weights(dict(zip(start.rows, leaves[:-1], strict=True)), leaves[-1]), leaves


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_same_values_and_gradients_as_the_architecture(kind):
    architecture, weights, leaves = problem(kind)
    expected, got = architecture.parameters(weights.rows, weights.rest), NetworkParameters(architecture)(weights)[0]
    assert list(got) == list(architecture.parameter_shapes)
    pulls = {name: torch.randn_like(value) for name, value in expected.items()}

    def gradients(values):
        return torch.autograd.grad(sum((values[name] * pull).sum() for name, pull in pulls.items()), leaves)

    for name in expected:
        assert torch.equal(got[name], expected[name])
    for one, other in zip(gradients(got), gradients(expected), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("kind", ["mlp", "conv"])
@pytest.mark.parametrize("unused", [False, True])
def test_the_rows_come_again_and_both_gradients_add_up(kind, unused):
    """A prior pulls at the rows, the network at its parameters, of which one may have no gradient."""
    architecture, weights, leaves = problem(kind)
    expected = architecture.parameters(weights.rows, weights.rest)
    got, rows = NetworkParameters(architecture)(weights)
    used = list(expected)[unused:]

    def gradients(values, own):
        network = sum(values[name].pow(3).sum() for name in used)
        return torch.autograd.grad(network + sum(part.exp().sum() for part in own.values()), leaves)

    for name, part in rows.items():
        assert torch.equal(part, weights.rows[name])
    for one, other in zip(gradients(got, rows), gradients(expected, weights.rows), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-14, atol=0)
