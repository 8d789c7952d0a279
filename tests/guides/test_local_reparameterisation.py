"""Drawn outputs against drawn weights: means and variances agree, layers that cannot be local are found."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from bayes_guided.architecture import Architecture
from bayes_guided.guides import LocallyReparameterised
from tests.global_state import capture
from tests.infer.problems import ConvNet, built

DRAWS = 1500
LAYERS = {
    "linear": (lambda: nn.Linear(4, 3), (2, 4)),
    "linear without bias": (lambda: nn.Linear(4, 3, bias=False), (2, 4)),
    "conv1d": (lambda: nn.Conv1d(2, 3, 3, padding=1), (2, 2, 5)),
    "conv2d": (lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1), (2, 2, 5, 4)),
    "conv2d, reflected, grouped": (lambda: nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect", groups=2), (2, 2, 4, 4)),
    "conv3d": (lambda: nn.Conv3d(1, 3, 2, dilation=2), (2, 1, 4, 4, 4)),
}


class Net(nn.Module):
    """One layer, then a hidden layer, so that there are units."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.hidden = nn.LazyLinear(3)
        self.head = nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.hidden(self.layer(x).flatten(1)).tanh())


def moments(net: nn.Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The network's weights as means, and random variances."""
    means = {name: parameter.detach() for name, parameter in net.named_parameters()}
    return means, {name: 0.05 * torch.rand_like(mean) for name, mean in means.items()}


@pytest.mark.parametrize("kind", LAYERS)
def test_mean_and_variance_of_a_layer_are_those_of_drawn_weights(kind):
    build, shape = LAYERS[kind]
    torch.manual_seed(0)
    example = torch.randn(shape, dtype=torch.float64)
    net = Net(build()).double()
    net(example)
    local = LocallyReparameterised(net, Architecture.from_module(net, example))
    means, variances = moments(net)
    assert local.local == set(means)
    seen: list[Tensor] = []
    local.net.layer.register_forward_hook(lambda *call: seen.append(call[2]))
    local(means, variances, example.repeat(DRAWS, *[1] * (example.dim() - 1)))  # every case has noise of its own
    drawn = seen[0].unflatten(0, (DRAWS, len(example)))

    def draws(name: str) -> Tensor:
        mean = means[f"layer.{name}"]
        return mean + variances[f"layer.{name}"].sqrt() * torch.randn(DRAWS, *mean.shape, dtype=mean.dtype)

    weights = {name: draws(name) for name, _ in net.layer.named_parameters()}
    reference = vmap(lambda one: functional_call(net.layer, one, (example,)))(weights)
    variance = (drawn.var(dim=0) + reference.var(dim=0)) / 2
    error = (2 * variance / DRAWS).sqrt()
    assert bool(((drawn.mean(dim=0) - reference.mean(dim=0)).abs() < 4.5 * error).all())
    relative = (drawn.var(dim=0) - reference.var(dim=0)).abs() / variance
    assert bool((relative < 4.5 * 2 / math.sqrt(DRAWS)).all())  # each relative sample variance errs by sqrt(2 / n)


def test_without_variance_the_network_is_the_plain_one():
    torch.manual_seed(0)
    net, images = built(ConvNet).double().eval(), torch.randn(3, 1, 6, 6).double()
    local = LocallyReparameterised(net, Architecture.from_module(net, images))
    means, _ = moments(net)
    zeros = {name: torch.zeros_like(mean) for name, mean in means.items()}
    torch.testing.assert_close(local(means, zeros, images), net(images))


def test_the_users_network_is_untouched_and_its_batch_statistics_are_shared():
    net, images = built(ConvNet), torch.randn(4, 1, 6, 6)
    before, classes = capture(), [type(module) for module in net.modules()]
    local = LocallyReparameterised(net, Architecture.from_module(net, images))
    means, variances = moments(net)
    local(means, variances, images)
    assert [type(module) for module in net.modules()] == classes
    assert float(net.norm1.running_mean.abs().sum()) > 0
    assert local.local == {"conv1.weight", "conv2.weight", "head.weight", "head.bias"}
    assert capture() == before


class Twice(nn.Module):
    """A layer that is called twice, a layer whose weight another shares, a layer that is read without a call."""

    def __init__(self) -> None:
        super().__init__()
        self.start, self.first = nn.Linear(3, 5), nn.Linear(5, 4)
        self.again = nn.Linear(4, 4)
        self.read = nn.Linear(4, 4)
        self.tied, self.other = nn.Linear(4, 4), nn.Linear(4, 4)
        self.other.weight = self.tied.weight
        self.head = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.again(self.again(self.first(self.start(x).relu()).relu()).relu())
        x = nn.functional.linear(x, self.read.weight, self.read.bias).relu()
        return self.head(self.other(self.tied(x)))


def test_layers_that_cannot_be_local_have_their_weights_drawn():
    net, inputs = built(Twice), torch.randn(5, 3)
    local = LocallyReparameterised(net, Architecture.from_module(net, inputs))
    assert local.local == {f"{name}.{part}" for name in ("start", "first", "head") for part in ("weight", "bias")}
    means, _ = moments(net)
    variances = {name: torch.full_like(mean, 0.1 if name == "again.weight" else 0.0) for name, mean in means.items()}
    same = inputs[:1].expand(5, -1)
    outputs = local(means, variances, same)
    torch.testing.assert_close(outputs, outputs[:1].expand(5, -1))  # one weight for all cases
    assert not torch.equal(outputs, local(means, variances, same))


def test_a_layer_without_any_input_has_gradients():
    net = nn.Sequential(nn.Linear(2, 3, bias=False), nn.ReLU(), nn.Linear(3, 1))
    local = LocallyReparameterised(net, Architecture.from_module(net, torch.randn(2, 2)))
    means, variances = moments(net)
    leaf = variances["0.weight"].clone().requires_grad_()
    inputs = torch.zeros(4, 2, requires_grad=True)
    local(means, variances | {"0.weight": leaf}, inputs).sum().backward()
    assert bool(torch.isfinite(leaf.grad).all())
    assert bool(torch.isfinite(inputs.grad).all())
