"""Priors over models as JSON: what a saved fit and a checkpoint know of them."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import CheckpointError
from bayes_guided.priors.models.cumulative_shrinkage import CumulativeShrinkage
from bayes_guided.priors.models.gibbs import GibbsComplexity
from bayes_guided.priors.models.independent import IndependentInclusion
from bayes_guided.priors.models.model_prior import ModelPrior
from bayes_guided.priors.models.nested import NestedWidth
from bayes_guided.priors.models.shared_budget import SharedBudget
from bayes_guided.priors.models.tilted import TiltedWidth

_FAMILIES: dict[str, type[ModelPrior]] = {
    family.__name__: family
    for family in (IndependentInclusion, NestedWidth, TiltedWidth, SharedBudget, CumulativeShrinkage, GibbsComplexity)
}
_ELSEWHERE = {"architecture", "device"}
"""Fields that are not the law's: where it is applied and where its results go."""


def models_to_json(models: ModelPrior) -> dict[str, Any]:
    """The prior over models as plain values: its family and its fields; a log weight of -inf is written as null.

    Raises:
        CheckpointError: if the family is the user's own, or a field is a function (the cost of a GibbsComplexity).
    """
    family = type(models).__name__
    if _FAMILIES.get(family) is not type(models):
        raise CheckpointError(f"a model prior of the class {family} cannot be written; use one of {', '.join(_FAMILIES)}.")
    settings = {field.name: _plain(getattr(models, field.name), family) for field in _own_fields(type(models))}
    return {"family": family, **settings}


def models_from_json(architecture: Architecture, values: dict[str, Any]) -> ModelPrior:
    """The inverse of `models_to_json`, on the CPU; normalised laws come back to rounding.

    Raises:
        CheckpointError: if the values describe no prior over models of this version.
    """
    family = _FAMILIES.get(str(values.get("family")))
    if family is None:
        raise CheckpointError(
            f"the saved prior over models has the family {values.get('family')!r}, unknown to this version of bayes_guided."
        )
    wanted = {field.name for field in _own_fields(family)}
    if missing := wanted - set(values):
        raise CheckpointError(f"the saved {family.__name__} lacks {sorted(missing)}; it was not saved by bayes_guided.")
    return family(architecture, **{name: _tensors(name, values[name]) for name in wanted})


def _own_fields(family: type[ModelPrior]) -> list[Any]:
    return [field for field in fields(family) if field.name not in _ELSEWHERE]


def _plain(value: Any, family: str) -> Any:
    if isinstance(value, Tensor):
        return [None if number == -torch.inf else number for number in value.detach().cpu().tolist()]
    if isinstance(value, Mapping):
        return {name: _plain(part, family) for name, part in value.items()}
    if callable(value):
        raise CheckpointError(
            f"this {family} has a cost that is a function, which no file can hold (nothing is pickled); give cost by name, or "
            "fit without checkpoint and keep the result in memory."
        )
    return value


def _tensors(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {group: _tensors(name, part) for group, part in value.items()}
    if isinstance(value, list):
        if name == "protected":
            return torch.tensor(value, dtype=torch.bool)
        return torch.tensor([-torch.inf if number is None else number for number in value], dtype=torch.float64)
    return value
