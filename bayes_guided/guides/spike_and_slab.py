"""The structured guide of a spike and slab: q(m) q(rows | m), Gaussian where a unit is present, else zero (P29)."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from bayes_guided.exceptions import ConfigError
from bayes_guided.guides.base import LOG_UNIT_ENTROPY, Weights
from bayes_guided.guides.inclusion_law import Inclusion, inclusion_for
from bayes_guided.guides.mean_field import MeanField
from bayes_guided.guides.noise import LogNormalNoise, noise_guide
from bayes_guided.likelihoods import Likelihood
from bayes_guided.priors.rows.weights import Normal
from bayes_guided.priors.spike_and_slab import SpikeAndSlabPrior


class SpikeAndSlabGuide(nn.Module):
    """q(m) prod_u q(row_u | m_u), and independent Gaussians for the rest and for the logarithm of a learned noise scale.

    Given that a unit is present, its weights are independent Gaussians that do not depend on which other units are; given
    that it is absent, its row is exactly zero. With `points` all standard deviations are zero: the guide of guided L0.
    Frozen parameters of the rest stay where they are and have no divergence.

    Raises:
        ConfigError: if weights of a unit are frozen.
    """

    free: Tensor

    def __init__(
        self, prior: SpikeAndSlabPrior, net: nn.Module, likelihood: Likelihood, *, start_sd: float, points: bool = False
    ) -> None:
        """Means start at the network's weights, units with log odds of presence `inclusion.START`."""
        super().__init__()
        architecture, like = prior.architecture, next(net.parameters())
        trained = {name: torch.full_like(value, float(value.requires_grad)) for name, value in net.named_parameters()}
        for name, rows in architecture.rows(trained).items():
            if not bool(rows.all()):
                raise ConfigError(
                    f"weights of units of group '{name}' are frozen (requires_grad=False), so that they have no posterior; "
                    "unfreeze them, or protect the layer in the architecture."
                )
        start = {name: rows.detach().clone() for name, rows in architecture.rows(net).items()}
        self.prior, self.points = prior, points
        self.slab = MeanField(architecture, Weights(start, architecture.rest_vector(net).detach().clone()), sd=start_sd)
        self.noise: LogNormalNoise | None = noise_guide(likelihood)
        self.inclusion: Inclusion = inclusion_for(prior.models).to(like.device)
        self.register_buffer("free", architecture.rest_vector(trained) > 0, persistent=False)
        self._start_rest = self.slab.means.rest.detach().clone()
        self._densities = {group.name: prior.slab_prior.distribution(group.name, like) for group in architecture.groups}

    def rsample(self, n: int, generator: torch.Generator | None = None) -> Weights:
        """`n` draws of all weights, of every unit's row as if it were present, differentiable."""
        means = self.slab.means
        if self.points:
            drawn = Weights(
                {name: row.expand(n, *row.shape) for name, row in means.rows.items()}, means.rest.expand(n, *means.rest.shape)
            )
        else:
            drawn = self.slab.rsample(n, generator)
        return Weights(drawn.rows, self._kept(drawn.rest))

    def moments(self) -> tuple[Weights, Weights]:
        """Means and variances of all weights, of every unit's row as if it were present, differentiable."""
        found = self.slab.moments()
        variance = found.variances.rest
        fixed = Weights(found.variances.rows, torch.where(self.free, variance, torch.zeros_like(variance)))
        return Weights(found.means.rows, self._kept(found.means.rest)), fixed

    def noise_scale(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "draws"] | None:
        """`n` draws of the noise scale, differentiable; None where it is known."""
        if self.noise is None:
            return None
        return self.noise.mean.exp().expand(n) if self.points else self.noise.rsample(n, generator)

    def mean(self) -> Weights:
        """Posterior means of all weights, of every unit's row given that it is present."""
        means = self.slab.means
        return Weights({name: row.detach() for name, row in means.rows.items()}, self._kept(means.rest).detach())

    def row_divergences(self, drawn: Weights) -> dict[str, Float[Tensor, "draws units"]]:
        """KL(q(row_u | present) || slab), nats, float64, of which `drawn` estimates the slab's part; (1, units) if exact.

        A normal slab's part is exact: log densities are quadratic without cross terms, so their mean is that at the mean plus
        and minus one standard deviation.
        """
        means, sds, found = self.slab.means, self.slab.sds, {}
        for name, density in self._densities.items():
            mean, sd = means.rows[name], sds.rows[name]
            values = torch.stack([mean + sd, mean - sd]) if isinstance(self.prior.slab, Normal) else drawn.rows[name]
            expected = density.log_prob(values)
            if isinstance(self.prior.slab, Normal):
                expected = expected.mean(dim=0, keepdim=True)
            found[name] = -(sd.log().sum(dim=1) + mean.shape[1] * LOG_UNIT_ENTROPY) - expected
        return {name: value.double() for name, value in found.items()}

    @torch.no_grad()
    def place_divergences(self, name: str, drawn: Weights) -> Float[Tensor, "units places"]:
        """`row_divergences` of each unit of a group under the slab of each place, up to a constant of the unit."""
        mean, sd, density = self.slab.means.rows[name], self.slab.sds.rows[name], self._densities[name]
        exact = isinstance(self.prior.slab, Normal)
        values = torch.stack([mean + sd, mean - sd]) if exact else drawn.rows[name]
        units = [density.log_prob(values[:, [unit]].expand_as(values)).mean(dim=0) for unit in range(len(mean))]
        return -torch.stack(units).double()

    def other_divergence(self) -> Float[Tensor, ""]:
        """KL of the rest and of the noise, nats, float64, exact."""
        mean, sd, rate = self.slab.means.rest, self.slab.sds.rest, self.prior.rest.strength
        prior = 0.5 * math.log(rate / math.pi) - rate * (mean.square() + sd.square())
        rest = torch.where(self.free, -sd.log() - LOG_UNIT_ENTROPY - prior, 0.0).double().sum()
        return rest if self.noise is None else rest + self.noise.divergence().double()

    def masked(self, drawn: Weights, gates: dict[str, Float[Tensor, "draws units"]]) -> Weights:
        """The drawn rows times gates or masks, (draws, units) per group."""
        rows = {name: row * gates[name].to(row).unsqueeze(-1) for name, row in drawn.rows.items()}
        return Weights(rows, drawn.rest)

    def most_probable(self) -> dict[str, Bool[Tensor, "units"]]:
        """The model of largest q(m), (units,) per group, on the CPU."""
        masks = self.inclusion.complete_masks([law.mode()[None] for law in self.inclusion.blocks()])
        return {name: mask[0].cpu() for name, mask in masks.items()}

    @torch.no_grad()
    def jitter(self, sd: float) -> None:
        """Another start: log odds moved by noise of standard deviation `sd`, means by noise of the start's deviations."""
        for law in self.inclusion.blocks():
            law.jitter(sd)
        for mean, log_sd in zip(self.slab._means, self.slab._log_sds, strict=True):
            mean += log_sd.exp() * torch.randn(mean.shape, dtype=mean.dtype).to(mean.device)

    def _kept(self, rest: Float[Tensor, "*draws rest"]) -> Float[Tensor, "*draws rest"]:
        """Frozen weights as they are."""
        if bool(self.free.all()):
            return rest
        return torch.where(self.free, rest, self._start_rest.to(rest))
