"""Settings of variational inference, under a continuous prior or a spike and slab."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args

from pydantic import Field
from pyro.infer import autoguide
from torch import nn

from bayes_guided.guides import GuideName
from bayes_guided.infer import Fit, fit_svi
from bayes_guided.infer.inclusion.likelihood import Gradient
from bayes_guided.infer.inclusion.result import GuideKind
from bayes_guided.infer.svi.expected_penalty import NormExpectation
from bayes_guided.infer.svi.gaussian import Reparameterisation
from bayes_guided.infer.training.batches import Data
from bayes_guided.infer.training.session import Prior
from bayes_guided.priors import GammaStrength

from .budget import Count, CountFromTwo, CountFromZero, Epochs, Training, prior_has
from .settings import Positive, Settings

PyroGuide = Literal["AutoNormal", "AutoDiagonalNormal", "AutoLowRankMultivariateNormal", "AutoMultivariateNormal"]
"""Those of Pyro's AutoGuides that a name suffices for."""

CONTINUOUS_ONLY = ("rank", "norm", "reparameterisation", "strength", "kept_draws")
MODELS_ONLY = ("gradient", "restarts", "refit_epochs", "allow_empty")


class StrengthSettings(Settings):
    """A Gamma hyperprior of the strength, whose mean is shape / rate."""

    shape: Positive
    rate: Positive

    def build(self) -> GammaStrength:
        """The hyperprior."""
        return GammaStrength(self.shape, self.rate)


class SVISettings(Training):
    """Variational inference; of a spike and slab where the configuration has `models`.

    `guide`, `ramp_epochs`, `reparameterisation` and `gradient` have their defaults from `fit_svi`, which depend on the prior.
    A run's errors are measured with 100 draws, so that no fewer can be kept.
    """

    method: Literal["svi"]
    epochs: Count = 100
    lr: Positive = 1e-2
    guide: GuideName | GuideKind | PyroGuide | None = None
    ramp_epochs: Epochs | None = None
    particles: Count = 1
    start_sd: Annotated[float, Field(gt=0)] = 1e-2
    elbo_draws: CountFromTwo = 20
    rank: Count = 8
    norm: NormExpectation = "bound"
    reparameterisation: Reparameterisation | None = None
    strength: StrengthSettings | None = None
    kept_draws: Annotated[int, Field(ge=100)] = 200
    gradient: Gradient | None = None
    restarts: Count = 1
    refit_epochs: CountFromZero = 0

    @property
    def arguments(self) -> dict[str, Any]:
        """What goes to `fit_svi`, by name."""
        guide = getattr(autoguide, str(self.guide)) if self.guide in get_args(PyroGuide) else self.guide
        return {**super().arguments, "guide": guide, "strength": self.strength and self.strength.build()}

    def fit(self, net: nn.Module, prior: Prior, data: Data, **session: Any) -> Fit:
        """The fit.

        Raises:
            BayesGuidedError: as `fit_svi`.
        """
        return fit_svi(net, prior, data, **self.arguments, **session)

    def readings(self, family: str, *, models: bool) -> tuple[str, ...]:
        """As `SVIFit` and `InclusionFit` have them."""
        if models:
            return ("inclusion",)
        known = ("threshold", "shrinkage") if self.guide in get_args(PyroGuide) else ("threshold", "shrinkage", "evidence")
        return tuple(name for name in known if prior_has(family, name))

    def contradiction(self, *, models: bool) -> str | None:
        """Options of the other kind of prior; a strength that Pyro's guides cannot learn."""
        kind = "a spike and slab, which 'models' make the prior" if models else "a prior without 'models'"
        guides = get_args(GuideKind) if models else (*get_args(GuideName), *get_args(PyroGuide))
        if self.guide is not None and self.guide not in guides:
            return f"'fit.guide' is {self.guide!r}, which is not for {kind}; give one of {', '.join(guides)}"
        for name in self._changed(CONTINUOUS_ONLY if models else MODELS_ONLY):
            return f"'fit.{name}' has no meaning for {kind}; leave it out"
        if self.strength is not None and self.guide in get_args(PyroGuide):
            return "'fit.strength' is learned by the package's own guides only; leave it out, or give another 'fit.guide'"
        return None

    def _changed(self, names: Iterable[str]) -> list[str]:
        """Those that are not at their defaults."""
        fields = type(self).model_fields
        return [name for name in names if getattr(self, name) != fields[name].default]
