"""How well predictions do: their error, their density at the targets, and whether they are calibrated."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bayes_guided.analysis.calibration import coverage_error, reliability
from bayes_guided.exceptions import DataError
from bayes_guided.infer.training.batches import Batches
from bayes_guided.infer.training.generators import kept_generators
from bayes_guided.likelihoods import Likelihood, NumberLikelihood
from bayes_guided.nn.modes import evaluating


@dataclass(frozen=True)
class Evaluation:
    """How predictions do on data; where a fit has draws, those of the mixture over its draws.

    The `_se` are Monte Carlo standard errors: how far a number would move with as many other draws, from balanced halves of
    the draws (`mixture`); None for a single point. They say nothing of other data.
    """

    error: float
    """Of the mean prediction: a fraction misclassified or a root mean squared error (`error_name` says which)."""
    error_name: str
    nll: float
    """Minus the log predictive density per case, nats: minus the mean over cases of log mean over draws of p(y | x, draw)."""
    cases: int
    calibration_error: float
    """Classes: the expected calibration error in 15 bins of equal mass, of the predicted class or of each binary output.
    Numbers: the mean absolute deviation of the coverage of central intervals from nominal, at levels 0.1 to 0.9."""
    error_se: float | None = None
    nll_se: float | None = None
    calibration_error_se: float | None = None
    draws: int = 1


class Scores:
    """Adds up error, log density and calibration over batches, of several predictors side by side.

    The first is the predictor meant; others, if any, are mixtures over halves of its draws, then over the other halves.
    """

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood = likelihood
        self.cases = 0
        self.errors, self.log_densities = torch.zeros(()), torch.zeros(())
        self.pairs: list[tuple[Tensor, Tensor]] = []

    def add(
        self,
        mean: Float[Tensor, "predictors batch ..."],
        log_density: Float[Tensor, "predictors batch"],
        bounds: tuple[Tensor, Tensor] | None,
        targets: Tensor,
    ) -> None:
        """Takes in a batch; `bounds` are P(target < the one seen) and P(target <= the one seen), None for classes."""
        self.cases += len(targets)
        errors = torch.stack([self.likelihood.error_of_mean(part, targets).double().sum() for part in mean])
        self.errors = self.errors.to(errors) + errors
        self.log_densities = self.log_densities.to(errors) + log_density.double().sum(dim=1)
        forecasts = [pair for pair in (self.likelihood.forecasts(part, targets) for part in mean) if pair is not None]
        first, second = bounds if bounds is not None else (torch.stack(side) for side in zip(*forecasts, strict=True))
        self.pairs.append((first.flatten(1).float(), second.flatten(1).float()))

    def evaluation(self, draws: int = 1) -> Evaluation:
        """The numbers, with standard errors if there were halves."""
        error, error_se = _with_error([summary_error(self.likelihood, value / self.cases) for value in self.errors.tolist()])
        nll, nll_se = _with_error((-self.log_densities / self.cases).tolist())
        calibration, calibration_se = _with_error(self._calibration_errors())
        name = self.likelihood.error_name
        return Evaluation(error, name, nll, self.cases, calibration, error_se, nll_se, calibration_se, draws)

    def _calibration_errors(self) -> list[float]:
        first, second = (torch.cat(side, dim=1) for side in zip(*self.pairs, strict=True))
        if not bool(first.isfinite().all() & second.isfinite().all()):
            # A network that diverged: its error says so, and is not the fault of whoever asks for it.
            return [math.nan] * len(first)
        if isinstance(self.likelihood, NumberLikelihood):
            return [coverage_error(below, up_to) for below, up_to in zip(first, second, strict=True)]
        return [reliability(probability, happened).error for probability, happened in zip(first, second, strict=True)]


def _with_error(values: list[float]) -> tuple[float, float | None]:
    """The first value, and its standard error if values of halves of the draws, then of their other halves, follow."""
    pairs = (len(values) - 1) // 2
    if pairs == 0:
        return values[0], None
    halves, others = values[1 : 1 + pairs], values[1 + pairs :]
    squares = sum(((half - other) / 2) ** 2 for half, other in zip(halves, others, strict=True))
    return values[0], math.sqrt(squares / pairs)


def summary_error(likelihood: Likelihood, mean: float) -> float:
    """The mean of `likelihood.error` as it is reported: itself, or its root for squared errors."""
    return math.sqrt(mean) if likelihood.error_name == "RMSE" else mean


@torch.no_grad()
def evaluate(net: nn.Module, likelihood: Likelihood, batches: Batches) -> Evaluation:
    """The network by itself, in evaluation mode, over one pass; torch's generator stays.

    Raises:
        DataError: if the network does not run on the inputs.
        LabelError: if targets do not fit the likelihood and the network's outputs.
    """
    scores = Scores(likelihood)
    with evaluating(net), kept_generators(batches.device):
        for inputs, targets in batches.sweep():
            if scores.cases == 0:
                first_outputs(net, inputs)
            outputs = net(inputs)
            likelihood.check(targets, outputs)
            log_density = likelihood.log_prob(outputs, targets)[None]
            bounds = likelihood.distribution_function(outputs, targets)
            if bounds is not None:
                bounds = bounds[0][None], bounds[1][None]
            scores.add(likelihood.mean(outputs)[None], log_density, bounds, targets)
    return scores.evaluation()


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
