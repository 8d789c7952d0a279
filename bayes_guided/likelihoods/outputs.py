"""Shapes of outputs and targets, which all families share."""

from jaxtyping import Float
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor

from bayes_guided.exceptions import LabelError


def drop_single(outputs: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
    """Outputs of shape (batch, 1) as (batch,), so that they never broadcast against targets of shape (batch,)."""
    return outputs.squeeze(1) if outputs.dim() == 2 and outputs.shape[1] == 1 else outputs


def per_case(density: TorchDistributionMixin) -> TorchDistributionMixin:
    """The density with one event per case: its log density is then (batch,), in nats."""
    return density.to_event(len(density.batch_shape) - 1)


def wrong_side(positive: Tensor, targets: Tensor) -> Float[Tensor, "batch"]:
    """The fraction of a case's outputs called otherwise than the targets, float64."""
    wrong = (positive != (targets > 0.5)).double()
    return wrong.flatten(1).mean(dim=1) if wrong.dim() > 1 else wrong


def summed(values: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch"]:
    """The sum over a case's outputs."""
    return values.flatten(1).sum(dim=1) if values.dim() > 1 else values


def check_shape(likelihood: str, targets: Tensor, outputs: Float[Tensor, "batch ..."]) -> None:
    """Refuses targets that are no floating-point numbers of the outputs' shape.

    Raises:
        LabelError: naming the likelihood, the shape or type it needs and the one it got.
    """
    expected = tuple(drop_single(outputs).shape[1:])
    found = tuple(targets.shape[1:])
    if found != expected:
        mend = "drop their second axis, as by targets[:, 0]" if found == (*expected, 1) else "mend the network or the targets"
        raise LabelError(
            f"{likelihood} needs targets of shape {_cases(expected)} for this network; got shape {_cases(found)}: {mend}."
        )
    if not targets.is_floating_point():
        raise LabelError(f"{likelihood} needs floating-point targets; got {targets.dtype}: convert them with .float().")


def _cases(shape: tuple[int, ...]) -> str:
    return f"(N, {', '.join(map(str, shape))})" if shape else "(N,)"
