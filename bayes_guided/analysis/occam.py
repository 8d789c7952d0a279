"""Models ordered by size: what each gains in fit, and what it pays in Occam factor and prior [MacKay1992]."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bayes_guided.analysis.laplace import EvidenceTable
from bayes_guided.exceptions import PosteriorError


@dataclass(frozen=True, eq=False)
class OccamCurve:
    """Models in ascending order of size; all values in nats, sizes in units.

    `log_prior` is log p(m) up to a constant, `fit` and `log_occam` are the two parts of log p(D | m).
    """

    names: tuple[str, ...]
    sizes: Int[Tensor, "models"]
    log_prior: Float[Tensor, "models"]
    fit: Float[Tensor, "models"]
    log_occam: Float[Tensor, "models"]

    @property
    def log_evidence(self) -> Float[Tensor, "models"]:
        """log p(D | m)."""
        return self.fit + self.log_occam

    @property
    def log_posterior(self) -> Float[Tensor, "models"]:
        """log p(m | D) up to a constant."""
        return self.log_evidence + self.log_prior

    @property
    def best(self) -> int:
        """Place of the most probable of the models after the data; the smallest of equally probable ones."""
        return int(self.log_posterior.argmax())

    @property
    def is_path(self) -> bool:
        """Whether there is one model of every size, as along a nested path."""
        return bool((self.sizes.diff() > 0).all())

    def against_best(self) -> "OccamCurve":
        """The same models, every value less that of the best one: what a model gains or loses against it."""

        def less(values: Float[Tensor, "models"]) -> Float[Tensor, "models"]:
            return values - values[self.best]

        return OccamCurve(self.names, self.sizes, less(self.log_prior), less(self.fit), less(self.log_occam))


def occam_curve_of(table: EvidenceTable, sizes: Sequence[int], log_prior: Sequence[float] | None = None) -> OccamCurve:
    """The models of a table, such as `compare_models` gives, sorted by `sizes` (numbers of units, in the table's order).

    `log_prior` are their log prior probabilities up to a constant, by default equal.

    Raises:
        PosteriorError: if there is not one size and one prior per model.
    """
    prior = [0.0] * len(sizes) if log_prior is None else list(log_prior)
    if not len(sizes) == len(prior) == len(table.names):
        raise PosteriorError(f"{len(table.names)} models, {len(sizes)} sizes and {len(prior)} log priors: give one for each.")
    order = torch.tensor(sizes).argsort(stable=True)
    names = tuple(table.names[place] for place in order.tolist())
    before = torch.tensor(prior, dtype=torch.float64)
    return OccamCurve(names, torch.tensor(sizes)[order], before[order], table.fit[order], table.log_occam[order])
