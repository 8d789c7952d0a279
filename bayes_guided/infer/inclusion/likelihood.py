"""The expected negative log likelihood over q(m) and q(rows | m), by four estimators of its gradient."""

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vmap

from bayes_guided.exceptions import ConfigError
from bayes_guided.guides import LocallyReparameterised, NetworkParameters
from bayes_guided.guides.base import Weights
from bayes_guided.guides.inclusion_law import Inclusion
from bayes_guided.guides.inclusion_prior import MAX_LISTED
from bayes_guided.guides.spike_and_slab import SpikeAndSlabGuide
from bayes_guided.likelihoods import Likelihood, Normal

Gradient = Literal["enumeration", "widths", "draws", "hard_concrete"]
"""How the expected likelihood is taken over q(m), and how its gradient reaches q(m) where that is trained by gradients.

"enumeration": the sum over all models, exact. "widths": for every block of units in turn the sum over its masks, the other
blocks drawn: unbiased. "draws": a model drawn for every step, for laws of the width, which are set in closed form and need no
gradient: unbiased. "hard_concrete", for all other laws: gates in [0, 1] in place of masks, with the same probability of 0: of
little variance, but biased, since a unit may be half present in the likelihood while the prior charges P(gate > 0); where q(m)
is tilted, the gates are also drawn independently of each other.

With the last two, which run one network a step, the outputs of linear layers and convolutions are drawn instead of the weights
(`LocallyReparameterised`): every case has noise of its own, and gradients vary far less.
"""

_WORK = 1e8
"""Multiply-accumulates per step up to which models are listed without being asked for."""


@dataclass(frozen=True, eq=False)
class DrawnNetwork:
    """Runs a network under many draws of its weights at once."""

    net: nn.Module
    likelihood: Likelihood

    def nll(
        self,
        weights: Weights,
        noise_scale: Float[Tensor, "draws"] | None,
        guide: SpikeAndSlabGuide,
        inputs: Tensor,
        targets: Tensor,
    ) -> tuple[Float[Tensor, "draws"], Float[Tensor, "draws"]]:
        """Mean negative log likelihood (nats) and mean error of a batch, of every draw.

        In one vmapped pass; networks with buffers, which batch norm would change in place, run draw by draw.
        """
        architecture = guide.prior.architecture

        def one(rows: dict[str, Tensor], rest: Tensor, scale: Tensor | None) -> tuple[Tensor, Tensor]:
            outputs = functional_call(self.net, architecture.parameters(rows, rest), (inputs,))
            likelihood = self.likelihood
            if scale is not None and isinstance(likelihood, Normal):
                likelihood = likelihood.with_scale(scale)
            nll = -likelihood.log_prob(outputs, targets).mean()
            return nll, likelihood.error(outputs.detach(), targets).mean()

        rows = dict(weights.rows)
        if next(self.net.buffers(), None) is None:
            axes = (0, 0, None if noise_scale is None else 0)
            return vmap(one, in_dims=axes, randomness="different")(rows, weights.rest, noise_scale)
        scales = [None] * len(weights.rest) if noise_scale is None else list(noise_scale)
        parts = [one({name: row[k] for name, row in rows.items()}, weights.rest[k], scales[k]) for k in range(len(scales))]
        return torch.stack([nll for nll, _ in parts]), torch.stack([error for _, error in parts])


@dataclass(frozen=True, eq=False)
class ExpectedLikelihood:
    """E_q of the mean negative log likelihood of a batch, and of the error."""

    network: DrawnNetwork
    guide: SpikeAndSlabGuide
    gradient: Gradient
    local: "LocalNetwork | None" = field(init=False)

    def __post_init__(self) -> None:
        single = self.gradient in ("draws", "hard_concrete") and not self.guide.points
        object.__setattr__(self, "local", LocalNetwork(self.network, self.guide) if single else None)

    def __call__(
        self, drawn: Weights, noise_scale: Float[Tensor, "draws"] | None, inputs: Tensor, targets: Tensor
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Both means, the first differentiable; `drawn` are weights of all units as if present."""
        inclusion, particles = self.guide.inclusion, len(drawn.rest)

        def mean_nll(gates: list[Tensor]) -> tuple[Tensor, Tensor]:
            """(particles, models) from gates (models, units) per block, for every particle."""
            models = len(gates[0])
            spread = Weights(
                {name: row.repeat_interleave(models, dim=0) for name, row in drawn.rows.items()},
                drawn.rest.repeat_interleave(models, dim=0),
            )
            filled = inclusion.complete([gate.to(drawn.rest).repeat(particles, 1) for gate in gates], 1.0)
            scales = None if noise_scale is None else noise_scale.repeat_interleave(models)
            nll, error = self.network.nll(self.guide.masked(spread, filled), scales, self.guide, inputs, targets)
            return nll.reshape(particles, models).mean(dim=0).double(), error.reshape(particles, models).mean(dim=0).double()

        if self.gradient == "enumeration":
            masks = inclusion.every_model()
            weight = inclusion.log_prob(masks).exp()
            nll, error = mean_nll(masks)
            return weight @ nll, weight.detach() @ error
        if self.gradient == "widths":
            return _block_by_block(inclusion, mean_nll)
        found = inclusion.sample(particles) if self.gradient == "draws" else inclusion.relaxed(particles)
        gates = inclusion.complete([gate.to(drawn.rest) for gate in found], 1.0)
        if self.local is not None:
            return self.local(gates, noise_scale, inputs, targets)
        nll, error = self.network.nll(self.guide.masked(drawn, gates), noise_scale, self.guide, inputs, targets)
        return nll.double().mean(), error.double().mean()


class LocalNetwork:
    """A network whose layers' outputs are drawn, given gates or masks of its units."""

    def __init__(self, network: DrawnNetwork, guide: SpikeAndSlabGuide) -> None:
        """Shares the network's buffers, which training updates."""
        architecture = guide.prior.architecture
        self.likelihood, self.guide = network.likelihood, guide
        self._net, self._parameters = LocallyReparameterised(network.net, architecture), NetworkParameters(architecture)

    def __call__(
        self,
        gates: dict[str, Float[Tensor, "draws units"]],
        noise_scale: Float[Tensor, "draws"] | None,
        inputs: Tensor,
        targets: Tensor,
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Mean negative log likelihood (nats) and mean error of a batch, over draws of the gates."""
        means, variances = self.guide.moments()
        nlls, errors = [], []
        for draw in range(len(next(iter(gates.values())))):
            gate = {name: values[draw].unsqueeze(1) for name, values in gates.items()}
            mean = Weights({name: rows * gate[name] for name, rows in means.rows.items()}, means.rest)
            spread = Weights({name: rows * gate[name].square() for name, rows in variances.rows.items()}, variances.rest)
            outputs = self._net(self._parameters(mean)[0], self._parameters(spread)[0], inputs)
            likelihood = self.likelihood
            if noise_scale is not None and isinstance(likelihood, Normal):
                likelihood = likelihood.with_scale(noise_scale[draw])
            nlls.append(-likelihood.log_prob(outputs, targets).mean())
            errors.append(likelihood.error(outputs.detach(), targets).double().mean())
        return torch.stack(nlls).double().mean(), torch.stack(errors).mean()


def _block_by_block(inclusion: Inclusion, mean_nll) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """One block's masks summed out at a time, the others drawn ("local expectation gradients", [Titsias2015]).

    Each block's sum estimates the whole expectation, so the value and the weights' gradient are their mean; the gradient
    with respect to a block's own law comes from that block's sum alone.
    """
    laws, nlls, errors = inclusion.blocks(), [], []
    for place, law in enumerate(laws):
        own = law.every_mask()
        others = [other.expand(len(own), -1) for other in inclusion.sample(1)]
        nll, error = mean_nll([own if block == place else other for block, other in enumerate(others)])
        weight = law.log_prob(own).exp()
        nlls.append(weight.detach() @ nll / len(laws) + (weight - weight.detach()) @ nll.detach())
        errors.append(weight.detach() @ error / len(laws))
    return torch.stack(nlls).sum(), torch.stack(errors).sum()


def choose_gradient(wanted: Gradient | None, inclusion: Inclusion, net: nn.Module, macs_per_batch: float) -> Gradient:
    """The estimator asked for if it serves this network and this q(m); without a wish the one of least bias that is cheap.

    That is "enumeration" for few models, else "widths" for few widths, else "draws" where q(m) is a law of the width, else
    "hard_concrete".

    Raises:
        ConfigError: if the estimator asked for is unknown or not of this q(m), would list more than MAX_LISTED models, or
            needs a network without buffers.
    """
    single, other = ("hard_concrete", "draws") if inclusion.is_gated else ("draws", "hard_concrete")
    listed = {"enumeration": inclusion.num_models, "widths": sum(law.num_masks for law in inclusion.blocks())}
    buffers = next(net.buffers(), None) is not None
    if wanted is None:
        cheap = [name for name, models in listed.items() if models <= MAX_LISTED and models * macs_per_batch <= _WORK]
        return single if buffers or not cheap else cheap[0]  # pyright: ignore[reportReturnType]
    if wanted == single:
        return wanted
    if wanted == other:
        kind = "has gates that are trained" if inclusion.is_gated else "is a law of the width, set in closed form"
        raise ConfigError(f'gradient="{other}": under this prior over models q(m) {kind}; use gradient="{single}".')
    if wanted not in listed:
        raise ConfigError(f'gradient={wanted!r}: give "enumeration", "widths" or "{single}".')
    if listed[wanted] > MAX_LISTED:
        raise ConfigError(
            f'gradient="{wanted}" would run {listed[wanted]:.3g} models for every batch, and the limit is {MAX_LISTED}; use '
            f'gradient="{single}".'
        )
    if buffers:
        raise ConfigError(
            f'gradient="{wanted}" runs all models side by side, but this network has buffers (batch norm), which one model '
            f'would change for the others; use gradient="{single}".'
        )
    return wanted
