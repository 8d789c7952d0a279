"""One guidance under all its readings, side by side (P10, P11, P16)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.analysis.implied import Evidence, Reading, Shrinkage, Threshold
from bayes_guided.exceptions import ReadingError


@dataclass(frozen=True, eq=False)
class ReadingCurves:
    """Log odds of presence of every unit of a group under each reading that its prior has, nats.

    `readings` names the reading of every row and `labels` adds its number; `missing` holds the reasons why others do not
    exist.
    """

    group: str
    readings: tuple[str, ...]
    labels: tuple[str, ...]
    log_odds: Float[Tensor, "readings units"]
    missing: Mapping[str, str]

    @property
    def survival(self) -> Float[Tensor, "readings units"]:
        """P(unit present), a fraction."""
        return self.log_odds.sigmoid()


def reading_curves(
    group: str,
    log_odds: Callable[[Reading], Float[Tensor, "_"]],
    *,
    taus: Sequence[float],
    curvature: float,
) -> ReadingCurves:
    """The thresholds `taus`, shrinkage and evidence at one `curvature`, as far as they exist.

    `log_odds` gives a unit's log odds under a reading, such as `prior.row_priors["fc1"].model_log_odds`.

    Raises:
        ReadingError: if a tau or the curvature is not positive and finite, or the prior has none of the readings.
    """
    wanted: list[tuple[str, str, Reading]] = [("threshold", rf"threshold, $\tau$ = {tau:g}", Threshold(tau)) for tau in taus]
    wanted.append(("shrinkage", f"shrinkage, $h$ = {curvature:.3g}", Shrinkage(curvature)))
    wanted.append(("evidence", f"evidence, $h$ = {curvature:.3g}", Evidence(curvature)))
    found: list[tuple[str, str, Tensor]] = []
    missing: dict[str, str] = {}
    for name, label, reading in wanted:
        try:
            found.append((name, label, log_odds(reading).detach().double().cpu()))
        except ReadingError as refusal:  # a reading that does not exist for a family is an answer
            missing[name] = str(refusal)
    if not found:
        raise ReadingError(" ".join(missing.values()))
    names, labels, curves = zip(*found, strict=True)
    return ReadingCurves(group, names, labels, torch.stack(curves), missing)
