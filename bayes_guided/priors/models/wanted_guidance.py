"""From wanted mean widths to the strength of the guidance in each group, for every way in which guidance makes a prior.

One number per group is solved for: the strength s_g with which a profile g_u presses on the units of that group. Under
`guidance.across(strengths)` at strength 1, the prior has the wanted mean widths.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import WidthLawError
from bayes_guided.guidance import Guidance, from_width
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.priors.models.cumulative_shrinkage import CumulativeShrinkage
from bayes_guided.priors.models.independent import IndependentInclusion
from bayes_guided.priors.models.mean_width import wanted_mean
from bayes_guided.priors.unit_values import scaled_guidance


@dataclass(frozen=True, eq=False)
class WantedGuidance:
    """The guidance that has wanted mean widths (counts, protected units among them).

    `strengths` hold one number per group and `values` the products with the profile, (units,) per group: what the prior
    presses with on each unit, in the prior's own unit. `mean_widths` are those of the prior with this guidance.
    """

    strengths: dict[str, float]
    values: dict[str, Float[Tensor, "_"]]
    mean_widths: dict[str, float]


def guidance_of_independent(
    architecture: Architecture, profile: Guidance, mean_width: Mapping[str, int | float]
) -> WantedGuidance:
    """Costs s_g g_u in nats of `IndependentInclusion` (P14).

    Raises:
        WidthLawError: if a mean is missing, or not between the protected units and those plus half of the others.
        GuidanceError: as `Guidance.coefficients`.
    """
    _, protected = scaled_guidance(architecture, profile, 1.0)
    for name, fixed in protected.items():
        # Without the mend that from_mean_width offers, an offset: guidance alone is sought here.
        wanted_mean(name, mean_width, int(fixed.sum()), int(fixed.sum()) + int((~fixed).sum()) / 2)
    prior = IndependentInclusion.from_mean_width(architecture, dict(mean_width), guidance=profile)
    return _found(*_strengths(architecture, profile, prior.costs), prior.unit_survival())


def guidance_of_hazard(architecture: Architecture, profile: Guidance, mean_width: Mapping[str, int | float]) -> WantedGuidance:
    """Increments s_g g_u of the cumulative hazard, in nats, of `NestedWidth` and `CumulativeShrinkage` (P12, P14).

    Unit u survives with probability exp(-s_g (g_1 + ... + g_u)), so that the mean width falls as s_g rises.

    Raises:
        WidthLawError: if a mean is missing, or not between the protected units and all units.
        GuidanceError: as `Guidance.coefficients`.
    """
    prior = CumulativeShrinkage.from_mean_width(architecture, mean_width, guidance=profile)
    return _found(*_strengths(architecture, profile, prior.increments), prior.unit_survival())


def guidance_of_weights(
    prior: GuidedPrior,
    mean_width: Mapping[str, int | float],
    *,
    reading: str,
    tau: float | None = None,
    curvature: float | None = None,
) -> WantedGuidance:
    """Strengths s_g g_u of a continuous prior on whole rows, of the `prior`'s family and profile, under a reading (P14).

    Raises:
        WidthLawError: if a mean is missing or cannot be attained, or the prior penalises norms only.
        ReadingError: as `GuidedPrior.model_prior`.
    """
    if prior.penalised == "norm" and any(group.norm_silences for group in prior.architecture.groups):
        raise WidthLawError(
            'guidance for a mean width is solved for whole rows; with penalised "norm" leave the mean width out.'
        )
    wanted = from_width(mean_width, prior.weights, reading=reading, tau=tau, curvature=curvature, profile=prior.guidance)
    answer = GuidedPrior(prior.architecture, prior.weights, wanted, prior.rest)
    strength = prior.weights.strength
    strengths = {
        name: strength * float(values.sum() / prior.coefficients[name].sum()) for name, values in answer.coefficients.items()
    }
    survival = answer.model_prior(reading, tau=tau, curvature=curvature).unit_survival()
    return _found(strengths, dict(prior.coefficients), survival)


def _strengths(
    architecture: Architecture, profile: Guidance, values: Mapping[str, Tensor]
) -> tuple[dict[str, float], dict[str, Tensor]]:
    """The factors between a profile and the values that were made of it, and the profile."""
    shapes, _ = scaled_guidance(architecture, profile, 1.0)
    return {name: float(values[name].sum() / shape.sum()) for name, shape in shapes.items()}, shapes


def _found(strengths: dict[str, float], shapes: Mapping[str, Tensor], survival: Mapping[str, Tensor]) -> WantedGuidance:
    values = {name: strengths[name] * shape for name, shape in shapes.items()}
    return WantedGuidance(strengths, values, {name: float(value.sum()) for name, value in survival.items()})
