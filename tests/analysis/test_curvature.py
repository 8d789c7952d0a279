"""The full GGN: against the Hessian where they are equal, and against its definition elsewhere."""

import pytest
import torch
from torch import nn

from bayes_guided import likelihoods
from bayes_guided.analysis.curvature import full_ggn, network_function
from bayes_guided.analysis.output_hessian import categorical_hessian, normal_hessian, poisson_hessian
from bayes_guided.exceptions import CurvatureError


def seeded(build):
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return build().double().eval()


def inputs(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_linear_models_have_the_hessian():
    """Outputs linear in the parameters: GGN and Hessian of the summed NLL are equal, whatever the targets."""
    net, x = seeded(lambda: nn.Linear(4, 3)), inputs(9, 4)
    function, point = network_function(net, ["weight", "bias"])
    labels = torch.arange(9) % 3
    for likelihood, hessian, targets in (
        (likelihoods.Categorical(), categorical_hessian, labels),
        (likelihoods.Poisson(), poisson_hessian, inputs(9, 3).abs().round()),
        (likelihoods.Normal(0.5), normal_hessian(0.5), inputs(9, 3)),
    ):
        exact = torch.func.hessian(lambda w, t=targets, of=likelihood: -of.log_prob(function(w, x), t).sum())(point)
        torch.testing.assert_close(full_ggn(function, point, [x], hessian), exact, rtol=1e-9, atol=1e-10)


def test_definition_on_a_nonlinear_net():
    net = seeded(lambda: nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3)))
    x = inputs(5, 1, 3, 3)
    names = [name for name, _ in net.named_parameters()]
    function, point = network_function(net, names)
    torch.testing.assert_close(function(point, x), net(x))
    total = torch.zeros(len(point), len(point), dtype=torch.float64)
    for case in x:
        outputs = net(case[None])[0]
        rows = []
        for output in outputs:
            gradients = torch.autograd.grad(output, list(net.parameters()), retain_graph=True)
            rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
        jacobian, p = torch.stack(rows), outputs.softmax(0).detach()
        total += jacobian.T @ (p.diag() - p[:, None] * p) @ jacobian
    torch.testing.assert_close(full_ggn(function, point, [x[:2], x[2:]], categorical_hessian), total, rtol=1e-9, atol=1e-10)


def test_some_parameters_only():
    net, x = seeded(lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1), nn.Flatten(0))), inputs(6, 3)
    everything = full_ggn(*network_function(net, [name for name, _ in net.named_parameters()]), [x], normal_hessian(1.0))
    chosen = full_ggn(*network_function(net, ["2.weight", "0.bias"]), [x], normal_hessian(1.0))
    index = torch.tensor([16, 17, 18, 19, 12, 13, 14, 15])
    torch.testing.assert_close(chosen, everything[index][:, index])


def test_refusals():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())
    with pytest.raises(CurvatureError, match="BatchNorm1d"):
        network_function(net, ["0.weight"])
    net[1].eval()
    with pytest.raises(CurvatureError, match="Dropout"):
        network_function(net, ["0.weight"])
    with pytest.raises(CurvatureError, match="no parameters"):
        network_function(net.eval(), ["weight"])
    with pytest.raises(CurvatureError, match="no batch"):
        full_ggn(*network_function(net, ["0.weight"]), [], normal_hessian(1.0))
