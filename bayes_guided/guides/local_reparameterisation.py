"""Local reparameterisation: noise on the outputs of linear layers and convolutions instead of on their weights [Kingma2015].

Under independent Gaussian weights the output of such a layer is Gaussian, with the layer's map of the means as its mean and
the map of the variances at the squared inputs as its variance. Drawing it directly gives every case noise of its own, so that
the gradient varies less, and is cheaper than drawing all weights. For a linear layer that is given one vector per case it is
exact. Where a layer meets several positions of a case (a convolution, a linear layer on sequences) the noise is drawn for
every position by itself: each output has the right law, but their correlation through the shared weights is left out
[Molchanov2017]. Weights of all other layers are drawn.
"""

import copy
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from bayes_guided.architecture import Architecture
from bayes_guided.architecture.inputs import call, like_parameters
from bayes_guided.nn.modes import evaluating


class LayerMoments(NamedTuple):
    """Means and variances of a layer's weights."""

    weight: Tensor
    bias: Tensor | None
    weight_variance: Tensor
    bias_variance: Tensor | None


class LocalLinear(nn.Linear):
    """A linear layer that is lent moments of its weights for a draw of its outputs; without them it is the plain layer."""

    moments: LayerMoments | None = None

    def forward(self, input: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """A draw of the layer's outputs."""
        if self.moments is None:
            return nn.functional.linear(input, self.weight, self.bias)
        return _DrawnLinear.apply(input, *self.moments)


class _DrawnLinear(torch.autograd.Function):
    """W x + b + sd * noise, sd^2 = V x^2 + v.

    The weights are views of rows that hold the bias too. For such strided matrices torch's own backward pass gives transposed
    gradients, whose copies into the rows cost as much as the products.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None, spread: Tensor, shift: Tensor | None) -> Tensor:
        cases = _flat(inputs)
        squares = cases.square()
        sd = nn.functional.linear(squares, spread, shift).add_(_floor(spread)).sqrt_()
        noise = torch.randn_like(sd)
        ctx.save_for_backward(cases, squares, weight, spread, noise, sd)
        ctx.shape, ctx.has_bias = inputs.shape, bias is not None
        drawn = nn.functional.linear(cases, weight, bias).addcmul_(sd, noise)
        return drawn if inputs.dim() == 2 else drawn.reshape(*inputs.shape[:-1], -1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        cases, squares, weight, spread, noise, sd = ctx.saved_tensors
        mean = _flat(gradients[0])
        variance = (mean * noise).div_(sd).mul_(0.5)
        back = None
        if ctx.needs_input_grad[0]:
            back = torch.addcmul(mean @ weight, cases, variance @ spread, value=2).reshape(ctx.shape)
        biases = (mean.sum(dim=0), variance.sum(dim=0)) if ctx.has_bias else (None, None)
        return back, mean.T @ cases, biases[0], variance.T @ squares, biases[1]


def _flat(values: Tensor) -> Tensor:
    """One row per case and position."""
    return values if values.dim() == 2 else values.reshape(-1, values.shape[-1])


class _LocalConv:
    """A convolution that is lent moments of its weights for a draw of its outputs; without them it is the plain layer."""

    weight: Tensor
    bias: Tensor | None
    moments: LayerMoments | None = None

    def forward(self, input: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """A draw of the layer's outputs."""
        if self.moments is None:
            return self._conv_forward(input, self.weight, self.bias)
        weight, bias, spread, shift = self.moments
        mean = self._conv_forward(input, weight, bias)
        sd = (self._conv_forward(input.square(), spread, shift) + _floor(spread)).sqrt()
        return torch.addcmul(mean, sd, torch.randn_like(sd))

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return super()._conv_forward(input, weight, bias)  # pyright: ignore[reportAttributeAccessIssue]


class LocalConv1d(_LocalConv, nn.Conv1d):
    """A convolution over one axis."""


class LocalConv2d(_LocalConv, nn.Conv2d):
    """A convolution over two axes."""


class LocalConv3d(_LocalConv, nn.Conv3d):
    """A convolution over three axes."""


def _floor(variance: Tensor) -> float:
    """What keeps a variance above 0, where its root has no gradient: all inputs of a layer, or a gate, may be 0."""
    return torch.finfo(variance.dtype).tiny


_LOCAL: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: LocalLinear,
    nn.Conv1d: LocalConv1d,
    nn.Conv2d: LocalConv2d,
    nn.Conv3d: LocalConv3d,
}


class LocallyReparameterised:
    """A network that runs on the means and variances of independent Gaussian weights.

    Layers whose outputs are drawn are the linear layers and convolutions that a forward pass calls exactly once and that share
    no parameter: a second call would have to see the same weights.
    """

    def __init__(self, net: nn.Module, architecture: Architecture) -> None:
        """Shares the network's parameters and buffers, whose batch statistics go on being updated."""
        shared = [*net.parameters(), *net.buffers()]
        self.net = copy.deepcopy(net, {id(tensor): tensor for tensor in shared})
        self._layers = _make_local(self.net, architecture)
        self.local = frozenset(
            _joined(prefix, key) for prefix, layer in self._layers.items() for key, _ in layer.named_parameters()
        )

    def __call__(self, means: Mapping[str, Tensor], variances: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """A draw of the outputs; `means` and `variances` by parameter."""
        drawn = {
            name: torch.addcmul(mean, (variances[name] + _floor(mean)).sqrt(), torch.randn_like(mean))
            for name, mean in means.items()
            if name not in self.local
        }
        for prefix, layer in self._layers.items():
            weight, bias = _joined(prefix, "weight"), _joined(prefix, "bias")
            layer.moments = LayerMoments(means[weight], means.get(bias), variances[weight], variances.get(bias))
        try:
            return functional_call(self.net, drawn, (inputs,)) if drawn else self.net(inputs)
        finally:
            for layer in self._layers.values():
                layer.moments = None


def _joined(prefix: str, key: str) -> str:
    return f"{prefix}.{key}" if prefix else key


def _make_local(net: nn.Module, architecture: Architecture) -> dict[str, Any]:
    """Changes the layers in place; returns them by name."""
    calls = _calls(net, architecture)
    owners = Counter(id(parameter) for _, parameter in net.named_parameters(remove_duplicate=False))
    found = {}
    for name, module in net.named_modules():
        parameters = module.parameters(recurse=False)
        if type(module) not in _LOCAL or calls[module] != 1 or any(owners[id(p)] > 1 for p in parameters):
            continue
        module.__class__ = _LOCAL[type(module)]
        found[name] = module
    return found


@torch.no_grad()
def _calls(net: nn.Module, architecture: Architecture) -> Counter[nn.Module]:
    """How often each module is called in a forward pass of the architecture's example inputs."""
    counted: Counter[nn.Module] = Counter()

    def count(module: nn.Module, *_: Any) -> None:
        counted[module] += 1

    hooks = [module.register_forward_hook(count) for module in net.modules()]
    try:
        with evaluating(net):
            call(net, like_parameters(architecture.example_inputs, net))
    finally:
        for hook in hooks:
            hook.remove()
    return counted
