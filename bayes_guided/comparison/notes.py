"""What is missing or not exact in a comparison, and why."""

import numpy as np

from bayes_guided.infer import LaplaceFit, MAPFit
from bayes_guided.priors import IndependentInclusion

from .divergences import TRUSTED_COVERAGE
from .pairing import Pair
from .posterior import Posterior
from .values import Values
from .width_laws import PriorLaws


def notes_of(pair: Pair, before: PriorLaws, posterior: Posterior, values: Values) -> list[str]:
    """One sentence for each."""
    fit = pair.fit
    notes = [before.laws.note] if before.laws.note else []
    unknown = sum(int(survival.isnan().sum()) for survival in posterior.survival.values())
    if unknown:
        notes.append(
            f"{unknown} units have no posterior survival in this fit, which does not know them (exactly zero); they count as "
            "absent in effective widths and add nothing to the lower bounds."
        )
    if pair.is_point:
        notes.append(
            "exact zeros are held against the prior of the evidence reading, whose joint MAP they are (P11): no posterior "
            "odds, Bayes factors or divergences."
        )
    elif posterior.masks is None:
        notes.append(f"no posterior law of widths and no divergence but its lower bound: {posterior.refusal}")
    elif not float(np.min(values["coverage_all"])) >= TRUSTED_COVERAGE:
        notes.append(
            f"total correlations and divergences are left out where the draws have seen less than {TRUSTED_COVERAGE:.0%} of "
            "the posterior's models (coverage): read the lower bounds, or take more draws."
        )
    if not isinstance(pair.models, IndependentInclusion) and not pair.is_point:
        notes.append("the prior's units depend on one another: the sum of the units' divergences bounds nothing.")
    if posterior.interval is None:
        notes.append(f"the {fit.method} fit has no interval of survival.")
    if np.isnan(values["margin"]).all() and isinstance(fit, MAPFit):
        notes.append("no margins were given; bg.margins measures them, and a run with compare.margins: true.")
    if not isinstance(fit, LaplaceFit):
        notes.append(f"the {fit.method} fit has no evidence with fit and Occam factor; a Laplace approximation has.")
    return notes
