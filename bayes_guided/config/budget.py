"""What the settings of all methods share: which of them go to the fit's function, and how long it trains."""

from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import nn

from bayes_guided.infer import Fit
from bayes_guided.infer.training.batches import Data
from bayes_guided.infer.training.session import Prior

from .settings import Positive, Settings

Count = Annotated[int, Field(ge=1)]
CountFromZero = Annotated[int, Field(ge=0)]
CountFromTwo = Annotated[int, Field(ge=2)]
Epochs = Annotated[float, Field(ge=0)]

_NO_READING = {
    "map": ("TreeGroupLaplace",),
    "threshold": ("SparseGroupLaplace", "TreeGroupLaplace"),
    "shrinkage": ("Normal", "Laplace", "SparseGroupLaplace", "GroupSqrtLaplace", "TreeGroupLaplace"),
    "evidence": ("GroupHorseshoe", "TreeGroupLaplace"),
}
"""Families of weight priors that cannot be read so as a prior over models (P10, P11, P16).

Exact zeros stand beside the prior's evidence reading; the horseshoe, which has no MAP at all, `fit_map` refuses and says why.
"""


def prior_has(family: str, reading: str) -> bool:
    """Whether a continuous prior of the family has the reading."""
    return family not in _NO_READING[reading]


class Fitting(Settings, ABC):
    """One method: its options have the names, meanings and defaults of its function's arguments."""

    checkpoint_seconds: Positive = 30.0

    @property
    def arguments(self) -> dict[str, Any]:
        """What goes to the fit's function, by name."""
        return {name: getattr(self, name) for name in type(self).model_fields if name != "method"}

    @abstractmethod
    def fit(self, net: nn.Module, prior: Prior, data: Data, **session: Any) -> Fit:
        """The fit; `session` are the arguments that all methods share.

        Raises:
            BayesGuidedError: as the fit's function.
        """

    @abstractmethod
    def readings(self, family: str, *, models: bool) -> tuple[str, ...]:
        """The readings that both the fit and its prior will have; the prior is of this family, or has models in it."""

    @abstractmethod
    def contradiction(self, *, models: bool) -> str | None:
        """Why these settings cannot be used with a prior that has models in it, or has none; None if they can."""


class Training(Fitting, ABC):
    """A method that trains by batches."""

    epochs: Count = 20
    batch_size: Count = 128
    lr: Positive = 2e-3
    schedule: Literal["constant", "cosine"] = "cosine"
    allow_empty: bool = False


class Proximal(Training, ABC):
    """A method that sets rows exactly to zero."""

    ramp_epochs: Epochs = 0.0
    warmup_steps: CountFromZero = 50
    metric: Literal["row", "weight"] = "row"

    def readings(self, family: str, *, models: bool) -> tuple[str, ...]:
        """Exact zeros."""
        del models
        return ("map",) if prior_has(family, "map") else ()

    def contradiction(self, *, models: bool) -> str | None:
        """It needs a continuous prior."""
        if not models:
            return None
        return (
            "'models' make the prior a spike and slab, which has no exact zeros to train towards: give svi or mcmc as "
            "'fit.method', or leave 'models' out"
        )
