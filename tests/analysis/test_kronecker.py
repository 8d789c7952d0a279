"""Kronecker factors against the exact GGN: equal where K-FAC is exact, equal to its definition where it is not."""

import pytest
import torch
from torch import nn

from bayes_guided.analysis.curvature import full_ggn, network_function
from bayes_guided.analysis.kronecker import kronecker_factors
from bayes_guided.analysis.output_hessian import categorical_hessian, normal_hessian
from bayes_guided.exceptions import CurvatureError


def seeded(build):
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return build().double().eval()


def inputs(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def layers_of(net):
    return [name for name, module in net.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]


def exact_block(net, name, x, hessian):
    """The GGN's block of a layer in the order of rows [weight flattened, bias]."""
    layer = net.get_submodule(name)
    names = [f"{name}.weight".lstrip("."), *([f"{name}.bias".lstrip(".")] if layer.bias is not None else [])]
    ggn = full_ggn(*network_function(net, names), [x], hessian)
    out, width = layer.weight.shape[0], layer.weight[0].numel()
    order = []
    for row in range(out):
        order += range(row * width, (row + 1) * width)
        order += [out * width + row] if layer.bias is not None else []
    index = torch.tensor(order)
    return ggn[index][:, index]


MLP = lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 4, bias=False), nn.ReLU(inplace=True), nn.Linear(4, 3))  # noqa: E731


def test_one_case_is_exact_in_every_layer():
    net, x = seeded(MLP), inputs(1, 4)
    factors = kronecker_factors(net, layers_of(net), [x], categorical_hessian)
    assert list(factors) == ["0", "2", "4"]
    for name, factor in factors.items():
        assert factor.has_bias == (name != "2")
        torch.testing.assert_close(torch.kron(factor.outputs, factor.inputs), exact_block(net, name, x, categorical_hessian))


def test_linear_model_with_normal_noise_is_exact():
    net, x = seeded(lambda: nn.Linear(4, 3)), inputs(20, 4)
    factor = kronecker_factors(net, [""], [x[:7], x[7:]], normal_hessian(0.5))[""]
    exact = exact_block(net, "", x, normal_hessian(0.5))
    torch.testing.assert_close(torch.kron(factor.outputs, factor.inputs), exact)


def test_definition_over_cases_and_batches():
    net, x = seeded(MLP), inputs(6, 4)
    found = kronecker_factors(net, layers_of(net), [x[:2], x[2:]], categorical_hessian)["2"]
    single = [kronecker_factors(net, layers_of(net), [case[None]], categorical_hessian)["2"] for case in x]
    torch.testing.assert_close(found.outputs, sum(factor.outputs for factor in single))
    torch.testing.assert_close(found.inputs, sum(factor.inputs for factor in single) / 6)


@pytest.mark.parametrize(
    "convolution",
    [
        lambda: nn.Conv2d(2, 3, 4),
        lambda: nn.Conv2d(2, 3, 2, dilation=3, bias=False),
        lambda: nn.Conv2d(2, 3, 6, padding=1, padding_mode="reflect"),
        lambda: nn.Conv2d(2, 3, (4, 5), padding=(0, 1), stride=2),
    ],
)
def test_a_convolution_with_one_place_is_a_linear_layer(convolution):
    net, x = seeded(lambda: nn.Sequential(convolution(), nn.Tanh(), nn.Flatten(), nn.Linear(3, 2))), inputs(1, 2, 4, 4)
    factor = kronecker_factors(net, layers_of(net), [x], categorical_hessian)["0"]
    torch.testing.assert_close(torch.kron(factor.outputs, factor.inputs), exact_block(net, "0", x, categorical_hessian))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": 1},
        {"padding": "same", "dilation": 2},
        {"padding": "valid", "stride": (2, 1)},
        {"padding": (2, 1), "padding_mode": "circular"},
    ],
)
def test_patches_and_places_of_a_convolution(options):
    """Written out: the layer's outputs from its patches, and its GGN's factors as sums over places."""
    net = seeded(lambda: nn.Conv2d(2, 3, (2, 3), **options))
    x = inputs(4, 2, 6, 6)
    outputs = net(x)
    places = outputs.shape[2] * outputs.shape[3]

    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = net

        def forward(self, batch):
            return self.layer(batch).flatten(1)

    factor = kronecker_factors(Flat().eval(), ["layer"], [x], normal_hessian(1.0))["layer"]
    # Every output is a place of its own, with unit curvature, so B counts the places.
    torch.testing.assert_close(factor.outputs, 4.0 * places * torch.eye(3, dtype=torch.float64))
    # The summed square of a linear layer's outputs is w' (sum a a') w.
    rows = torch.cat([net.weight.flatten(1), net.bias[:, None]], dim=1)
    squares = torch.einsum("oi,ij,oj->o", rows, factor.inputs, rows) * 4 * places
    torch.testing.assert_close(squares, outputs.square().sum(dim=(0, 2, 3)))
    exact = exact_block(Flat().eval(), "layer", x, normal_hessian(1.0))
    torch.testing.assert_close(torch.kron(factor.outputs, factor.inputs), exact)


def test_the_network_is_left_as_it_was():
    net, x = seeded(MLP), inputs(3, 4)
    net[0].requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    frozen = kronecker_factors(net, layers_of(net), [x], categorical_hessian)["0"]
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(len(module._forward_hooks) == 0 for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    net[0].requires_grad_(True)
    torch.testing.assert_close(frozen.outputs, kronecker_factors(net, layers_of(net), [x], categorical_hessian)["0"].outputs)


def test_float32_and_one_output():
    net = seeded(lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1), nn.Flatten(0))).float()
    x = inputs(1, 3)
    found = kronecker_factors(net, layers_of(net), [x.float()], normal_hessian(0.5))["0"]
    exact = exact_block(net.double(), "0", x, normal_hessian(0.5))
    assert found.outputs.dtype == torch.float64
    torch.testing.assert_close(torch.kron(found.outputs, found.inputs), exact, rtol=1e-4, atol=1e-6)


def test_refusals():
    net = seeded(MLP)
    shared = nn.Sequential(net[0], nn.Linear(5, 4).double(), net[0]).eval()
    idle = nn.Sequential(net[0]).eval()
    idle.forward = lambda batch: batch.clone().requires_grad_()
    cases = [
        (nn.Sequential(nn.BatchNorm1d(4)), "0", "training mode"),
        (net, "1", "is a Tanh"),
        (net, "other", "no layer"),
        (nn.Conv2d(2, 2, 1, groups=2).eval(), "", "2 groups"),
        (shared, "0", "ran 2 times"),
        (idle, "0", "ran 0 times"),
    ]
    for module, name, message in cases:
        with pytest.raises(CurvatureError, match=message):
            kronecker_factors(module, [name], [inputs(2, 4)], categorical_hessian)
    with pytest.raises(CurvatureError, match="no batch"):
        kronecker_factors(net, layers_of(net), [], categorical_hessian)
    assert all(len(module._forward_hooks) == 0 for module in shared.modules())
