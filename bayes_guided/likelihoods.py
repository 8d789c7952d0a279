"""Likelihoods: what the network's outputs say about the targets."""

import math
from abc import ABC, abstractmethod
from typing import Any

import pyro
import torch
from jaxtyping import Float
from pyro import distributions as dist
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from bayes_guided.exceptions import CheckpointError, LabelError, StrengthError

_NOISE_PRIOR = (0.0, 1.0)
"""Location and scale of log sigma under the prior of a learned noise scale, for standardised targets."""


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
        return _summed((mean - targets).square())


class Categorical(ClassLikelihood):
    """Class labels given logits of shape (batch, classes)."""

    def distribution(self, outputs: Float[Tensor, "batch classes"]) -> TorchDistributionMixin:
        """Categorical with the outputs as logits."""
        return dist.Categorical(logits=outputs)

    def log_prob(self, outputs: Float[Tensor, "batch classes"], targets: Tensor) -> Float[Tensor, "batch"]:
        """Log probability of each label, in nats."""
        return -nn.functional.cross_entropy(outputs, targets, reduction="none")

    def check(self, targets: Tensor, outputs: Float[Tensor, "batch ..."]) -> None:
        """Labels are int64 in 0 to classes - 1."""
        if outputs.dim() != 2:
            raise LabelError(f"Categorical needs logits of shape (batch, classes); the network gives {tuple(outputs.shape)}.")
        if targets.dtype != torch.int64 or targets.dim() != 1:
            raise LabelError(
                f"Categorical needs labels of dtype int64 and shape (N,); got {targets.dtype} of shape {tuple(targets.shape)}."
            )
        low, high, classes = int(targets.min()), int(targets.max()), outputs.shape[1]
        if low < 0 or high >= classes:
            raise LabelError(
                f"labels run from {low} to {high}, but the network has {classes} outputs, so labels are 0 to {classes - 1}."
            )

    def error(self, outputs: Float[Tensor, "batch classes"], targets: Tensor) -> Float[Tensor, "batch"]:
        """1 where the most probable class is not the label."""
        return self.error_of_mean(outputs, targets)

    def error_of_mean(self, mean: Float[Tensor, "batch classes"], targets: Tensor) -> Float[Tensor, "batch"]:
        """1 where the most probable class is not the label."""
        return (mean.argmax(dim=1) != targets).to(mean.dtype)

    def forecasts(self, mean: Float[Tensor, "batch classes"], targets: Tensor) -> tuple[Tensor, Tensor]:
        """The probability of the most probable class, and whether it is the label."""
        return mean.amax(dim=1), 1 - self.error_of_mean(mean, targets)

    def mean(self, outputs: Float[Tensor, "batch classes"]) -> Float[Tensor, "batch classes"]:
        """Class probabilities."""
        return outputs.softmax(dim=1)


class Bernoulli(ClassLikelihood):
    """Binary targets (0 or 1) given logits of shape (batch,) or (batch, outputs)."""

    def distribution(self, outputs: Float[Tensor, "batch ..."]) -> TorchDistributionMixin:
        """Independent Bernoulli with the outputs as logits."""
        return _per_case(dist.Bernoulli(logits=_drop_single(outputs)))

    def log_prob(self, outputs: Float[Tensor, "batch ..."], targets: Tensor) -> Float[Tensor, "batch"]:
        """Log probability of each case, in nats."""
        logits = _drop_single(outputs)
        return -_summed(nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none"))

    def check(self, targets: Tensor, outputs: Float[Tensor, "batch ..."]) -> None:
        """Targets are floating 0 or 1, shaped as the outputs."""
        _check_shape("Bernoulli", targets, outputs)
        if not bool(((targets == 0) | (targets == 1)).all()):
            raise LabelError("Bernoulli needs targets that are 0 or 1.")

    def error(self, outputs: Float[Tensor, "batch ..."], targets: Tensor) -> Float[Tensor, "batch"]:
        """Fraction of a case's outputs on the wrong side."""
        return _wrong_side(_drop_single(outputs) > 0, targets).to(outputs.dtype)

    def error_of_mean(self, mean: Float[Tensor, "batch ..."], targets: Tensor) -> Float[Tensor, "batch"]:
        """Fraction of a case's outputs whose probability is on the wrong side of one half."""
        return _wrong_side(mean > 0.5, targets).to(mean.dtype)

    def forecasts(self, mean: Float[Tensor, "batch ..."], targets: Tensor) -> tuple[Tensor, Tensor]:
        """The probability of 1 of every output, and the targets."""
        return mean, targets

    def mean(self, outputs: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """Probability of 1."""
        return _drop_single(outputs).sigmoid()


class Normal(NumberLikelihood):
    """Real targets with normal noise around outputs of shape (batch,), (batch, 1) or (batch, outputs).

    `scale` is the noise's standard deviation; without it the scale is learned, as the parameter `log_scale`, under a
    LogNormal(0, 1) prior. The MAP is taken of the density in the scale itself, as Pyro's AutoDelta does (P8).
    """

    log_scale: nn.Parameter | None

    def __init__(self, scale: float | None = None) -> None:
        """Noise of a known standard deviation, or learned.

        Raises:
            StrengthError: if the scale is not positive and finite.
        """
        super().__init__()
        if scale is not None and not 0 < scale < math.inf:
            raise StrengthError(f"Normal(scale={scale}): give a positive finite standard deviation, or none to learn it.")
        self.log_scale = nn.Parameter(torch.zeros(())) if scale is None else None
        self._scale: float | Tensor | None = scale

    @property
    def scale(self) -> float | Tensor:
        """The noise's standard deviation: a number if it is known, else a scalar tensor."""
        if self._scale is not None:
            return self._scale
        return self._log_scale.exp()

    @property
    def learned(self) -> bool:
        """Whether the scale is a parameter."""
        return self.log_scale is not None

    @property
    def _log_scale(self) -> Float[Tensor, ""]:
        if self.log_scale is None:
            raise StrengthError("the scale of this likelihood is known, so it has no log_scale; read `scale`.")
        return self.log_scale

    def distribution(self, outputs: Float[Tensor, "batch ..."]) -> TorchDistributionMixin:
        """Independent normal around the outputs."""
        return _per_case(dist.Normal(_drop_single(outputs), self.scale))

    def log_prob(self, outputs: Float[Tensor, "batch ..."], targets: Tensor) -> Float[Tensor, "batch"]:
        """Log density of each case, in nats."""
        mean, scale = _drop_single(outputs), self.scale
        log_scale = scale.log() if isinstance(scale, Tensor) else math.log(scale)
        return -_summed(0.5 * ((targets - mean) / scale).square() + log_scale + 0.5 * math.log(2 * math.pi))

    def check(self, targets: Tensor, outputs: Float[Tensor, "batch ..."]) -> None:
        """Targets are floating, shaped as the outputs."""
        _check_shape("Normal", targets, outputs)

    def mean(self, outputs: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """The outputs themselves."""
        return _drop_single(outputs)

    def distribution_function(
        self, outputs: Float[Tensor, "batch ..."], targets: Float[Tensor, "batch ..."]
    ) -> tuple[Tensor, Tensor]:
        """The normal distribution function at every target, twice."""
        below = torch.special.ndtr((targets - _drop_single(outputs)) / self.scale)
        return below, below

    def with_scale(self, scale: Float[Tensor, ""]) -> "Normal":
        """The likelihood at a scale that is given as a tensor, such as one drawn from a posterior."""
        given = Normal(scale=1.0)
        given._scale = scale
        return given

    def sample_parameters(self) -> "Likelihood":
        """A copy with its scale drawn at the site "noise_scale"; itself where the scale is known."""
        if not self.learned:
            return self
        location, spread = (self._log_scale.new_tensor(value) for value in _NOISE_PRIOR)
        return self.with_scale(pyro.sample("noise_scale", dist.LogNormal(location, spread)))

    def initial_values(self) -> dict[str, Tensor]:
        """The present scale at the site "noise_scale"; empty where it is known."""
        return {"noise_scale": self._log_scale.detach().exp()} if self.learned else {}

    def penalty(self) -> Float[Tensor, ""]:
        """Minus the log density of the learned scale, without constants; 0 where the scale is known."""
        if not self.learned:
            return torch.zeros(())
        location, spread = _NOISE_PRIOR
        return self._log_scale + (self._log_scale - location).square() / (2 * spread**2)


class Poisson(NumberLikelihood):
    """Counts given log rates of shape (batch,), (batch, 1) or (batch, outputs)."""

    def distribution(self, outputs: Float[Tensor, "batch ..."]) -> TorchDistributionMixin:
        """Independent Poisson with the outputs as log rates."""
        return _per_case(dist.Poisson(_drop_single(outputs).exp()))

    def log_prob(self, outputs: Float[Tensor, "batch ..."], targets: Tensor) -> Float[Tensor, "batch"]:
        """Log probability of each case, in nats."""
        log_rates = _drop_single(outputs)
        return _summed(targets * log_rates - log_rates.exp() - torch.lgamma(targets + 1))

    def check(self, targets: Tensor, outputs: Float[Tensor, "batch ..."]) -> None:
        """Targets are floating whole numbers from 0, shaped as the outputs."""
        _check_shape("Poisson", targets, outputs)
        if not bool(((targets >= 0) & (targets == targets.round())).all()):
            raise LabelError("Poisson needs counts: whole numbers from 0.")

    def mean(self, outputs: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """The rate."""
        return _drop_single(outputs).exp()

    def distribution_function(
        self, outputs: Float[Tensor, "batch ..."], targets: Float[Tensor, "batch ..."]
    ) -> tuple[Tensor, Tensor]:
        """The Poisson distribution function one below every target, and at it."""
        rates = self.mean(outputs)
        # gammaincc(k + 1, r) = P(Poisson(r) <= k); nothing is below a count of 0.
        below = torch.special.gammaincc(targets.clamp(min=1), rates) * (targets > 0)
        return below, torch.special.gammaincc(targets + 1, rates)


def _drop_single(outputs: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
    """Outputs of shape (batch, 1) as (batch,), so that they never broadcast against targets of shape (batch,)."""
    return outputs.squeeze(1) if outputs.dim() == 2 and outputs.shape[1] == 1 else outputs


def _per_case(density: TorchDistributionMixin) -> TorchDistributionMixin:
    return density.to_event(len(density.batch_shape) - 1)


def _wrong_side(positive: Tensor, targets: Tensor) -> Float[Tensor, "batch"]:
    """The fraction of a case's outputs called otherwise than the targets, float64."""
    wrong = (positive != (targets > 0.5)).double()
    return wrong.flatten(1).mean(dim=1) if wrong.dim() > 1 else wrong


def _summed(values: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch"]:
    """The sum over a case's outputs."""
    return values.flatten(1).sum(dim=1) if values.dim() > 1 else values


def _check_shape(likelihood: str, targets: Tensor, outputs: Float[Tensor, "batch ..."]) -> None:
    expected = tuple(_drop_single(outputs).shape[1:])
    if tuple(targets.shape[1:]) != expected:
        raise LabelError(
            f"{likelihood} needs targets of shape {('N', *expected)} for this network; got shape {('N', *targets.shape[1:])}."
        )
    if not targets.is_floating_point():
        raise LabelError(f"{likelihood} needs floating-point targets; got {targets.dtype}.")


_FAMILIES: dict[str, type[Likelihood]] = {family.__name__: family for family in (Categorical, Bernoulli, Normal, Poisson)}


def likelihood_to_json(likelihood: Likelihood) -> dict[str, Any]:
    """The likelihood as plain values: its family, and a normal's noise, known ("scale") or learned ("log_scale")."""
    values: dict[str, Any] = {"family": type(likelihood).__name__}
    if isinstance(likelihood, Normal):
        if likelihood.log_scale is not None:
            return values | {"log_scale": float(likelihood.log_scale.detach())}
        return values | {"scale": float(likelihood.scale)}
    return values


def likelihood_from_json(values: dict[str, Any]) -> Likelihood:
    """The inverse of `likelihood_to_json`.

    Raises:
        CheckpointError: if the values describe no likelihood of this version.
    """
    family = _FAMILIES.get(str(values.get("family")))
    if family is None:
        raise CheckpointError(f"a saved likelihood reads {values}, whose family is none of {sorted(_FAMILIES)}.")
    if family is not Normal:
        return family()
    if "scale" in values:
        return Normal(values["scale"])
    likelihood = Normal()
    with torch.no_grad():
        likelihood._log_scale.fill_(values["log_scale"])
    return likelihood
