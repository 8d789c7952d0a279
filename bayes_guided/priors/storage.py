"""Guided priors as JSON: what a saved fit and a checkpoint know of the prior."""

from dataclasses import asdict
from typing import Any

import torch

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ArchitectureMismatchError, CheckpointError
from bayes_guided.guidance import custom
from bayes_guided.priors import weights
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.priors.tree import TreeGroupLaplace

_FAMILIES: dict[str, type[weights.WeightPrior]] = {
    family.__name__: family
    for family in (
        weights.Normal,
        weights.Laplace,
        weights.GroupLaplace,
        weights.SparseGroupLaplace,
        weights.GroupSqrtLaplace,
        weights.GroupHorseshoe,
        TreeGroupLaplace,
    )
}


def prior_to_json(prior: GuidedPrior) -> dict[str, Any]:
    """The prior as plain values: family, coefficients per unit, and the architecture's fingerprint."""
    return {
        "architecture": prior.architecture.fingerprint,
        "weights": {"family": type(prior.weights).__name__, **asdict(prior.weights)},
        "coefficients": {name: values.tolist() for name, values in prior.coefficients.items()},
        "rest": prior.rest.strength,
        "penalised": prior.penalised,
    }


def prior_from_json(architecture: Architecture, values: dict[str, Any]) -> GuidedPrior:
    """The inverse of `prior_to_json`; the guidance comes back as the coefficients it gave.

    Raises:
        ArchitectureMismatchError: if the values belong to another architecture.
        CheckpointError: if the values describe no prior of this version.
    """
    missing = {"architecture", "weights", "coefficients", "rest", "penalised"} - set(values)
    if missing or "family" not in values["weights"]:
        raise CheckpointError(f"the saved prior lacks {sorted(missing) or 'its family'}; it was not saved by bayes_guided.")
    if values["architecture"] != architecture.fingerprint:
        raise ArchitectureMismatchError(
            "the saved prior belongs to another architecture than this network's; build the network with the same class "
            "and sizes."
        )
    settings = dict(values["weights"])
    family = settings.pop("family")
    if family not in _FAMILIES:
        raise CheckpointError(f"the saved prior's family '{family}' is unknown to this version of bayes_guided.")
    coefficients = {name: torch.tensor(given, dtype=torch.float64) for name, given in values["coefficients"].items()}
    return GuidedPrior(
        architecture,
        weights=_FAMILIES[family](**settings),
        guidance=custom(coefficients, normalise=False),
        rest=weights.Normal(strength=values["rest"]),
        penalised=values["penalised"],
    )
