"""Likelihoods as plain values and back."""

from typing import Any

import torch

from bayes_guided.exceptions import CheckpointError

from .base import Likelihood
from .bernoulli import Bernoulli
from .categorical import Categorical
from .normal import Normal
from .poisson import Poisson

_FAMILIES: dict[str, type[Likelihood]] = {family.__name__: family for family in (Categorical, Bernoulli, Normal, Poisson)}


def likelihood_to_json(likelihood: Likelihood) -> dict[str, Any]:
    """The likelihood as plain values: its family, and a normal's noise, known ("scale") or learned ("log_scale")."""
    values: dict[str, Any] = {"family": type(likelihood).__name__}
    if isinstance(likelihood, Normal):
        if likelihood.log_scale is not None:
            return values | {"log_scale": float(likelihood.log_scale.detach())}
        return values | {"scale": float(likelihood.scale)}
    return values


def likelihood_from_json(values: dict[str, Any]) -> Likelihood:
    """The inverse of `likelihood_to_json`.

    Raises:
        CheckpointError: if the values describe no likelihood of this version.
    """
    family = _FAMILIES.get(str(values.get("family")))
    if family is None:
        raise CheckpointError(f"a saved likelihood reads {values}, whose family is none of {sorted(_FAMILIES)}.")
    if family is not Normal:
        return family()
    if "scale" in values:
        return Normal(values["scale"])
    likelihood = Normal()
    with torch.no_grad():
        likelihood._log_scale.fill_(values["log_scale"])
    return likelihood
