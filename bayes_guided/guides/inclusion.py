"""q(m) over one set of units: what every family can do, and the product of Bernoullis."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from bayes_guided.guides.hard_concrete import hard_concrete
from bayes_guided.priors.models.unit_tree import log_poisson_binomial

SPEED = 10.0
"""Nats of log odds per unit of a parameter: Adam moves a parameter by its learning rate, which is made for weights."""

START = 2.0
"""Log odds of presence at which units start: P = .88. An absent unit gets no gradient from the data and would have to
be found by chance (P28), so units start present; much above 2 relaxed gates are all open and were seen to stay so against
12 nats."""

LEAST_INFORMATION = 3e-3
"""Fisher information of a log odds, p (1 - p), below which `natural` takes it for this: |log odds| of 5.8."""


class _Natural(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parameter: Tensor, information: Tensor) -> Tensor:
        ctx.save_for_backward(information)
        return parameter.view_as(parameter)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return gradients[0] / ctx.saved_tensors[0].clamp(min=LEAST_INFORMATION), None


def natural(parameter: Float[Tensor, "_"], probability: Float[Tensor, "_"]) -> Float[Tensor, "_"]:
    """The parameter itself, whose gradient comes back as the natural gradient in its diagonal form, over p (1 - p).

    That of a log odds is the distance to its optimum (in nats), while the plain gradient carries the factor p (1 - p): a unit
    that the warm-up made sure, when nothing yet spoke against it, would not come back.
    """
    p = probability.detach()
    return _Natural.apply(parameter, p * (1 - p))  # pyright: ignore[reportReturnType]


class InclusionLaw(nn.Module, ABC):
    """A trainable law over masks (units,) of the unprotected units of one group, or of several side by side.

    Parameters and results are float64 on the module's device; log probabilities and entropies in nats. Densities, log odds,
    entropies and relaxed gates are differentiable in the parameters, if there are any, whose gradients are natural ones
    (`natural`).
    """

    units: int
    """Number of units."""

    @abstractmethod
    def log_prob(self, masks: Bool[Tensor, "samples units"]) -> Float[Tensor, "samples"]:
        """Log probabilities of masks that have positive probability."""

    @abstractmethod
    def log_odds(self) -> Float[Tensor, "units"]:
        """log P(m_u = 1) - log P(m_u = 0), right in both tails."""

    @abstractmethod
    def log_width_law(self) -> Float[Tensor, "widths"]:
        """Log probabilities of 0, 1, ..., U present units."""

    @abstractmethod
    def entropy(self) -> Float[Tensor, ""]:
        """Entropy of the mask."""

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator | None) -> Bool[Tensor, "samples units"]:
        """`n` masks drawn independently; `generator` lives on the CPU."""

    @property
    @abstractmethod
    def num_masks(self) -> int:
        """How many masks have positive probability."""

    @abstractmethod
    def every_mask(self) -> Bool[Tensor, "samples units"]:
        """All masks of positive probability, on the module's device."""

    @abstractmethod
    def mode(self) -> Bool[Tensor, "units"]:
        """The mask of largest probability, on the module's device."""

    @abstractmethod
    def jitter(self, sd: float) -> None:
        """Moves the law at random, by log odds of standard deviation `sd`: another start."""

    def survival(self) -> Float[Tensor, "units"]:
        """P(m_u = 1)."""
        return torch.sigmoid(self.log_odds())


class GatedInclusion(InclusionLaw, ABC):
    """A law that is trained by gradients, if need be through relaxed gates in the place of masks.

    `logits` has one number a unit: units that change places take theirs with them.
    """

    logits: nn.Parameter

    @abstractmethod
    def relaxed(self, n: int) -> Float[Tensor, "samples units"]:
        """`n` draws of gates in [0, 1] in place of masks, with P(gate_u > 0) = P(m_u = 1)."""


class BernoulliInclusion(GatedInclusion):
    """Every unit is present or not, independently of the others."""

    def __init__(self, units: int) -> None:
        """All units start with the log odds START."""
        super().__init__()
        self.units = units
        self.logits = nn.Parameter(torch.full((units,), START / SPEED, dtype=torch.float64))

    def log_odds(self) -> Float[Tensor, "units"]:
        """The logits themselves."""
        return SPEED * natural(self.logits, torch.sigmoid(SPEED * self.logits))

    def log_prob(self, masks: Bool[Tensor, "samples units"]) -> Float[Tensor, "samples"]:
        """Sum over units."""
        odds = self.log_odds()
        return torch.where(masks, logsigmoid(odds), logsigmoid(-odds)).sum(dim=1)

    def log_width_law(self) -> Float[Tensor, "widths"]:
        """Poisson-binomial law (P15), without gradient."""
        odds = self.log_odds().detach()
        return torch.from_numpy(log_poisson_binomial(odds.cpu().numpy())).to(odds.device)

    def entropy(self) -> Float[Tensor, ""]:
        """Sum of binary entropies."""
        odds = self.log_odds()
        p = torch.sigmoid(odds)
        return -(p * logsigmoid(odds) + (1 - p) * logsigmoid(-odds)).sum()

    def sample(self, n: int, generator: torch.Generator | None) -> Bool[Tensor, "samples units"]:
        """Independent draws."""
        uniform = torch.rand(n, self.units, dtype=torch.float64, generator=generator)
        return uniform.to(self.logits.device) < self.survival()

    def relaxed(self, n: int) -> Float[Tensor, "samples units"]:
        """One hard-concrete gate per unit."""
        return hard_concrete(self.log_odds(), n)

    @property
    def num_masks(self) -> int:
        """2^U."""
        return 2**self.units

    def every_mask(self) -> Bool[Tensor, "samples units"]:
        """All masks, the first unit changing fastest."""
        return every_subset(self.units).to(self.logits.device)

    def mode(self) -> Bool[Tensor, "units"]:
        """The units that are rather present than absent."""
        return self.logits.detach() > 0

    @torch.no_grad()
    def jitter(self, sd: float) -> None:
        """Normal noise on every logit."""
        self.logits.add_(sd / SPEED * torch.randn(self.units, dtype=torch.float64).to(self.logits.device))


def every_subset(units: int) -> Bool[Tensor, "samples units"]:
    """All 2^units masks, the first unit changing fastest."""
    return (torch.arange(2**units)[:, None] >> torch.arange(units)) % 2 == 1
