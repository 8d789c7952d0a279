"""What every likelihood answers, and the two kinds there are: of classes and of numbers."""

from abc import ABC, abstractmethod

import pyro
import torch
from jaxtyping import Float
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from .outputs import summed


class Likelihood(nn.Module, ABC):
    """p(targets | outputs), one factor per case."""

    error_name: str
    """What the mean of `error` is called once summed up: "error" (a fraction) or "RMSE" (its square root)."""

    @abstractmethod
    def distribution(self, outputs: Float[Tensor, "batch ..."]) -> TorchDistributionMixin:
        """The distribution of the targets, batch shape (batch,)."""

    @abstractmethod
    def check(self, targets: Tensor, outputs: Float[Tensor, "batch ..."]) -> None:
        """Refuses targets that this likelihood cannot have produced.

        Raises:
            LabelError: for labels, counts or shapes that do not fit the outputs.
        """

    @abstractmethod
    def error(self, outputs: Float[Tensor, "batch ..."], targets: Tensor) -> Float[Tensor, "batch"]:
        """The error of each case: 1 if misclassified, or the squared error of the mean summed over outputs."""

    @abstractmethod
    def mean(self, outputs: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """The mean of the targets: class probabilities, a rate, or the outputs themselves."""

    @abstractmethod
    def error_of_mean(self, mean: Float[Tensor, "batch ..."], targets: Tensor) -> Float[Tensor, "batch"]:
        """The error of each case as `error` has it, of a prediction given as the mean of the targets."""

    @abstractmethod
    def forecasts(self, mean: Float[Tensor, "batch ..."], targets: Tensor) -> tuple[Tensor, Tensor] | None:
        """The probability of each event that the mean forecasts, and whether it happened (1 or 0), both of one shape.

        None where the targets are numbers, whose calibration `distribution_function` shows.
        """

    @abstractmethod
    def distribution_function(
        self, outputs: Float[Tensor, "batch ..."], targets: Float[Tensor, "batch ..."]
    ) -> tuple[Tensor, Tensor] | None:
        """P(target < the one seen) and P(target <= the one seen), of each output by itself; None where targets are classes."""

    @abstractmethod
    def log_prob(self, outputs: Float[Tensor, "batch ..."], targets: Tensor) -> Float[Tensor, "batch"]:
        """Log likelihood of each case, in nats: `distribution(outputs).log_prob(targets)`, without its checks.

        It is the inner loop of every fit, and outputs that are NaN give NaN here, so that a fit can say where it diverged.
        """

    def observe(self, outputs: Float[Tensor, "batch ..."], targets: Tensor | None) -> Tensor:
        """The Pyro site "targets", inside the caller's data plate."""
        return pyro.sample("targets", self.distribution(outputs), obs=targets)

    def sample_parameters(self) -> "Likelihood":
        """The likelihood with its own parameters drawn at Pyro sites; itself where it has none."""
        return self

    def initial_values(self) -> dict[str, Tensor]:
        """The likelihood's own parameters at the sites of `sample_parameters`; empty where it has none."""
        return {}

    def penalty(self) -> Float[Tensor, ""]:
        """Minus the log prior density of the likelihood's own parameters, without constants, in nats."""
        return torch.zeros(())


class ClassLikelihood(Likelihood, ABC):
    """A likelihood of classes: its error is a fraction, and its calibration that of probabilities."""

    error_name = "error"

    def distribution_function(self, outputs: Float[Tensor, "batch ..."], targets: Tensor) -> None:
        """None: classes have no order."""


class NumberLikelihood(Likelihood, ABC):
    """A likelihood of numbers: its error is a root mean square, and its calibration that of a distribution function."""

    error_name = "RMSE"

    def forecasts(self, mean: Float[Tensor, "batch ..."], targets: Tensor) -> None:
        """None: a mean alone forecasts no event."""

    def error(self, outputs: Float[Tensor, "batch ..."], targets: Tensor) -> Float[Tensor, "batch"]:
        """Squared error of the mean, summed over outputs."""
        return self.error_of_mean(self.mean(outputs), targets)

    def error_of_mean(self, mean: Float[Tensor, "batch ..."], targets: Tensor) -> Float[Tensor, "batch"]:
        """Squared error, summed over outputs."""
        return summed((mean - targets).square())
