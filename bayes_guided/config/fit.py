"""Settings of the fit, one model per method, with the meaning that `bg.fit_<method>` gives them; MAP if none is named."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from torch import nn

from bayes_guided.exceptions import ConfigError
from bayes_guided.infer import Fit, fit_ensemble, fit_map, fit_mcmc, fit_svi
from bayes_guided.infer.batches import Data
from bayes_guided.infer.session import Prior
from bayes_guided.priors import GammaStrength, GuidedPrior

from .settings import Positive, Settings

Count = Annotated[int, Field(ge=1)]
CountFromZero = Annotated[int, Field(ge=0)]
Epochs = Annotated[float, Field(ge=0)]


class _Fitting(Settings):
    checkpoint_seconds: Positive = 30.0

    @property
    def arguments(self) -> dict[str, Any]:
        """What goes to the fit's function, by name."""
        return {name: getattr(self, name) for name in type(self).model_fields if name != "method"}


class _Training(_Fitting):
    epochs: Count = 20
    batch_size: Count = 128
    lr: Positive = 2e-3
    schedule: Literal["constant", "cosine"] = "cosine"
    allow_empty: bool = False


class _Proximal(_Training):
    ramp_epochs: Epochs = 0.0
    warmup_steps: CountFromZero = 50
    metric: Literal["row", "weight"] = "row"


class MAPSettings(_Proximal):
    """One point, with exact zeros; refitted without guidance if `refit_epochs` are given."""

    method: Literal["map"] = "map"
    refit_epochs: CountFromZero = 0

    def fit(self, net: nn.Module, prior: Prior, data: Data, **session: Any) -> Fit:
        """The fit; `session` are the arguments that all methods share.

        Raises:
            ConfigError: for a prior with models in it.
            BayesGuidedError: as `fit_map`.
        """
        return fit_map(net, continuous(prior, self.method), data, **self.arguments, **session)


class EnsembleSettings(_Proximal):
    """Several MAP fits in one pass."""

    method: Literal["ensemble"]
    members: Annotated[int, Field(ge=2)] = 16
    vary: Literal["seed", "bootstrap", "both"] = "seed"

    def fit(self, net: nn.Module, prior: Prior, data: Data, **session: Any) -> Fit:
        """The fit.

        Raises:
            ConfigError: for a prior with models in it.
            BayesGuidedError: as `fit_ensemble`.
        """
        return fit_ensemble(net, continuous(prior, self.method), data, **self.arguments, **session)


class StrengthSettings(Settings):
    """A Gamma hyperprior of the strength, whose mean is shape / rate."""

    shape: Positive
    rate: Positive


class SVISettings(_Training):
    """Variational inference; of a spike and slab where the configuration has `models`.

    `guide` and `ramp_epochs` have their defaults from the function that fits.
    """

    method: Literal["svi"]
    epochs: Count = 100
    lr: Positive = 1e-2
    guide: Literal["mean_field", "row_scale", "low_rank", "full", "structured", "guided_l0"] | None = None
    particles: Count = 1
    ramp_epochs: Epochs | None = None
    restarts: Count = 1
    gradient: Literal["enumeration", "widths", "hard_concrete"] | None = None
    strength: StrengthSettings | None = None

    def fit(self, net: nn.Module, prior: Prior, data: Data, **session: Any) -> Fit:
        """The fit.

        Raises:
            BayesGuidedError: as `fit_svi`.
        """
        given = {name: value for name, value in self.arguments.items() if value is not None}
        if self.strength is not None:
            given["strength"] = GammaStrength(self.strength.shape, self.strength.rate)
        return fit_svi(net, prior, data, **given, **session)


class MCMCSettings(_Fitting):
    """Markov chains; the whole data set is one batch."""

    method: Literal["mcmc"]
    chains: Count = 4
    warmup: Count = 1000
    draws: Count = 1000
    target_accept: Annotated[float, Field(gt=0, lt=1)] = 0.8
    max_tree_depth: Count = 10

    def fit(self, net: nn.Module, prior: Prior, data: Data, *, validation: Data | None = None, **session: Any) -> Fit:
        """The fit; chains have no use for validation data.

        Raises:
            BayesGuidedError: as `fit_mcmc`.
        """
        del validation
        return fit_mcmc(net, prior, data, **self.arguments, **session)


def continuous(prior: Prior, method: str) -> GuidedPrior:
    """The prior, if it is continuous.

    Raises:
        ConfigError: if it has models in it.
    """
    if isinstance(prior, GuidedPrior):
        return prior
    raise ConfigError(f"'models' make the prior a spike and slab, which the method '{method}' cannot fit: use svi or mcmc.")


def _with_method(values: Any) -> Any:
    return {"method": "map", **values} if isinstance(values, Mapping) else values


FitSettings = Annotated[
    Annotated[MAPSettings | SVISettings | EnsembleSettings | MCMCSettings, Field(discriminator="method")],
    BeforeValidator(_with_method),
]
"""One of the methods, chosen by `method`."""
