"""The result of Laplace's approximation: a Gaussian at a MAP, and what it says of units."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from bayes_guided.analysis.gaussian_evidence import SCOPE, UnitEvidence, unit_evidence
from bayes_guided.analysis.gaussian_posterior import GaussianPosterior
from bayes_guided.analysis.implied import Reading, Shrinkage, Threshold
from bayes_guided.analysis.laplace import LaplaceEvidence, laplace_evidence
from bayes_guided.analysis.norm_tail import norm_tail_of_covariance
from bayes_guided.analysis.prior_curvature import of_units
from bayes_guided.analysis.row_shrinkage import row_shrinkage_log_odds
from bayes_guided.architecture import SubArchitecture
from bayes_guided.exceptions import ReadingError
from bayes_guided.infer.draws import Draws
from bayes_guided.infer.fit import Fit
from bayes_guided.infer.map.result import surviving
from bayes_guided.infer.mode.flat_weights import FlatWeights
from bayes_guided.infer.mode.posterior import Structure, assemble
from bayes_guided.infer.mode.smooth_prior import SmoothPrior
from bayes_guided.likelihoods import Normal
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.priors.rows import weights as families
from bayes_guided.types import UnitValues

Way = Literal["row", "outgoing"]
SHRINKAGE_DRAWS = 400
"""Draws of every row that the reading "shrinkage" averages over."""


@dataclass(frozen=True, eq=False)
class LaplaceFit(Fit):
    """A Gaussian at a MAP over all weights at which the log joint is smooth; made by `bg.infer.laplace`.

    Units whose row is exactly zero at a kink of the penalty are not in it: their survival is NaN in every reading, and what
    can be said of them is their margin (`bg.margins`). `curvature` holds the generalised Gauss-Newton matrix of the summed
    negative log likelihood in the form `structure`; `log_likelihood` is that of all data at the MAP, nats. `decrement` is how
    much the log joint's quadratic expansion would still rise, nats: the MAP is one if it is near 0 (None where unknown).
    """

    prior: GuidedPrior
    structure: Structure
    curvature: dict[str, Tensor] = field(repr=False)
    log_likelihood: float
    decrement: float | None

    method: ClassVar[str] = "laplace"

    @property
    def approximation(self) -> str:
        """The covariance's form, and what is out of the Gaussian."""
        gone = {name: int(count) for name, count in self.num_gone.items() if count}
        text = f"Laplace's Gaussian at one MAP, {self.posterior.approximation}, noise as fitted"
        if gone:
            text += "; units exactly zero are outside it: " + ", ".join(f"{count} in {name}" for name, count in gone.items())
        return text

    @property
    def readings(self) -> tuple[str, ...]:
        """Those of continuous priors."""
        return ("threshold", "shrinkage", "evidence")

    @property
    def num_gone(self) -> dict[str, int]:
        """Guided units per group whose row is zero at a kink, so that the Gaussian does not know them."""
        return {
            name: int((~alive & ~self.prior.row_priors[name].protected).sum()) for name, alive in self._in_gaussian.items()
        }

    @cached_property
    def flat(self) -> FlatWeights:
        """The layout of all weights as one vector."""
        return FlatWeights(self.architecture)

    @cached_property
    def local_prior(self) -> SmoothPrior:
        """The prior around the MAP."""
        return SmoothPrior(self.prior, self.flat, self.flat.of(self.net).cpu(), self.flat.trainable(self.net))

    @property
    def posterior(self) -> GaussianPosterior:
        """The Gaussian over the weights at `positions`."""
        return self._assembled[0]

    @property
    def positions(self) -> Int[Tensor, "weights"]:
        """Which weights of the flat vector (`flat`) the posterior is over, in its order."""
        return self._assembled[1]

    @cached_property
    def evidence(self) -> LaplaceEvidence:
        """log p(D) of the model of the weights in the Gaussian, nats, fit and Occam factor apart.

        Raises:
            PosteriorError, CovarianceError: if there is none.
        """
        return laplace_evidence(self.log_likelihood, self.local_prior.log_density(), self.posterior)

    def removal_evidence(self, by: Literal["row", "outgoing", "both"] = "both") -> dict[str, dict[str, UnitEvidence]]:
        """The evidence for keeping each unit while all others stay, by way and group (P19), nats.

        "row" removes what the unit owns; "outgoing" the weights that its output meets in the next layers, after which its row
        is unidentified and integrates to its prior. The exact posterior gives the same answer both ways, a Gaussian does not;
        P19 reads it at the outgoing weights. Each is with the mean-field gap, None where the posterior is mean field. NaN for
        units outside the Gaussian, for protected ones, and for those without outgoing weights in it.

        Raises:
            CovarianceError: if a block of the posterior is not positive definite.
        """
        ways: tuple[Way, ...] = ("row", "outgoing") if by == "both" else (by,)
        return {way: {group.name: self._group_evidence(group.name, way) for group in self.architecture.groups} for way in ways}

    def draws(self, n: int, generator: torch.Generator | None = None) -> Draws:
        """Draws of the Gaussian; all weights outside it as at the MAP."""
        like = next(self.net.parameters())
        flat = self.local_prior.weights.expand(n, -1).clone()
        flat[:, self.positions] = self.posterior.draw(n, generator or self.generator())
        rows, rest = self.flat.split(flat.to(like))
        learned = isinstance(self.likelihood, Normal) and self.likelihood.learned
        noise = torch.as_tensor(self.likelihood.scale).detach().expand(n) if learned else None  # type: ignore[attr-defined]
        return Draws(rows, rest, noise)

    def sub_architecture(self) -> SubArchitecture:
        """The units that are not exactly zero at the MAP."""
        return surviving(self.prior, self.rows)

    # Readings ------------------------------

    def _log_odds(self, reading: str, meaning: Reading | None) -> UnitValues:
        if reading == "evidence":
            assert meaning is not None
            return {name: self._evidence_log_odds(name, meaning) for name in self.prior.row_priors}
        odds = {}
        for name, row_prior in self.prior.row_priors.items():
            odds[name] = torch.full((len(row_prior.guidance),), torch.nan, dtype=torch.float64)
            for unit in (self._in_gaussian[name] & ~row_prior.protected).nonzero()[:, 0].tolist():
                mean, covariance = self._row(name, unit)
                odds[name][unit] = self._unit_log_odds(name, unit, meaning, mean, covariance)
        return odds

    def _unit_log_odds(self, name: str, unit: int, meaning: Reading | None, mean: Tensor, covariance: Tensor) -> Tensor:
        if isinstance(meaning, Threshold):
            if isinstance(self.prior.weights, families.Laplace):
                raise ReadingError(
                    "the Laplace prior's threshold is on ||row||_1, whose law under a Gaussian has no closed form; count "
                    "draws (fit.masks), or read this fit as evidence."
                )
            return norm_tail_of_covariance(mean[None], covariance[None], meaning.tau).log_odds[0]
        assert isinstance(meaning, Shrinkage)
        root = torch.linalg.eigh(covariance)
        normal = torch.randn(SHRINKAGE_DRAWS, 1, len(mean), dtype=torch.float64, generator=self.generator())
        rows = mean + normal * root.eigenvalues.clamp(min=0).sqrt() @ root.eigenvectors.T
        density = of_units(self.local_prior.density(self.prior.row_priors[name]), torch.tensor([unit]), len(mean))
        given = row_shrinkage_log_odds(density, rows, meaning.curvature)[:, 0]
        log_sigmoid = torch.nn.functional.logsigmoid
        return torch.logsumexp(log_sigmoid(given), 0) - torch.logsumexp(log_sigmoid(-given), 0)

    def _evidence_log_odds(self, name: str, meaning: Reading) -> Float[Tensor, "units"]:
        """Prior odds of the reading plus the log Bayes factor, by the outgoing weights where there are any (P19)."""
        outgoing, row = (self._group_evidence(name, way).log_bayes_factor for way in ("outgoing", "row"))
        return self.prior.row_priors[name].model_log_odds(meaning) + torch.where(outgoing.isnan(), row, outgoing)

    def _masks(self, reading: str, meaning: Reading | None, draws: Draws) -> dict[str, Bool[Tensor, "draws _"]]:
        if not isinstance(meaning, Threshold):
            return dict(super()._masks(reading, meaning, draws))
        return {name: self.prior.row_priors[name].row_sizes(rows) > meaning.tau for name, rows in draws.rows.items()}

    # Weights ------------------------------

    @cached_property
    def _assembled(self) -> tuple[GaussianPosterior, Int[Tensor, "weights"]]:
        return assemble(self.structure, self.curvature, self.local_prior)

    @cached_property
    def _place(self) -> Int[Tensor, "weights"]:
        """The posterior's index of every weight of the flat vector, -1 outside it."""
        place = torch.full((self.flat.size,), -1)
        place[self.positions] = torch.arange(len(self.positions))
        return place

    @cached_property
    def _in_gaussian(self) -> dict[str, Bool[Tensor, "units"]]:
        """Units with a penalised weight in the Gaussian."""
        return {
            name: (self.local_prior.free[self.flat.rows[name]] & prior.columns).any(dim=1)
            for name, prior in self.prior.row_priors.items()
        }

    def _row(self, name: str, unit: int) -> tuple[Float[Tensor, "row"], Float[Tensor, "row row"]]:
        """Mean and covariance of a unit's penalised weights; those outside the Gaussian are constants."""
        places = self.flat.rows[name][unit][self.prior.row_priors[name].columns]
        mean, inside = self.local_prior.weights[places], self._place[places] >= 0
        covariance = torch.zeros(len(places), len(places), dtype=torch.float64)
        block = self.posterior.covariance_block(self._place[places[inside]])
        covariance[inside.nonzero(), inside.nonzero()[:, 0]] = block
        return mean, covariance

    def _group_evidence(self, name: str, way: Way) -> UnitEvidence:
        known = self._in_gaussian[name] & ~self.prior.row_priors[name].protected
        places = list(self.flat.rows[name]) if way == "row" else self.flat.outgoing(self.architecture.group(name), self.net)
        factors = torch.full((len(known),), torch.nan, dtype=torch.float64)
        gaps = None if self.posterior.approximation == "mean field" else factors.clone()
        for unit in known.nonzero()[:, 0].tolist():
            removed = places[unit][self._place[places[unit]] >= 0]
            if len(removed) == 0:
                continue
            density = torch.tensor([self.local_prior.log_density_at_zero(removed)], dtype=torch.float64)
            found = unit_evidence(self.posterior, self._place[removed][None], density)
            factors[unit] = found.log_bayes_factor[0]
            if gaps is not None and found.mean_field_gap is not None:
                gaps[unit] = found.mean_field_gap[0]
        return UnitEvidence(factors, gaps, self.posterior.approximation, f"{SCOPE}; removed by {way}")

    def _to_tree(self) -> dict[str, Any]:
        return {
            "structure": self.structure,
            "curvature": self.curvature,
            "log_likelihood": self.log_likelihood,
            "decrement": self.decrement,
            "frozen": [name for name, parameter in self.net.named_parameters() if not parameter.requires_grad],
        }

    @classmethod
    def _from_tree(cls, common: dict[str, Any], tree: dict[str, Any]) -> "LaplaceFit":
        for name, parameter in common["net"].named_parameters():
            parameter.requires_grad_(name not in tree["frozen"])
        fields = ("structure", "curvature", "log_likelihood", "decrement")
        return cls(**common, **{name: tree[name] for name in fields})
