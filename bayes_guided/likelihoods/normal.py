"""Numbers with normal noise, whose scale is known or learned."""

import math
import numbers

import pyro
import torch
from jaxtyping import Float
from pyro import distributions as dist
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor, nn

from bayes_guided.exceptions import StrengthError

from .base import NumberLikelihood
from .outputs import check_shape, drop_single, per_case, summed

NOISE_PRIOR = (0.0, 1.0)
"""Location and scale of log sigma under the prior of a learned noise scale, for standardised targets."""


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
        if scale is not None and not (isinstance(scale, numbers.Real) and 0 < scale < math.inf):
            raise StrengthError(f"Normal(scale={scale!r}): give a positive finite standard deviation, or none to learn it.")
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
        return per_case(dist.Normal(drop_single(outputs), self.scale))

    def log_prob(self, outputs: Float[Tensor, "batch ..."], targets: Tensor) -> Float[Tensor, "batch"]:
        """Log density of each case, in nats."""
        mean, scale = drop_single(outputs), self.scale
        log_scale = scale.log() if isinstance(scale, Tensor) else math.log(scale)
        return -summed(0.5 * ((targets - mean) / scale).square() + log_scale + 0.5 * math.log(2 * math.pi))

    def check(self, targets: Tensor, outputs: Float[Tensor, "batch ..."]) -> None:
        """Targets are floating, shaped as the outputs."""
        check_shape("Normal", targets, outputs)

    def mean(self, outputs: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """The outputs themselves."""
        return drop_single(outputs)

    def distribution_function(
        self, outputs: Float[Tensor, "batch ..."], targets: Float[Tensor, "batch ..."]
    ) -> tuple[Tensor, Tensor]:
        """The normal distribution function at every target, twice."""
        below = torch.special.ndtr((targets - drop_single(outputs)) / self.scale)
        return below, below

    def with_scale(self, scale: Float[Tensor, ""]) -> "Normal":
        """The likelihood at a scale that is given as a tensor, such as one drawn from a posterior."""
        given = Normal(scale=1.0)
        given._scale = scale
        return given

    def sample_parameters(self) -> "Normal":
        """A copy with its scale drawn at the site "noise_scale"; itself where the scale is known."""
        if not self.learned:
            return self
        location, spread = (self._log_scale.new_tensor(value) for value in NOISE_PRIOR)
        return self.with_scale(pyro.sample("noise_scale", dist.LogNormal(location, spread)))

    def initial_values(self) -> dict[str, Tensor]:
        """The present scale at the site "noise_scale"; empty where it is known."""
        return {"noise_scale": self._log_scale.detach().exp()} if self.learned else {}

    def penalty(self) -> Float[Tensor, ""]:
        """Minus the log density of the learned scale, without constants; 0 where the scale is known."""
        if not self.learned:
            return torch.zeros(())
        location, spread = NOISE_PRIOR
        return self._log_scale + (self._log_scale - location).square() / (2 * spread**2)
