"""Priors as JSON: what a saved fit and a checkpoint know of the prior."""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ArchitectureMismatchError, CheckpointError
from bayes_guided.guidance import custom
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.priors.models.storage import models_from_json, models_to_json
from bayes_guided.priors.rows import weights
from bayes_guided.priors.rows.tree import TreeGroupLaplace
from bayes_guided.priors.spike_and_slab import SpikeAndSlabPrior

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


def prior_to_json(prior: GuidedPrior | SpikeAndSlabPrior) -> dict[str, Any]:
    """The prior as plain values: family, coefficients per unit, and the architecture's fingerprint.

    A spike and slab is written as its slab, with "models" and "log_volume" beside it.

    Raises:
        CheckpointError: if the prior over models cannot be written.
    """
    if isinstance(prior, SpikeAndSlabPrior):
        volume = None if prior.log_volume is None else {name: values.tolist() for name, values in prior.log_volume.items()}
        return _guided_to_json(prior.slab_prior) | {"models": models_to_json(prior.models), "log_volume": volume}
    return _guided_to_json(prior)


def prior_from_json(architecture: Architecture, values: dict[str, Any]) -> GuidedPrior | SpikeAndSlabPrior:
    """The inverse of `prior_to_json`; the guidance comes back as the coefficients it gave.

    Raises:
        ArchitectureMismatchError: if the values belong to another architecture.
        CheckpointError: if the values describe no prior of this version.
    """
    guided = _guided_from_json(architecture, values)
    if "models" not in values:
        return guided
    if "log_volume" not in values:
        raise CheckpointError("the saved prior lacks its log_volume; it was not saved by bayes_guided.")
    volume = values["log_volume"]
    return SpikeAndSlabPrior(
        architecture,
        models=models_from_json(architecture, values["models"]),
        slab=guided.weights,
        guidance=guided.guidance,
        rest=guided.rest,
        penalised=guided.penalised,
        log_volume=None if volume is None else _per_group(volume),
    )


def _guided_to_json(prior: GuidedPrior) -> dict[str, Any]:
    return {
        "architecture": prior.architecture.fingerprint,
        "weights": {"family": type(prior.weights).__name__, **asdict(prior.weights)},
        "coefficients": {name: values.tolist() for name, values in prior.coefficients.items()},
        "rest": prior.rest.strength,
        "penalised": prior.penalised,
    }


def _guided_from_json(architecture: Architecture, values: dict[str, Any]) -> GuidedPrior:
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
    return GuidedPrior(
        architecture,
        weights=_FAMILIES[family](**settings),
        guidance=custom(_per_group(values["coefficients"]), normalise=False),
        rest=weights.Normal(strength=values["rest"]),
        penalised=values["penalised"],
    )


def _per_group(values: dict[str, list[float]]) -> dict[str, Tensor]:
    return {name: torch.tensor(given, dtype=torch.float64) for name, given in values.items()}
