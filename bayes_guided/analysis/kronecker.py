"""Kronecker factors of the GGN of the summed negative log likelihood, one pair per Linear or Conv2d layer (K-FAC).

The GGN's block of a layer with weights (outputs, inputs) is approximated by B (x) A: A the mean of a a' over the layer's
inputs a, to which a 1 is appended if it has a bias, and B the sum of g g' over the gradients g in its outputs of the columns
of a square root of each case's output Hessian. In a convolution every place of the output is such a pair, with its patch for
a, as if places were independent cases [GrosseMartens2016]. Exact for one case in a layer without shared weights, and
where the g do not vary with the case, as in a linear model with normal noise; else it takes a and g for independent.

Correlations between layers are left out. Parameters of norm layers have no Kronecker factors.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bayes_guided.analysis.curvature import require_separate_cases
from bayes_guided.analysis.output_hessian import OutputHessian
from bayes_guided.exceptions import CurvatureError

Layer = nn.Linear | nn.Conv2d

_PAD_MODES = {"zeros": "constant"}


@dataclass(frozen=True, eq=False)
class KroneckerFactors:
    """The GGN's block of a layer is about outputs (x) inputs, in the order of its weight (outputs, inputs) flattened.

    With a bias the last input is the bias's: the order of rows [weight flattened, bias].
    """

    outputs: Float[Tensor, "out out"]
    inputs: Float[Tensor, "in in"]
    has_bias: bool


def kronecker_factors(
    net: nn.Module, names: Iterable[str], inputs: Iterable[Tensor], output_hessian: OutputHessian
) -> dict[str, KroneckerFactors]:
    """The factors of each layer of the network that is named, summed over batches of inputs, float64.

    One forward and as many backward passes per batch as the network has outputs. The network is left as it was.

    Raises:
        CurvatureError: if there is no batch; if a BatchNorm or Dropout layer is in training mode; if a layer does not exist,
            is of another kind, has grouped channels, or does not run exactly once in a forward pass.
    """
    require_separate_cases(net)
    layers = {name: _layer(net, name) for name in names}
    sums: dict[str, tuple[Tensor, Tensor, int]] = {}
    for batch in inputs:
        for name, (inner, outer, count) in _batch_sums(net, layers, batch, output_hessian).items():
            before = sums.get(name)
            sums[name] = (inner, outer, count) if before is None else (before[0] + inner, before[1] + outer, before[2] + count)
    if not sums and layers:
        raise CurvatureError("the curvature of no data was asked for: there is no batch of inputs.")
    return {
        name: KroneckerFactors(outer, inner / count, layers[name].bias is not None)
        for name, (inner, outer, count) in sums.items()
    }


def _batch_sums(
    net: nn.Module, layers: Mapping[str, Layer], batch: Tensor, output_hessian: OutputHessian
) -> dict[str, tuple[Tensor, Tensor, int]]:
    """Per layer: the sum of a a', the sum of g g', and the number of inputs a."""
    with torch.enable_grad(), _recording(layers) as calls:
        outputs = net(batch)
        outputs = outputs[:, None] if outputs.dim() == 1 else outputs
        for name in layers:
            if len(calls[name]) != 1:
                raise CurvatureError(
                    f'the layer "{name}" ran {len(calls[name])} times in one forward pass; Kronecker factors need exactly one.'
                )
        produced = [calls[name][0][1] for name in layers]
        outer = [torch.zeros((), dtype=torch.float64, device=batch.device) for _ in layers]
        for column in _root_columns(output_hessian(outputs.detach())):
            gradients = torch.autograd.grad(
                outputs, produced, column.to(outputs.dtype), retain_graph=True, materialize_grads=True, allow_unused=True
            )
            places = [_places(layer, gradient) for layer, gradient in zip(layers.values(), gradients, strict=True)]
            outer = [total + g.T @ g for total, g in zip(outer, places, strict=True)]
    sums = {}
    for (name, layer), total in zip(layers.items(), outer, strict=True):
        patches = _patches(layer, calls[name][0][0])
        sums[name] = (patches.T @ patches, total, len(patches))
    return sums


def _root_columns(hessians: Float[Tensor, "batch outputs outputs"]) -> Iterator[Float[Tensor, "batch outputs"]]:
    """The columns of S with S S' = H, for every case."""
    values, vectors = torch.linalg.eigh(hessians.double())
    return iter((vectors * values.clamp(min=0).sqrt()[:, None, :]).unbind(dim=2))


@contextmanager
def _recording(layers: Mapping[str, Layer]) -> Iterator[dict[str, list[tuple[Tensor, Tensor]]]]:
    """(input, output) of every call of each layer while the context is open."""
    calls: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in layers}

    def recorder(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        def record(layer: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if not output.requires_grad:  # the first layer, if it is frozen
                output = output.detach().requires_grad_()
            calls[name].append((arguments[0].detach().clone(), output))
            return output.clone()  # what follows may work in place

        return record

    handles = [layer.register_forward_hook(recorder(name)) for name, layer in layers.items()]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _patches(layer: Layer, inputs: Tensor) -> Float[Tensor, "places in"]:
    """What the layer multiplies its weights with at every place of every case."""
    if isinstance(layer, nn.Conv2d):
        padded = nn.functional.pad(inputs, _padding(layer), mode=_PAD_MODES.get(layer.padding_mode, layer.padding_mode))
        kernel, dilation, stride = layer.kernel_size, layer.dilation, layer.stride
        inputs = nn.functional.unfold(padded, kernel, dilation=dilation, stride=stride).movedim(1, 2)
    flat = inputs.reshape(-1, inputs.shape[-1]).double()
    return flat if layer.bias is None else torch.cat([flat, torch.ones_like(flat[:, :1])], dim=1)


def _places(layer: Layer, gradient: Tensor) -> Float[Tensor, "places out"]:
    """The gradient in the layer's output at every place of every case."""
    last = gradient.movedim(1, -1) if isinstance(layer, nn.Conv2d) else gradient
    return last.reshape(-1, last.shape[-1]).double()


def _padding(layer: nn.Conv2d) -> tuple[int, int, int, int]:
    """(left, right, top, bottom) of a convolution."""
    if layer.padding == "valid":
        return (0, 0, 0, 0)
    if layer.padding == "same":
        rows, columns = (d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True))
        return (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
    rows, columns = (int(side) for side in layer.padding)
    return (columns, columns, rows, rows)


def _layer(net: nn.Module, name: str) -> Layer:
    layer = dict(net.named_modules()).get(name)
    if layer is None:
        known = ", ".join(name for name, _ in net.named_modules() if name)
        raise CurvatureError(f'the network has no layer "{name}"; it has {known}.')
    if not isinstance(layer, nn.Linear | nn.Conv2d):
        raise CurvatureError(f'the layer "{name}" is a {type(layer).__name__}; Kronecker factors exist for Linear and Conv2d.')
    if isinstance(layer, nn.Conv2d) and layer.groups != 1:
        raise CurvatureError(
            f'the layer "{name}" convolves {layer.groups} groups of channels apart: it has no single pair of factors.'
        )
    return layer
