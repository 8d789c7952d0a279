"""E_q[-log prior] of all weights under a Gaussian q: what the ELBO of a guided prior holds beside likelihood and entropy.

Only the marginal mean and standard deviation of each weight matter. Normal and Laplace have closed forms. For families of the
row's norm there is a choice: "bound" puts E||row|| <= sqrt(E||row||^2) (Jensen, P9), which costs one sum and keeps the ELBO a
lower bound, a little lower (about 1 / (4 D) of the penalty where the means are small); "exact" is the one-dimensional integral
of P9, about a hundred sums, for independent weights. The group horseshoe, whose density is no penalty, is averaged over draws.
"""

from functools import reduce
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.analysis import expected_norm as expected
from bayes_guided.distributions.base import HomogeneousRow
from bayes_guided.exceptions import ConfigError, NoDensityError
from bayes_guided.guides import Guide, Moments, Weights
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.priors.rows import weights as families
from bayes_guided.priors.rows.row_prior import RowPrior

NormExpectation = Literal["bound", "exact"]

_OF_THE_NORM = (families.GroupLaplace, families.SparseGroupLaplace, families.GroupSqrtLaplace)


class ExpectedPenalty:
    """E_q[-log p(rows, rest)] in nats, as a function of a guide.

    `penalty` is its part that is linear in the strength, E_q of the guided penalty, and `constant` and `base` are the rest:
    the normalisers of the guided weights, and everything about weights under the ridge.
    """

    def __init__(self, prior: GuidedPrior, guide: Guide, norm: NormExpectation = "bound") -> None:
        """Computes the prior's constants once.

        Raises:
            ConfigError: if `norm` is unknown, or "exact" for weights that are correlated under q.
            NoDensityError: if only the prior's penalty is known (TreeGroupLaplace).
        """
        if norm not in ("bound", "exact"):
            raise ConfigError(f'norm={norm!r}: give "bound" or "exact".')
        if norm == "exact" and not guide.independent:
            raise ConfigError(
                f'norm="exact" needs independent weights, which the guide "{guide.family}" does not have; use "bound".'
            )
        if not isinstance(prior.weights, (families.Normal, families.Laplace, families.GroupHorseshoe, *_OF_THE_NORM)):
            raise NoDensityError(
                f"{type(prior.weights).__name__} is known by its penalty alone; an ELBO needs a density: use another family."
            )
        self.prior, self.norm = prior, norm
        like = next(guide.parameters()).detach()
        self._groups = {name: _Group(rows, like, norm) for name, rows in prior.row_priors.items()}
        self._rest_constant = 0.0
        count = guide.means.rest.numel()
        if count:
            ridge, zeros = torch.full((), prior.rest.strength, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)
            self._rest_constant = -float(prior.rest.distribution(ridge, count).log_prob(zeros))

    @property
    def description(self) -> str:
        """How the expectation is taken, for `approximation`; empty where it is exact."""
        if isinstance(self.prior.weights, families.GroupHorseshoe):
            return "expected log prior by draws"
        if not isinstance(self.prior.weights, _OF_THE_NORM) or self.norm == "exact":
            return ""
        return "ELBO with Jensen's bound of the expected norm (P9)"

    @property
    def needs_draws(self) -> bool:
        """Whether `log_density` is estimated from draws (GroupHorseshoe)."""
        return isinstance(self.prior.weights, families.GroupHorseshoe)

    @property
    def guided_degrees(self) -> float:
        """sum of D / k over guided rows, the shape that the data on the strength add (P1)."""
        return sum(group.degrees for group in self._groups.values())

    @property
    def constant(self) -> float:
        """Log normalisers of the guided weights, nats; 0 for the horseshoe, whose density is whole in `penalty`."""
        return sum(group.constant for group in self._groups.values())

    def penalty(self, moments: Moments, drawn: Weights | None) -> Float[Tensor, ""]:
        """E_q of the guided penalty, nats; for the horseshoe minus the log density of the guided rows of one draw."""
        parts = []
        for name, group in self._groups.items():
            draw = None if drawn is None else drawn.rows[name]
            parts.append(group.penalty(moments.means.rows[name], moments.variances.rows[name], draw))
        return reduce(torch.add, parts)

    def base(self, moments: Moments) -> Float[Tensor, ""]:
        """E_q[-log p] of all weights under the ridge: the rest, protected rows, unguided columns; nats."""
        means, variances = moments.means, moments.variances
        parts = [group.base(means.rows[name], variances.rows[name]) for name, group in self._groups.items() if group.has_base]
        square = means.rest.square().sum() + variances.rest.sum()
        parts.append(self.prior.rest.strength * square + self._rest_constant)
        return reduce(torch.add, parts)


class _Group:
    """One group's part, with the units and columns that the guidance presses on picked out."""

    def __init__(self, rows: RowPrior, like: Tensor, norm: NormExpectation) -> None:
        self.rows, self.norm = rows, norm
        units, columns = ~rows.protected, rows.columns
        self.guided = (units[:, None] & columns).to(like.device)
        self.whole = bool(self.guided.all())
        self.has_base = not self.whole
        self.units = units.nonzero().flatten().to(like.device)
        self.columns = columns.nonzero().flatten().to(like.device)
        self.rates = rows.rates[units].to(like)
        self.density = rows.weights.distribution(rows.rates[units].double(), rows.dim) if len(self.units) else None
        self.constant, self.degrees = 0.0, 0.0
        if isinstance(self.density, HomogeneousRow):
            self.constant = float(self.density._log_normalizer().sum())
            self.degrees = len(self.units) * rows.dim / self.density.degree
        ridge = torch.full((), rows.base.strength, dtype=torch.float64)
        per_weight = -float(rows.base.distribution(ridge, 1).log_prob(torch.zeros(1, dtype=torch.float64)))
        self.base_constant = per_weight * int((~self.guided).sum())

    def penalty(self, mean: Tensor, variance: Tensor, drawn: Tensor | None) -> Float[Tensor, ""]:
        if self.density is None:
            return mean.new_zeros(())
        if drawn is not None:
            density = self.rows.weights.distribution(self.rates, self.rows.dim)
            return -density.log_prob(self._pick(drawn)).sum()
        size = self._expected_size(self._pick(mean), self._pick(variance))
        return torch.dot(self.rates, size)

    def base(self, mean: Tensor, variance: Tensor) -> Float[Tensor, ""]:
        square = (mean.square() + variance).masked_fill(self.guided, 0)
        return self.rows.base.strength * square.sum() + self.base_constant

    def _pick(self, values: Tensor) -> Tensor:
        return values if self.whole else values.index_select(0, self.units).index_select(1, self.columns)

    def _expected_size(self, mean: Tensor, variance: Tensor) -> Float[Tensor, "units"]:
        """E_q of the penalty at rate 1."""
        family = self.rows.weights
        if isinstance(family, families.Normal):
            return _expected_square(mean, variance)
        if isinstance(family, families.Laplace):
            return expected.expected_l1(mean, variance.sqrt())
        if isinstance(family, families.GroupSqrtLaplace):
            return self._expected_power(mean, variance, 0.5)
        norm = self._expected_power(mean, variance, 1.0)
        if isinstance(family, families.SparseGroupLaplace):
            group = (1 - family.mix) * self.rows.dim**0.5
            return family.mix * expected.expected_l1(mean, variance.sqrt()) + group * norm
        return norm

    def _expected_power(self, mean: Tensor, variance: Tensor, power: float) -> Float[Tensor, "units"]:
        """E_q of the norm, or of its root."""
        if self.norm == "bound":
            return _expected_square(mean, variance).pow(power / 2)
        exact = expected.expected_norm if power == 1 else expected.expected_root_norm
        return exact(mean, variance.sqrt())


def _expected_square(mean: Tensor, variance: Tensor) -> Float[Tensor, "units"]:
    """E_q ||row||^2."""
    return _ExpectedSquare.apply(mean, variance)


class _ExpectedSquare(torch.autograd.Function):
    """Squared norms of the means plus sums of the variances, in one pass forward and one backward: torch's own takes five."""

    @staticmethod
    def forward(ctx: Any, mean: Tensor, variance: Tensor) -> Tensor:
        ctx.save_for_backward(mean)
        return torch.linalg.vector_norm(mean, dim=1).square_().add_(variance.sum(dim=1))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (mean,) = ctx.saved_tensors
        by_row = gradients[0][:, None]
        return mean * (2 * by_row), by_row.expand_as(mean)
