"""The numbers of a prior over models, as JSON."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from bayes_guided.architecture import SubArchitecture
from bayes_guided.config import PriorConfig
from bayes_guided.files import write_atomically
from bayes_guided.priors import CountLaw, PriorOverview
from bayes_guided.priors.models.prior_overview import Answer
from bayes_guided.priors.models.wanted_guidance import WantedGuidance
from bayes_guided.types import UnitValues

from .metrics import versions

T = TypeVar("T")


def save_numbers(
    found: PriorOverview,
    guidance: UnitValues | None,
    wanted: WantedGuidance | None,
    config: PriorConfig,
    path: Path,
    *,
    title: str,
) -> None:
    """Writes everything that a prior says, atomically; `title` says what it is.

    Every quantity has its `value` (null where there is none), whether it is `exact`, the largest `standard_error` in it, and
    a `note` that says how it was estimated or why there is none. Log probabilities and the entropy are in nats, widths and
    sizes in units.

    Raises:
        RunFolderError: if the file cannot be written.
    """
    content = {
        "title": title,
        "reading": config.reading_name,
        "unit_survival": _answer(found.unit_survival, _values),
        "width_law": {name: _answer(law, _law) for name, law in found.width_laws.items()},
        "size_law": _answer(found.size_law, _law),
        "entropy": _answer(found.entropy, float),
        "most_probable": _answer(found.most_probable, lambda models: [_model(*model) for model in models]),
        "guidance": None if guidance is None else _values(guidance),
        "wanted_guidance": None if wanted is None else _wanted(wanted, config.wanted_as),
        "seed": config.seed,
        "versions": versions(),
    }
    write_atomically(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def _answer(answer: Answer[T], plain: Callable[[T], Any]) -> dict[str, Any]:
    if answer.value is None:
        return {"value": None, "exact": False, "standard_error": None, "note": answer.note}
    return {
        "value": plain(answer.value),
        "exact": not answer.note,
        "standard_error": answer.error,
        "note": answer.note,
    }


def _values(values: UnitValues) -> dict[str, list[float]]:
    return {name: value.tolist() for name, value in values.items()}


def _law(law: CountLaw) -> dict[str, Any]:
    return {
        "mean": law.mean,
        "sd": law.sd,
        "mode": law.mode,
        "quantile_05": law.quantile(0.05),
        "quantile_95": law.quantile(0.95),
        "pmf": law.pmf.tolist(),
    }


def _model(sub: SubArchitecture, log_prob: float) -> dict[str, Any]:
    """Which units are present is told by the first and last of every run of them."""
    units = {name: runs(survivors) for name, survivors in sub.survivors.items()}
    return {"log_prob": log_prob, "widths": sub.widths, "units": units}


def _wanted(wanted: WantedGuidance, form: str) -> dict[str, Any]:
    return {
        "form": form,
        "strengths": wanted.strengths,
        "values": _values(wanted.values),
        "mean_widths": wanted.mean_widths,
    }


def runs(units: list[int]) -> list[list[int]]:
    """First and last of every run of consecutive numbers in an ascending list."""
    starts = [place for place, (a, b) in enumerate(pairwise(units), 1) if b != a + 1]
    edges = [0, *starts, len(units)]
    return [[units[start], units[end - 1]] for start, end in pairwise(edges)] if units else []
