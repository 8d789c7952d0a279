"""What every fit answers, however it was made."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

from bayes_guided.analysis.implied import Reading, reading_of
from bayes_guided.architecture import Architecture, SubArchitecture, reduce
from bayes_guided.architecture.survey import PROTECTED_BY_USER
from bayes_guided.arguments import whole_number
from bayes_guided.exceptions import ConfigError, ReadingError
from bayes_guided.files import save_tree
from bayes_guided.infer.draws import Draws
from bayes_guided.infer.prediction.evaluation import Evaluation
from bayes_guided.infer.prediction.predictive import evaluate_draws, predict_draws
from bayes_guided.infer.training.batches import Data, as_batches, as_tensor
from bayes_guided.infer.training.history import History
from bayes_guided.infer.training.session import Prior
from bayes_guided.likelihoods import Likelihood, likelihood_to_json
from bayes_guided.priors import GuidedPrior
from bayes_guided.priors.log_odds import prior_log_odds
from bayes_guided.priors.storage import prior_to_json
from bayes_guided.types import Masks, Rows, UnitValues

FIT_FILE = "fit.safetensors"


@dataclass(frozen=True, eq=False)
class Fit(ABC):
    """A fitted network and what it says about units and models.

    `net` has the full shape and, in evaluation mode, the fit's representative weights; `history` and `seconds` say how the fit
    went. Survival is always in a *reading*, one of `readings`; `tau` goes with "threshold", `curvature` (that of the summed
    negative log likelihood per weight) with "shrinkage" and "evidence". Protected units survive for certain.
    """

    prior: Prior
    likelihood: Likelihood
    net: nn.Module = field(repr=False)
    history: History
    seed: int
    seconds: float

    method: ClassVar[str]
    """How it was made: "map", "svi", ..."""

    # What a method provides ---------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def approximation(self) -> str:
        """What stands between these numbers and the exact posterior, in words, to be printed beside them."""

    @property
    @abstractmethod
    def readings(self) -> tuple[str, ...]:
        """The readings of survival that this fit can give."""

    @abstractmethod
    def _log_odds(self, reading: str, meaning: Reading | None) -> UnitValues:
        """Log odds of presence of every unit, nats; `meaning` is None for "map" and "inclusion"."""

    @abstractmethod
    def draws(self, n: int, generator: torch.Generator | None = None) -> Draws:
        """`n` joint draws of all weights, on the network's device; `generator` lives on the CPU, by default one of `seed`."""

    @abstractmethod
    def sub_architecture(self) -> SubArchitecture:
        """The model that the fit chooses."""

    @abstractmethod
    def _to_tree(self) -> dict[str, Any]:
        """What the method adds to the saved file: nested dicts and lists of tensors and JSON values."""

    @classmethod
    @abstractmethod
    def _from_tree(cls, common: dict[str, Any], tree: dict[str, Any]) -> "Fit":
        """The fit from the fields that all fits have and what `_to_tree` gave."""

    def _survival(self, reading: str, meaning: Reading | None) -> UnitValues:
        """Survival of every unit, a fraction; a method that counts draws gives its frequencies instead."""
        return {name: odds.sigmoid() for name, odds in self._log_odds(reading, meaning).items()}

    def _interval(self, reading: str, meaning: Reading | None, level: float) -> tuple[UnitValues, UnitValues] | None:
        """Lower and upper ends of what `_survival` may be, None if it is a number without such error."""
        del reading, meaning, level
        return None

    def _masks(self, reading: str, meaning: Reading | None, draws: Draws) -> Mapping[str, Shaped[Tensor, "draws _"]]:
        """Models read off joint draws of the weights; where those leave it open, log odds of presence given the draw, nats."""
        del meaning, draws
        raise ReadingError(
            f'in the reading "{reading}" this {self.method} fit knows every unit by itself, not joint models; use '
            "unit_survival."
        )

    def independent_units(self, reading: str) -> bool:
        """Whether units are independent under this posterior and reading, so that their marginals are its whole law."""
        del reading
        return False

    # What follows from it -----------------------------------------------------------------------------------------

    @property
    def architecture(self) -> Architecture:
        """The architecture of the full network."""
        return self.prior.architecture

    @property
    def rows(self) -> Rows:
        """The rows of `net` per group, shape (units, row)."""
        return {name: rows.detach() for name, rows in self.architecture.rows(self.net).items()}

    @property
    def protected(self) -> Masks:
        """Units that are in every model, boolean (units,) per group."""
        if isinstance(self.prior, GuidedPrior):
            return {name: prior.protected for name, prior in self.prior.row_priors.items()}
        given = self.prior.models.protected or {}
        return {
            group.name: given.get(group.name, torch.zeros(group.size, dtype=torch.bool)) for group in self.architecture.groups
        }

    def unit_survival(
        self, reading: str | None = None, *, tau: float | None = None, curvature: float | None = None
    ) -> UnitValues:
        """P(unit present) under the reading, a float64 fraction per unit, (units,) per group; 1 for protected units.

        The reading is the first of `readings` if none is named.

        Raises:
            ReadingError: if the fit has no such reading, or its number is missing.
        """
        reading = reading or self.readings[0]
        survival = self._survival(reading, self._meaning(reading, tau, curvature))
        return {name: values.double().cpu().masked_fill(self.protected[name], 1.0) for name, values in survival.items()}

    def unit_log_odds(self, reading: str, *, tau: float | None = None, curvature: float | None = None) -> UnitValues:
        """log P(present) - log P(absent) of every unit, nats, float64, (units,) per group; +inf for protected units.

        Raises:
            ReadingError: as `unit_survival`.
        """
        odds = self._log_odds(reading, self._meaning(reading, tau, curvature))
        return {name: value.double().cpu().masked_fill(self.protected[name], torch.inf) for name, value in odds.items()}

    def unit_log_bayes_factors(self, reading: str, *, tau: float | None = None, curvature: float | None = None) -> UnitValues:
        """Posterior minus prior log odds of every unit, nats, (units,) per group (P21); 0 for protected units.

        Positive where the data want the unit; NaN where prior and posterior are both certain of it.

        Raises:
            ReadingError: as `unit_survival`; for "map", which is no probability.
        """
        if reading == "map":
            raise ReadingError('a MAP zero is a statement about one point, without odds (P20); the reading "map" has none.')
        posterior = self.unit_log_odds(reading, tau=tau, curvature=curvature)
        before = prior_log_odds(self.prior, reading, tau=tau, curvature=curvature)
        return {name: (odds - before[name]).masked_fill(self.protected[name], 0.0) for name, odds in posterior.items()}

    def survival_interval(
        self, reading: str, *, tau: float | None = None, curvature: float | None = None, level: float = 0.95
    ) -> tuple[UnitValues, UnitValues] | None:
        """Lower and upper ends of an interval for `unit_survival`, as this method understands it; None if it has none.

        Raises:
            ReadingError: as `unit_survival`.
            ConfigError: if `level` is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ConfigError(f"level={level}: give a probability between 0 and 1.")
        interval = self._interval(reading, self._meaning(reading, tau, curvature), level)
        if interval is None:
            return None
        lower, upper = (
            {name: ends.double().cpu().masked_fill(self.protected[name], 1.0) for name, ends in side.items()}
            for side in interval
        )
        return lower, upper

    def masks(
        self,
        reading: str,
        n: int,
        *,
        tau: float | None = None,
        curvature: float | None = None,
        generator: torch.Generator | None = None,
    ) -> dict[str, Bool[Tensor, "draws _"]]:
        """`n` models drawn jointly from the posterior under the reading, boolean (n, units) per group.

        Raises:
            ReadingError: as `unit_survival`; and where only the units' marginals are known.
            ConfigError: if n is not a positive whole number.
        """
        whole_number("n", n)
        generator = self.generator() if generator is None else generator
        found = self._masks(reading, self._meaning(reading, tau, curvature), self.draws(n, generator))
        return {name: _drawn_masks(values.cpu(), generator) | self.protected[name] for name, values in found.items()}

    def reduce(self) -> nn.Module:
        """The smaller network that has the units of `sub_architecture()` only, with `net`'s weights.

        Raises:
            ReductionError: if the network cannot be cut without changing its function.
        """
        return reduce(self.net, self.sub_architecture())

    def predict(self, inputs: Tensor | np.ndarray, *, draws: int = 100) -> Float[Tensor, "batch ..."]:
        """The targets' posterior predictive mean (class probabilities, rates), in evaluation mode, over `draws` draws.

        Raises:
            DataError: if the network does not run on the inputs.
            ConfigError: if `draws` is not a positive whole number.
        """
        whole_number("draws", draws)
        like = next(self.net.parameters())
        inputs = as_tensor(inputs, like.dtype).to(like.device)
        return predict_draws(self.net, self.architecture, self.likelihood, self.draws(draws), inputs)

    def evaluate(self, data: Data, *, draws: int = 100) -> Evaluation:
        """Error, log predictive density and calibration on data, over `draws` draws.

        Raises:
            DataError, LabelError: for data that cannot be used.
            ConfigError: if `draws` is not a positive whole number.
        """
        whole_number("draws", draws)
        like = next(self.net.parameters())
        batches = as_batches(data, 1024, like.device, like.dtype)
        return evaluate_draws(self.net, self.architecture, self.likelihood, self.draws(draws), batches)

    def save(self, directory: str | Path) -> None:
        """Writes the fit to one file in the folder, atomically; nothing is pickled. `bg.load_fit` reads it.

        Raises:
            RunFolderError: if the folder cannot be written.
            CheckpointError: if the network keeps extra state, or its architecture example inputs, that are neither tensors
                nor JSON values.
        """
        tree = {
            "method": self.method,
            "prior": prior_to_json(self.prior),
            "protect": [layer.name for layer in self.architecture.protected if PROTECTED_BY_USER in layer.reason],
            "example_inputs": self.architecture.example_inputs,
            "likelihood": likelihood_to_json(self.likelihood),
            "net": dict(self.net.state_dict()),
            "history": self.history.to_json(),
            "seed": self.seed,
            "seconds": self.seconds,
            "result": self._to_tree(),
        }
        save_tree(Path(directory) / FIT_FILE, tree, kind="fit")

    def generator(self) -> torch.Generator:
        """A new CPU generator of the fit's seed: what draws come from unless another is given, so that they repeat."""
        return torch.Generator().manual_seed(self.seed)

    def _meaning(self, reading: str, tau: float | None, curvature: float | None) -> Reading | None:
        if reading not in self.readings:
            raise ReadingError(
                f'this {self.method} fit has no survival in the reading "{reading}"; it knows {", ".join(self.readings)}.'
            )
        if reading in ("map", "inclusion"):
            return None
        return reading_of(reading, tau=tau, curvature=curvature)


def _drawn_masks(values: Shaped[Tensor, "draws units"], generator: torch.Generator) -> Bool[Tensor, "draws units"]:
    """The masks themselves, or masks drawn with the given log odds."""
    if values.dtype == torch.bool:
        return values
    return torch.rand(values.shape, generator=generator, dtype=values.dtype) < values.sigmoid()
