"""How well a network predicts."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bayes_guided.exceptions import DataError
from bayes_guided.infer.batches import Batches
from bayes_guided.infer.generators import kept_generators
from bayes_guided.likelihoods import Likelihood
from bayes_guided.nn.modes import evaluating


@dataclass(frozen=True)
class Evaluation:
    """`error` is a fraction misclassified or a root mean squared error (`error_name` says which); `nll` nats per case."""

    error: float
    error_name: str
    nll: float
    cases: int


def summary_error(likelihood: Likelihood, mean: float) -> float:
    """The mean of `likelihood.error` as it is reported: itself, or its root for squared errors."""
    return math.sqrt(mean) if likelihood.error_name == "RMSE" else mean


@torch.no_grad()
def evaluate(net: nn.Module, likelihood: Likelihood, batches: Batches) -> Evaluation:
    """Error and negative log likelihood of the network, in evaluation mode, over one pass; torch's generator stays.

    Raises:
        DataError: if the network does not run on the inputs.
        LabelError: if targets do not fit the likelihood and the network's outputs.
    """
    cases, error, nll = 0, 0.0, 0.0
    with evaluating(net), kept_generators(batches.device):
        for inputs, targets in batches.sweep():
            if cases == 0:
                first_outputs(net, inputs)
            outputs = net(inputs)
            likelihood.check(targets, outputs)
            error += float(likelihood.error(outputs, targets).double().sum())
            nll -= float(likelihood.log_prob(outputs, targets).double().sum())
            cases += len(inputs)
    return Evaluation(summary_error(likelihood, error / cases), likelihood.error_name, nll / cases, cases)


@torch.no_grad()
def check_cases(net: nn.Module, likelihood: Likelihood, batches: Batches) -> None:
    """Refuses data that the network or the likelihood could not take: every target, against the outputs of a few cases.

    Raises:
        DataError: if the network does not run on the inputs.
        LabelError: if targets do not fit the likelihood and the network's outputs.
    """
    with evaluating(net), kept_generators(batches.device):
        for inputs, targets in batches.sweep():
            likelihood.check(targets, first_outputs(net, inputs))


def first_outputs(net: nn.Module, inputs: Tensor) -> Tensor:
    """The outputs of the first two cases.

    Raises:
        DataError: if the network does not run on them.
    """
    try:
        return net(inputs[:2])
    except Exception as error:
        raise DataError(
            f"the network does not run on inputs of shape {tuple(inputs.shape)} and {inputs.dtype} "
            f"({type(error).__name__}: {error}); give inputs like the example inputs of its architecture."
        ) from error
