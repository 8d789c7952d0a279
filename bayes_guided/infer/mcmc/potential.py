"""The posterior density of all weights as a function of one flat vector: what Markov chains walk on."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call

from bayes_guided.architecture import Architecture
from bayes_guided.likelihoods import Likelihood, Normal
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.types import Masks


@dataclass(frozen=True, eq=False)
class WeightSpace:
    """Where everything lies in the vector: the rows of every group, the rest, and the log of a learned noise scale.

    `base` is the vector of the network and likelihood as they are; `free` are the places that may move, which leaves out
    frozen parameters.
    """

    architecture: Architecture
    base: Float[Tensor, "weights"]
    free: Int[Tensor, "free"]
    learned_noise: bool

    @classmethod
    def of(cls, architecture: Architecture, net: nn.Module, likelihood: Likelihood) -> "WeightSpace":
        """The space of this network's weights and this likelihood's noise."""
        parameters = {name: parameter.detach() for name, parameter in net.named_parameters()}
        trained = {
            name: torch.full_like(parameter, float(parameter.requires_grad)) for name, parameter in net.named_parameters()
        }
        log_scale = likelihood.log_scale if isinstance(likelihood, Normal) else None
        noise = [] if log_scale is None else [log_scale.detach().to(next(iter(parameters.values()))).reshape(1)]
        base = torch.cat([_flat(architecture, parameters), *noise])
        moves = torch.cat([_flat(architecture, trained), *(torch.ones_like(part) for part in noise)])
        return cls(architecture, base, moves.nonzero().flatten(), log_scale is not None)

    def split(self, vector: Tensor) -> "Parts":
        """Rows, rest and log noise of a vector (..., weights), as views."""
        *rows, rest, log_noise = vector.split(self._sizes, dim=-1)
        shaped = {name: row.unflatten(-1, shape) for (name, shape), row in zip(self._shapes, rows, strict=True)}
        return Parts(shaped, rest, log_noise.squeeze(-1) if self.learned_noise else None)

    def rows(self, vector: Float[Tensor, "*draws weights"]) -> dict[str, Float[Tensor, "*draws _ _"]]:
        """The rows in the vector, (..., units, row) per group: views."""
        return self.split(vector).rows

    def rest(self, vector: Float[Tensor, "*draws weights"]) -> Float[Tensor, "*draws rest"]:
        """The weights in no row: a view."""
        return self.split(vector).rest

    def log_noise(self, vector: Float[Tensor, "*draws weights"]) -> Float[Tensor, "*draws"] | None:
        """The log of the noise scale, None where the noise is known."""
        return self.split(vector).log_noise

    @cached_property
    def _shapes(self) -> list[tuple[str, tuple[int, int]]]:
        return [(group.name, (group.size, group.row_dim)) for group in self.architecture.groups]

    @cached_property
    def _sizes(self) -> list[int]:
        return [units * row for _, (units, row) in self._shapes] + [self.architecture.rest_size, int(self.learned_noise)]

    def whole(self, free: Float[Tensor, "free"]) -> Float[Tensor, "weights"]:
        """The vector with these values at the free places, differentiably."""
        return free if len(free) == len(self.base) else self.base.index_copy(0, self.free, free)


class Parts(NamedTuple):
    """What a vector holds."""

    rows: dict[str, Tensor]
    rest: Tensor
    log_noise: Tensor | None


class Terms(NamedTuple):
    """Log prior density of every row, (units,) per group; of the rest and the noise; log likelihood of all cases. Nats."""

    rows: dict[str, Tensor]
    others: Tensor
    likelihood: Tensor


class Posterior:
    """Log prior and log likelihood of the whole data set at a vector of `space`, up to one constant, in nats.

    The network runs in evaluation mode: dropout is off, and batch norm uses the statistics that the network came with. The
    density is with respect to the *log* of a learned noise scale.
    """

    def __init__(self, net: nn.Module, prior: GuidedPrior, likelihood: Likelihood, inputs: Tensor, targets: Tensor) -> None:
        """`net` and `likelihood` are kept and not changed; neither is Pyro's global store."""
        self.space = WeightSpace.of(prior.architecture, net, likelihood)
        self.prior, self.inputs, self.targets = prior, inputs, targets
        self._case, self._noise = _Case(net, likelihood).eval(), _Noise(likelihood)
        self._buffers = {name: buffer.detach() for name, buffer in self._case.named_buffers()}
        self._rows = {name: prior.distribution(name, self.space.base) for name in prior.row_priors}
        self._rest = prior.rest_distribution(self.space.base) if prior.architecture.rest_size else None

    def log_prob(self, vector: Float[Tensor, "weights"]) -> Float[Tensor, ""]:
        """Log prior plus log likelihood."""
        terms = self.terms(vector)
        return torch.stack([*(row.sum() for row in terms.rows.values()), terms.others, terms.likelihood]).sum()

    def terms(self, vector: Float[Tensor, "weights"], masks: Masks | None = None) -> Terms:
        """All parts of the density; in the likelihood the rows of units that `masks` leave out count as zero."""
        parts = self.space.split(vector)
        return Terms(self._log_rows(parts), self._log_others(parts), self._log_likelihood(parts, masks))

    def log_likelihood(self, vector: Float[Tensor, "weights"], masks: Masks | None = None) -> Float[Tensor, ""]:
        """Log likelihood of all cases, with masks as in `terms`."""
        return self._log_likelihood(self.space.split(vector), masks)

    def log_rows(self, vector: Float[Tensor, "weights"]) -> dict[str, Float[Tensor, "_"]]:
        """Log prior density of every row, (units,) per group."""
        return self._log_rows(self.space.split(vector))

    def sample_prior(self) -> Float[Tensor, "weights"]:
        """A vector drawn from the prior, from torch's generator."""
        parts = [density.sample().flatten() for density in self._rows.values()]
        parts += [] if self._rest is None else [self._rest.sample()]
        like = self.space.base
        parts += [torch.randn(1, dtype=like.dtype, device=like.device)] if self.space.learned_noise else []
        return torch.cat(parts)

    def _log_rows(self, parts: Parts) -> dict[str, Tensor]:
        return {name: self._rows[name].log_prob(rows) for name, rows in parts.rows.items()}

    def _log_others(self, parts: Parts) -> Tensor:
        total = parts.rest.new_zeros(()) if self._rest is None else self._rest.log_prob(parts.rest)
        if parts.log_noise is None:
            return total
        # The penalty is minus the log density in the scale; its Jacobian turns that into one in the scale's logarithm.
        penalty = functional_call(self._noise, {"likelihood.log_scale": parts.log_noise}, ())
        return total - penalty + parts.log_noise

    def _log_likelihood(self, parts: Parts, masks: Masks | None) -> Tensor:
        rows = parts.rows
        if masks is not None:
            rows = {name: row * masks[name].unsqueeze(-1) for name, row in rows.items()}
        # The shapes are right by construction, so the checks of `architecture.parameters` are left out of the inner loop.
        values = {f"network.{recipe.name}": recipe.build(rows, parts.rest) for recipe in self.space.architecture.recipes}
        if parts.log_noise is not None:
            values["likelihood.log_scale"] = parts.log_noise
        return functional_call(self._case, values | self._buffers, (self.inputs, self.targets))


class _Case(nn.Module):
    """Network and likelihood as one module, whose parameters a functional call can replace together."""

    def __init__(self, network: nn.Module, likelihood: Likelihood) -> None:
        super().__init__()
        self.network, self.likelihood = network, likelihood

    def forward(self, inputs: Tensor, targets: Tensor) -> Float[Tensor, ""]:
        """Log likelihood of the cases."""
        return self.likelihood.log_prob(self.network(inputs), targets).sum()


class _Noise(nn.Module):
    """The prior of the likelihood's own parameters, which a functional call can replace."""

    def __init__(self, likelihood: Likelihood) -> None:
        super().__init__()
        self.likelihood = likelihood

    def forward(self) -> Float[Tensor, ""]:
        """The penalty."""
        return self.likelihood.penalty()


def _flat(architecture: Architecture, parameters: Mapping[str, Tensor]) -> Float[Tensor, "weights"]:
    rows = [row.flatten() for row in architecture.rows(parameters).values()]
    return torch.cat([*rows, architecture.rest_vector(parameters)])
