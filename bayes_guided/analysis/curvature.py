"""The generalised Gauss-Newton matrix (GGN) of the summed negative log likelihood in a network's parameters, in full.

GGN = sum_n J_n' H_n J_n with J_n the Jacobian of case n's outputs in the parameters and H_n the Hessian of its negative log
likelihood in the outputs. It is positive semi-definite; it equals the Hessian where the outputs are linear in the parameters,
and the Fisher matrix for the likelihoods of `output_hessian`. Plus the prior's precision it is Laplace's posterior precision.

The matrix is parameters x parameters: for nets of some thousand parameters. `kronecker` serves larger ones.
"""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from bayes_guided.analysis.output_hessian import OutputHessian
from bayes_guided.exceptions import CurvatureError

Function = Callable[[Tensor, Tensor], Tensor]
"""(flat parameters, inputs of a batch) to outputs (batch, outputs)."""


def full_ggn(
    function: Function, point: Float[Tensor, "weights"], inputs: Iterable[Tensor], output_hessian: OutputHessian
) -> Float[Tensor, "weights weights"]:
    """The GGN at `point`, summed over batches of inputs, in the dtype of the point.

    The cases of a batch must not influence each other (BatchNorm in evaluation mode). A batch of n cases holds n x outputs x
    weights numbers at a time: choose the batches accordingly.

    Raises:
        CurvatureError: if there is no batch.
    """
    total = None
    for batch in inputs:
        part = _batch_ggn(function, point.detach(), batch, output_hessian)
        total = part if total is None else total + part
    if total is None:
        raise CurvatureError("the curvature of no data was asked for: there is no batch of inputs.")
    return total


def network_function(net: nn.Module, names: Iterable[str]) -> tuple[Function, Float[Tensor, "weights"]]:
    """The network as a function of these parameters, flattened in this order, and their present values.

    Outputs of shape (batch,) become (batch, 1).

    Raises:
        CurvatureError: if the network has no parameter of that name, or a BatchNorm or Dropout layer in training mode.
    """
    require_separate_cases(net)
    parameters = dict(net.named_parameters())
    chosen = list(names)
    unknown = [name for name in chosen if name not in parameters]
    if unknown or not chosen:
        raise CurvatureError(f"the network has no parameters {unknown}; it has {', '.join(parameters)}.")
    shapes = [parameters[name].shape for name in chosen]
    fixed = {name: value.detach() for name, value in (*parameters.items(), *net.named_buffers()) if name not in chosen}

    def function(point: Tensor, inputs: Tensor) -> Tensor:
        pieces = point.split([shape.numel() for shape in shapes])
        free = {name: piece.reshape(shape) for name, piece, shape in zip(chosen, pieces, shapes, strict=True)}
        outputs = torch.func.functional_call(net, fixed | free, (inputs,))
        return outputs[:, None] if outputs.dim() == 1 else outputs

    return function, torch.cat([parameters[name].detach().flatten() for name in chosen])


def require_separate_cases(net: nn.Module) -> None:
    """Refuses a network in which the cases of a batch influence each other, or chance does.

    Raises:
        CurvatureError: if a BatchNorm or Dropout layer is in training mode.
    """
    for name, module in net.named_modules():
        if isinstance(module, _BatchNorm | _DropoutNd) and module.training:
            raise CurvatureError(
                f'the layer "{name}" ({type(module).__name__}) is in training mode, in which a case has no '
                "curvature of its own; call net.eval() first."
            )


def _batch_ggn(
    function: Function, point: Float[Tensor, "weights"], batch: Tensor, output_hessian: OutputHessian
) -> Float[Tensor, "weights weights"]:
    def one_case(parameters: Tensor, case: Tensor) -> Tensor:
        return function(parameters, case.unsqueeze(0))[0]

    jacobians = torch.func.vmap(torch.func.jacrev(one_case), in_dims=(None, 0))(point, batch)
    hessians = output_hessian(function(point, batch).detach())
    return torch.einsum("noi,nop,npj->ij", jacobians, hessians, jacobians)
