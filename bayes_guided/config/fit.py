"""Settings of the fit, one model per method, with the meaning that `bg.fit_<method>` gives them; MAP if none is named."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from torch import nn

from bayes_guided.infer import Fit, Vary, fit_ensemble, fit_map, fit_mcmc
from bayes_guided.infer.training.batches import Data
from bayes_guided.infer.training.session import Prior
from bayes_guided.priors import GuidedPrior

from .budget import Count, CountFromTwo, CountFromZero, Fitting, Proximal, prior_has
from .svi import SVISettings


class MAPSettings(Proximal):
    """One point, with exact zeros; refitted without guidance if `refit_epochs` are given."""

    method: Literal["map"] = "map"
    refit_epochs: CountFromZero = 0

    def fit(self, net: nn.Module, prior: Prior, data: Data, **session: Any) -> Fit:
        """The fit.

        Raises:
            BayesGuidedError: as `fit_map`.
        """
        assert isinstance(prior, GuidedPrior)  # see `contradiction`
        return fit_map(net, prior, data, **self.arguments, **session)


class EnsembleSettings(Proximal):
    """Several MAP fits in one pass."""

    method: Literal["ensemble"]
    members: CountFromTwo = 16
    vary: Vary = "seed"

    def fit(self, net: nn.Module, prior: Prior, data: Data, **session: Any) -> Fit:
        """The fit.

        Raises:
            BayesGuidedError: as `fit_ensemble`.
        """
        assert isinstance(prior, GuidedPrior)  # see `contradiction`
        return fit_ensemble(net, prior, data, **self.arguments, **session)


class MCMCSettings(Fitting):
    """Markov chains; the whole data set is one batch."""

    method: Literal["mcmc"]
    chains: Count = 4
    warmup: Annotated[int, Field(ge=40)] = 1000
    draws: Annotated[int, Field(ge=4)] = 1000
    target_accept: Annotated[float, Field(gt=0, lt=1)] = 0.8
    max_tree_depth: Count = 10

    def fit(self, net: nn.Module, prior: Prior, data: Data, *, validation: Data | None = None, **session: Any) -> Fit:
        """The fit; chains have no use for validation data.

        Raises:
            BayesGuidedError: as `fit_mcmc`.
        """
        del validation
        return fit_mcmc(net, prior, data, **self.arguments, **session)

    def readings(self, family: str, *, models: bool) -> tuple[str, ...]:
        """As `MCMCFit` has them."""
        if models:
            return ("inclusion",)
        return tuple(name for name in ("threshold", "shrinkage") if prior_has(family, name))

    def contradiction(self, *, models: bool) -> str | None:
        """Chains take either kind of prior."""
        del models
        return None


def _with_method(values: Any) -> Any:
    return {"method": "map", **values} if isinstance(values, Mapping) else values


FitSettings = Annotated[
    Annotated[MAPSettings | SVISettings | EnsembleSettings | MCMCSettings, Field(discriminator="method")],
    BeforeValidator(_with_method),
]
"""One of the methods, chosen by `method`."""
