"""The guidance profiles that are compared; all have mean 1 over the units, so that a strength means the same for each."""

from collections.abc import Callable

import torch

import bayes_guided as bg
from bayes_guided import guidance
from bayes_guided.guidance import Guidance
from bayes_guided.priors import GroupLaplace, TiltedWidth, uniform

CONSTANT = "constant"
DENSE = "dense"
SHUFFLED = "linear, shuffled"


def build(profile: str, architecture: bg.Architecture, seed: int) -> Guidance:
    """The guidance of this name; `seed` draws the order of the shuffled profile."""
    return PROFILES[profile](architecture, seed)


def _shuffled(architecture: bg.Architecture, seed: int) -> Guidance:
    """Linear guidance with its coefficients dealt to the units at random.

    Units are exchangeable before training, so this has the same law as linear guidance: what differs is chance.
    """
    generator = torch.Generator().manual_seed(seed)
    linear = guidance.linear().coefficients(architecture)
    return guidance.custom({name: values[torch.randperm(len(values), generator=generator)] for name, values in linear.items()})


def _tilted(architecture: bg.Architecture, _: int) -> Guidance:
    """What a tilted prior over models implies (P13, P10): any width equally probable, and costs that order the units.

    Linear costs of 10 nats in the mean make the composition nearly nested. The rates under which P(||row|| > tau) is the
    prior's survival are a fixed shape over tau, so that with mean 1 no tau is left to choose.
    """
    prior = TiltedWidth.from_guidance(architecture, guidance.linear(), strength=10.0, widths=uniform(minimum=1))
    rates = guidance.from_survival(prior.unit_survival(), GroupLaplace(strength=1.0), reading="threshold", tau=1.0)
    return guidance.custom(rates.coefficients(architecture))


def _plain(made: Callable[[], Guidance]) -> Callable[[bg.Architecture, int], Guidance]:
    return lambda architecture, seed: made()


PROFILES: dict[str, Callable[[bg.Architecture, int], Guidance]] = {
    DENSE: _plain(guidance.constant),
    CONSTANT: _plain(guidance.constant),
    "tilted": _tilted,
    "exponential": _plain(lambda: guidance.exponential(2.0)),
    "linear": _plain(guidance.linear),
    "polynomial": _plain(lambda: guidance.polynomial(2.0)),
    "cost-aware": _plain(lambda: guidance.constant().across(guidance.cost("parameters"))),
    SHUFFLED: _shuffled,
}
"""By name: for the dense network, at a strength of next to nothing; then from the flattest along a layer to the steepest; then
across layers; then the control."""
