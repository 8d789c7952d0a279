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
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from bayes_guided.architecture import Architecture
from bayes_guided.architecture.inputs import call, like_parameters
from bayes_guided.nn.modes import evaluating

_VARIANCE = "_variance"


class _Local:
    """A layer with a variance for each parameter; without one it is the plain layer."""

    weight: Tensor
    bias: Tensor | None
    weight_variance: Tensor | None
    bias_variance: Tensor | None

    def _map(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        raise NotImplementedError

    def forward(self, inputs: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """A draw of the layer's outputs."""
        mean = self._map(inputs, self.weight, self.bias)
        if self.weight_variance is None:
            return mean
        variance = self._map(inputs.square(), self.weight_variance, self.bias_variance)
        # All inputs of a layer may be 0, where the square root has no gradient.
        sd = variance.clamp(min=torch.finfo(variance.dtype).tiny).sqrt()
        return torch.addcmul(mean, sd, torch.randn_like(sd))


class LocalLinear(_Local, nn.Linear):
    """A linear layer."""

    def _map(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return nn.functional.linear(inputs, weight, bias)


class LocalConv1d(_Local, nn.Conv1d):
    """A convolution."""

    def _map(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return self._conv_forward(inputs, weight, bias)


class LocalConv2d(_Local, nn.Conv2d):
    """A convolution."""

    def _map(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return self._conv_forward(inputs, weight, bias)


class LocalConv3d(_Local, nn.Conv3d):
    """A convolution."""

    def _map(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return self._conv_forward(inputs, weight, bias)


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
        self.local = frozenset(_make_local(self.net, architecture))

    def __call__(self, means: Mapping[str, Tensor], variances: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """A draw of the outputs; `means` and `variances` by parameter."""
        values = {}
        for name, mean in means.items():
            if name in self.local:
                values[name], values[name + _VARIANCE] = mean, variances[name]
            else:
                values[name] = torch.addcmul(mean, variances[name].sqrt(), torch.randn_like(mean))
        return functional_call(self.net, values, (inputs,))


def _make_local(net: nn.Module, architecture: Architecture) -> list[str]:
    """Changes the layers in place; returns the names of their parameters."""
    calls = _calls(net, architecture)
    owners = Counter(id(parameter) for _, parameter in net.named_parameters(remove_duplicate=False))
    found = []
    for name, module in net.named_modules():
        parameters = dict(module.named_parameters(recurse=False))
        if type(module) not in _LOCAL or calls[module] != 1 or any(owners[id(p)] > 1 for p in parameters.values()):
            continue
        module.__class__ = _LOCAL[type(module)]
        module.register_buffer("weight" + _VARIANCE, None, persistent=False)
        module.register_buffer("bias" + _VARIANCE, None, persistent=False)
        found += [f"{name}.{key}" if name else key for key in parameters]
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
