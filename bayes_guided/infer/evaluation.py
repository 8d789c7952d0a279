"""How well a network predicts."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from bayes_guided.infer.batches import Batches
from bayes_guided.likelihoods import Likelihood


@dataclass(frozen=True)
class Evaluation:
    """`error` is a fraction misclassified or a root mean squared error (`error_name` says which); `nll` nats per case."""

    error: float
    error_name: str
    nll: float
    cases: int


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Runs the body with the network, and every module in it, in evaluation mode, then restores their modes."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def summary_error(likelihood: Likelihood, mean: float) -> float:
    """The mean of `likelihood.error` as it is reported: itself, or its root for squared errors."""
    return math.sqrt(mean) if likelihood.error_name == "RMSE" else mean


@torch.no_grad()
def evaluate(net: nn.Module, likelihood: Likelihood, batches: Batches) -> Evaluation:
    """Error and negative log likelihood of the network, in evaluation mode, over all cases."""
    error, nll = 0.0, 0.0
    with evaluating(net):
        for inputs, targets in batches.sweep():
            outputs = net(inputs)
            error += float(likelihood.error(outputs, targets).double().sum())
            nll -= float(likelihood.log_prob(outputs, targets).double().sum())
    cases = batches.size
    return Evaluation(summary_error(likelihood, error / cases), likelihood.error_name, nll / cases, cases)
