"""Three priors over which units of one group are present, of one expected width, all guided linearly; and how strongly.

At factor 1 each has the wanted expected width. A factor of 10 multiplies every guidance coefficient by 10. At factor 0 nothing
is guided: the evidence alone decides between models (independent) or between widths (nested, tilted).
"""

import math
from collections.abc import Callable

import torch
from scipy.optimize import brentq
from torch import Tensor

import bayes_guided as bg
from bayes_guided.priors.models.model_prior import ModelPrior
from bayes_guided.priors.models.width_laws import uniform


def independent(architecture: bg.Architecture, mean: float, factor: float) -> bg.IndependentInclusion:
    """Each unit present or not by itself, at a cost of c_u nats, rising from unit to unit."""
    return bg.IndependentInclusion(architecture, _costs(architecture, mean, factor))


def nested(architecture: bg.Architecture, mean: float, factor: float) -> bg.NestedWidth:
    """The first K units; guidance is the hazard with which a further unit is refused."""
    if factor == 0:
        return bg.NestedWidth.from_law(architecture, uniform(minimum=0))
    name = architecture.groups[0].name

    def excess(log_strength: float) -> float:
        law = _guided_nested(architecture, math.exp(log_strength)).width_pmf(name)
        return float(law @ torch.arange(len(law), dtype=law.dtype)) - mean

    return _guided_nested(architecture, factor * math.exp(brentq(excess, -12.0, 6.0)))  # pyright: ignore[reportArgumentType]


def tilted(architecture: bg.Architecture, mean: float, factor: float) -> bg.TiltedWidth:
    """The nested prior's law of the width with the independent prior's composition: any K units, the cheap ones rather."""
    laws = nested(architecture, mean, factor).log_width_laws
    return bg.TiltedWidth(architecture, laws, _costs(architecture, mean, factor))


FAMILIES: dict[str, Callable[[bg.Architecture, float, float], ModelPrior]] = {
    "independent": independent,
    "tilted": tilted,
    "nested": nested,
}


def _guided_nested(architecture: bg.Architecture, strength: float) -> bg.NestedWidth:
    return bg.NestedWidth.from_guidance(architecture, bg.guidance.linear(), strength=strength)


def _costs(architecture: bg.Architecture, mean: float, factor: float) -> dict[str, Tensor]:
    name = architecture.groups[0].name
    at_one = bg.IndependentInclusion.from_mean_width(architecture, {name: mean}, guidance=bg.guidance.linear())
    return {group: factor * costs for group, costs in at_one.costs.items()}
