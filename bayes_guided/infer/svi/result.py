"""The result of SVI under a continuous guided prior."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from bayes_guided.analysis.gaussian_evidence import UnitEvidence
from bayes_guided.analysis.gaussian_posterior import GaussianPosterior
from bayes_guided.analysis.implied import Evidence, Reading, Shrinkage, Threshold
from bayes_guided.architecture import SubArchitecture
from bayes_guided.exceptions import PosteriorError
from bayes_guided.guides import FreeRest, Guide, LogNormalNoise, Weights, gaussian_guide, noise_guide
from bayes_guided.infer import counted_readings, gaussian_readings
from bayes_guided.infer.draws import Draws
from bayes_guided.infer.fit import Fit
from bayes_guided.infer.svi.kept_draws import KeptDraws
from bayes_guided.likelihoods import Likelihood
from bayes_guided.priors.estimate import Estimate
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.priors.rows import weights as families
from bayes_guided.priors.rows.strength_prior import GammaStrength
from bayes_guided.types import UnitValues

_NARROW = (
    "; independent weights make it too narrow where weights are correlated, and its evidence wrong by up to many nats (P19)"
)
_PEAK = (
    '; read as "evidence" a Gaussian misses the prior\'s peak at zero: where the data are silent it errs by about D/2 nats '
    "for the unit"
)


@dataclass(frozen=True, eq=False)
class SVIFit(Fit):
    """A variational posterior over all weights.

    `net` is at the posterior means. `guide` is the Gaussian, or, for a Pyro AutoGuide, draws of it. `elbo` is the evidence
    lower bound in nats with its Monte Carlo standard error, constants included: bounds of other guides and priors compare.
    `strength` is q(lambda) of a learned strength, in which case `prior` has its mean as strength; `bound` says in words how
    the ELBO's expected penalty was taken, empty if exactly.

    Readings: "threshold" from the exact law of the norm of a Gaussian row (for the Laplace prior, whose size is the sum of
    absolute weights, and for Pyro's guides by counting draws); "shrinkage" by averaging P(s > 1/h | row) over draws;
    "evidence", the prior odds of that reading times the Savage-Dickey Bayes factor p(0) / q(0) of the row (P19), for priors of
    finite density at zero. All are local to the mode that q describes.
    """

    prior: GuidedPrior
    guide: Guide | KeptDraws = field(repr=False)
    noise: LogNormalNoise | None = field(repr=False)
    elbo: Estimate
    strength: GammaStrength | None
    bound: str

    method: ClassVar[str] = "svi"

    @property
    def approximation(self) -> str:
        """The family of q, what it leaves out, and which bound was maximised."""
        if isinstance(self.guide, KeptDraws):
            text = f"variational, Pyro's {self.guide.name}, by {len(self.guide)} draws"
        else:
            text = f"variational Gaussian around one mode, {self.posterior.approximation}"
            text += _NARROW if self.guide.independent else ""
            text += _PEAK if "evidence" in self.readings and not isinstance(self.prior.weights, families.Normal) else ""
        if self.strength is not None:
            text += "; strength learned, the prior's readings are at its posterior mean"
        return f"{text}; {self.bound}" if self.bound else text

    @property
    def readings(self) -> tuple[str, ...]:
        """Those that the prior's family, and draws or a Gaussian, allow."""
        mixes = isinstance(self.prior.weights, families.GroupLaplace | families.GroupHorseshoe)
        dense = isinstance(self.guide, Guide) and not isinstance(self.prior.weights, families.GroupHorseshoe)
        return ("threshold", *(["shrinkage"] if mixes else []), *(["evidence"] if dense else []))

    @property
    def posterior(self) -> GaussianPosterior:
        """The Gaussian over the flat weights (rows of every group, then the free rest; `guide.index`), for `analysis`.

        Raises:
            PosteriorError: for a Pyro AutoGuide, of which there are draws only.
        """
        return self._gaussian.posterior()

    def removal_evidence(self) -> dict[str, UnitEvidence]:
        """The evidence for keeping each unit while all others stay, nats, per group, by the unit's row (P19).

        Raises:
            PosteriorError: for a Pyro AutoGuide.
            ImproperPriorError: for the group horseshoe, whose density at zero is infinite.
        """
        return gaussian_readings.removal_evidence(self._gaussian, self.prior)

    def sub_architecture(self) -> SubArchitecture:
        """The units whose zero row is not among what q finds likely: m' S^-1 m > D for a row with mean m and covariance S.

        m' S^-1 m is the squared signal-to-noise ratio of independent weights [Blundell2015], and D its mean for a row drawn
        from q and measured from m. Of a group that may not be empty at least the unit of largest ratio. A continuous posterior
        has no models in it: this is a rule, and no probability.
        """
        ratios = (
            counted_readings.signal_to_noise(self.guide, self.prior)
            if isinstance(self.guide, KeptDraws)
            else gaussian_readings.signal_to_noise(self.guide, self.prior)
        )
        masks = {name: (ratio > 1) | self.protected[name] for name, ratio in ratios.items()}
        for name in self.architecture.collapsed({name: int(mask.sum()) for name, mask in masks.items()}):
            masks[name][int(ratios[name].argmax())] = True
        return self.architecture.sub_architecture(masks)

    @torch.no_grad()
    def draws(self, n: int, generator: torch.Generator | None = None) -> Draws:
        """`n` draws from q; of a Pyro AutoGuide, some of the kept ones, and no more than there are.

        Raises:
            ConfigError: if more draws are asked for than were kept.
        """
        generator = self.generator() if generator is None else generator
        if isinstance(self.guide, KeptDraws):
            return self.guide.choose(n, generator, next(self.net.parameters()).device)
        drawn = FreeRest.of(self.architecture, self.net).whole(self.guide.rsample(n, generator))
        return Draws(drawn.rows, drawn.rest, None if self.noise is None else self.noise.rsample(n, generator))

    def independent_units(self, reading: str) -> bool:
        """Where the weights are: every reading of a unit is of its own row, and the Bayes factor of a set is their product."""
        del reading
        return isinstance(self.guide, Guide) and self.guide.independent

    @property
    def _gaussian(self) -> Guide:
        if isinstance(self.guide, KeptDraws):
            raise PosteriorError(f"of Pyro's {self.guide.name} there are draws only; use one of the package's own guides.")
        return self.guide

    def _counted(self, meaning: Reading | None) -> bool:
        """Whether the reading comes from draws."""
        of_size = isinstance(meaning, Threshold) and isinstance(self.prior.weights, families.Laplace)
        return isinstance(self.guide, KeptDraws) or isinstance(meaning, Shrinkage) or of_size

    def _log_odds(self, reading: str, meaning: Reading | None) -> UnitValues:
        if self._counted(meaning):
            return counted_readings.log_odds(self._many_draws(), self.prior, meaning)
        if isinstance(meaning, Threshold):
            return gaussian_readings.threshold_log_odds(self._gaussian, self.prior, meaning)
        assert isinstance(meaning, Evidence)
        factors = self.removal_evidence()
        return {
            name: rows.model_log_odds(meaning) + factors[name].log_bayes_factor.cpu()
            for name, rows in self.prior.row_priors.items()
        }

    def _interval(self, reading: str, meaning: Reading | None, level: float) -> tuple[UnitValues, UnitValues] | None:
        """Monte Carlo error where the reading comes from draws."""
        if not self._counted(meaning):
            return None
        return counted_readings.interval(self._many_draws(), self.prior, meaning, level)

    def _masks(self, reading: str, meaning: Reading | None, draws: Draws) -> Mapping[str, Shaped[Tensor, "draws _"]]:
        if isinstance(meaning, Threshold | Shrinkage):
            return counted_readings.row_log_odds(draws.rows, self.prior, meaning)
        return super()._masks(reading, meaning, draws)

    def _many_draws(self) -> counted_readings.ManyDraws:
        if isinstance(self.guide, KeptDraws):  # all of them at once: each call chooses anew
            return counted_readings.ManyDraws(self.draws, len(self.guide), len(self.guide), self.generator())
        return counted_readings.ManyDraws(self.draws, counted_readings.DRAWS, counted_readings.BLOCK, self.generator())

    def _to_tree(self) -> dict[str, Any]:
        if isinstance(self.guide, KeptDraws):
            guide: dict[str, Any] = {"family": "pyro", "draws": self.guide.to_tree()}
        else:
            guide = {"family": self.guide.family, "settings": self.guide.settings, "state": dict(self.guide.state_dict())}
        return {
            "guide": guide,
            "noise": None if self.noise is None else dict(self.noise.state_dict()),
            "elbo": [self.elbo.value, self.elbo.standard_error],
            "strength": None if self.strength is None else asdict(self.strength),
            "bound": self.bound,
            "frozen": [name for name, parameter in self.net.named_parameters() if not parameter.requires_grad],
        }

    @classmethod
    def _from_tree(cls, common: dict[str, Any], tree: dict[str, Any]) -> "SVIFit":
        for name, parameter in common["net"].named_parameters():
            parameter.requires_grad_(name not in tree["frozen"])
        noise = None
        if tree["noise"] is not None:
            noise = _noise_like(common["likelihood"], tree["noise"])
        strength = None if tree["strength"] is None else GammaStrength(**tree["strength"])
        return cls(
            **common,
            guide=_guide_from_tree(common, tree["guide"]),
            noise=noise,
            elbo=Estimate(*tree["elbo"]),
            strength=strength,
            bound=tree["bound"],
        )


def _noise_like(likelihood: Likelihood, state: dict[str, Float[Tensor, ""]]) -> LogNormalNoise:
    noise = noise_guide(likelihood)
    assert noise is not None  # the saved likelihood has a learned scale
    noise = noise.to(state["mean"].dtype)
    noise.load_state_dict(state)
    return noise


def _guide_from_tree(common: dict[str, Any], tree: dict[str, Any]) -> Guide | KeptDraws:
    if tree["family"] == "pyro":
        return KeptDraws.from_tree(tree["draws"])
    architecture, net = common["prior"].architecture, common["net"]
    free = FreeRest.of(architecture, net)
    rows = {name: rows.detach().clone() for name, rows in architecture.rows(net).items()}
    start = Weights(rows, free.take(free.values).clone())
    anything = torch.Generator().manual_seed(0)  # its draws are overwritten
    guide = gaussian_guide(tree["family"], architecture, start, generator=anything, **tree["settings"])
    guide.load_state_dict(tree["state"])
    return guide.eval()
