"""The result of a spike and slab's SVI: a law over models, and the rows of each."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bayes_guided.analysis.implied import Reading
from bayes_guided.architecture import SubArchitecture
from bayes_guided.exceptions import CheckpointError
from bayes_guided.guides.base import START_SD
from bayes_guided.guides.spike_and_slab import SpikeAndSlabGuide
from bayes_guided.infer.draws import Draws
from bayes_guided.infer.fit import Fit
from bayes_guided.infer.inclusion.likelihood import Gradient
from bayes_guided.infer.inclusion.objective import chosen_model
from bayes_guided.infer.prediction.evaluation import Evaluation
from bayes_guided.infer.refit import Refit, evaluate_point, predict_point, refitted
from bayes_guided.infer.training.batches import Data
from bayes_guided.priors import SpikeAndSlabPrior
from bayes_guided.priors.estimate import Estimate
from bayes_guided.types import UnitValues

GuideKind = Literal["structured", "guided_l0"]
"""q(m) q(rows | m), or its limit without entropies: point weights and the expected cost of the units."""

_STRUCTURED = (
    "structured variational: given the model, the weights are independent Gaussians that do not depend on which other units "
    "are present; {family}. It sees no correlation of weights; where units can stand in for each other (twins) it settles on "
    "one of them and is too sure (P29){order}"
)
_ORDER = (
    ", of units that can change places on those that prior and slab like best; of other units that are alike, the "
    "start has a say in which"
)
_L0 = (
    "guided L0: the zero-entropy limit of the structured guide, one point per weight and the expected cost sum c_u q_u; its "
    "inclusion probabilities are gates of an optimiser and no posterior (P21)"
)
_GRADIENTS = {
    "enumeration": "The likelihood's gradient is the exact sum over all models.",
    "widths": "The likelihood's gradient sums out one group's models at a time and draws the others': unbiased.",
    "draws": "The likelihood's gradient is that of one model drawn a step: unbiased.",
    "hard_concrete": "The likelihood's gradient is that of relaxed gates (hard concrete), which is biased.",
}


@dataclass(frozen=True)
class Restart:
    """One start of a fit: its seed, the bound that it reached (nats, with its standard error), and the groups that it lost."""

    seed: int
    bound: float
    standard_error: float
    collapsed: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class InclusionFit(Fit):
    """A variational posterior over models and weights.

    `net` holds the posterior means given the most probable model, absent rows exactly zero. `bound` is the ELBO in nats (for
    guided L0 minus its objective, which bounds nothing), by draws of binary models; `restarts` are all starts, of which the
    one with the largest bound is this fit. Log odds are those of q(m), exact in both tails; but of units that are nearly sure
    they are where the optimiser left them, since the bound hardly changes there: they understate how sure the optimum is.
    `refit`, if it was asked for, is the network reduced to the most probable model and trained on.
    """

    guide: SpikeAndSlabGuide = field(repr=False)
    kind: GuideKind
    gradient: Gradient
    bound: Estimate
    restarts: tuple[Restart, ...]
    refit: Refit | None

    method: ClassVar[str] = "inclusion_svi"

    @property
    def approximation(self) -> str:
        """The family of q and the estimator of its gradient, in words."""
        order = _ORDER if self.guide.inclusion.is_gated else ""
        what = _L0 if self.kind == "guided_l0" else _STRUCTURED.format(family=_family(self.guide), order=order)
        return f"{what}. {_GRADIENTS[self.gradient]}"

    @property
    def readings(self) -> tuple[str, ...]:
        """Only "inclusion": the models are in the posterior."""
        return ("inclusion",)

    @property
    def elbo(self) -> Estimate | None:
        """The evidence lower bound, nats, with its Monte Carlo standard error; None for guided L0, which has none."""
        return None if self.kind == "guided_l0" else self.bound

    @property
    def collapsed(self) -> list[str]:
        """Groups of which the most probable model has no unit, though they may not be empty."""
        widths = {name: int(mask.sum()) for name, mask in self.guide.most_probable().items()}
        return self.architecture.collapsed(widths)

    @torch.no_grad()
    def width_pmf(self, group: str) -> Float[Tensor, "widths"]:
        """Posterior probabilities that 0, 1, ..., U units of the group are present, float64 on the CPU.

        Raises:
            ProtectedGroupError: if there is no such group.
        """
        return self.guide.inclusion.log_width_pmf(group).exp().cpu()

    def sub_architecture(self) -> SubArchitecture:
        """The most probable model under q(m); for independent units that is also the median model, P(present) > 1/2.

        Of a collapsed group, the unit that is present most often.
        """
        return chosen_model(self.guide)

    def predict(self, inputs: Tensor | np.ndarray, *, draws: int = 100, refit: bool = False) -> Float[Tensor, "batch ..."]:
        """The targets' posterior predictive mean over `draws` draws of models and weights, or the mean under the refit.

        Raises:
            DataError: if the network does not run on the inputs.
            ConfigError: if `refit` is asked for but the fit has none.
        """
        if not refit:
            return super().predict(inputs, draws=draws)
        chosen = refitted(self.refit)
        return predict_point(chosen.net, chosen.likelihood, inputs)

    def evaluate(self, data: Data, *, draws: int = 100, refit: bool = False) -> Evaluation:
        """Error, log predictive density and calibration on data, over `draws` draws or of the refit.

        Raises:
            DataError, LabelError: for data that cannot be used.
            ConfigError: if `refit` is asked for but the fit has none.
        """
        if not refit:
            return super().evaluate(data, draws=draws)
        chosen = refitted(self.refit)
        return evaluate_point(chosen.net, chosen.likelihood, data)

    @torch.no_grad()
    def draws(self, n: int, generator: torch.Generator | None = None) -> Draws:
        """`n` joint draws: the model from q(m), then the rows of present units; absent rows are exactly zero."""
        generator = self.generator() if generator is None else generator
        masks = self.guide.inclusion.complete_masks(self.guide.inclusion.sample(n, generator))
        drawn, scales = self.guide.rsample(n, generator), self.guide.noise_scale(n, generator)
        masked = self.guide.masked(drawn, {name: mask.to(drawn.rest) for name, mask in masks.items()})
        return Draws(masked.rows, masked.rest, scales, masks)

    @torch.no_grad()
    def _log_odds(self, reading: str, meaning: Reading | None) -> UnitValues:
        return self.guide.inclusion.log_odds()

    def _masks(self, reading: str, meaning: Reading | None, draws: Draws) -> dict[str, Bool[Tensor, "draws _"]]:
        return dict(draws.masks or {})

    def _to_tree(self) -> dict[str, Any]:
        return {
            "guide": dict(self.guide.state_dict()),
            "kind": self.kind,
            "gradient": self.gradient,
            "bound": self.bound.value,
            "standard_error": self.bound.standard_error,
            "restarts": [asdict(restart) for restart in self.restarts],
            "refit": None if self.refit is None else self.refit.to_tree(),
        }

    @classmethod
    def _from_tree(cls, common: dict[str, Any], tree: dict[str, Any]) -> "InclusionFit":
        if not isinstance(common["prior"], SpikeAndSlabPrior):
            raise CheckpointError(
                "the saved fit has models in it, but its prior has none; the file was not saved by bayes_guided."
            )
        points = tree["kind"] == "guided_l0"
        guide = SpikeAndSlabGuide(common["prior"], common["net"], common["likelihood"], start_sd=START_SD, points=points)
        guide.load_state_dict(tree["guide"])
        restarts = tuple(Restart(**{**saved, "collapsed": tuple(saved["collapsed"])}) for saved in tree["restarts"])
        bound = Estimate(tree["bound"], tree["standard_error"])
        found = {"guide": guide, "kind": tree["kind"], "gradient": tree["gradient"], "bound": bound, "restarts": restarts}
        fit = cls(**common, **found, refit=None)
        return fit if tree["refit"] is None else replace(fit, refit=Refit.from_tree(tree["refit"], fit.reduce()))


def _family(guide: SpikeAndSlabGuide) -> str:
    """What q(m) can be, in words."""
    names = {type(law).__name__ for law in guide.inclusion.blocks()}
    if names == {"NestedInclusion"}:
        return "q(m) is any law of each group's width, groups independent"
    if names == {"TiltedInclusion"}:
        return "q(m) is a law of the width times conditional Bernoullis"
    return "q(m) is independent over units" if names == {"BernoulliInclusion"} else "q(m) is independent over groups"
