"""What a reader has to know before believing a number."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from bayes_guided.infer import MCMCFit

from .reported_run import ReportedRun

Said = TypeVar("Said", bound=Hashable)

NEAR_ONE = 0.99
"""Mean survival of a group from which both sides say nothing about models."""


@dataclass(frozen=True)
class Caution:
    """One warning: its headline and what it means. Those that are `grave` put the result itself in doubt."""

    title: str
    text: str
    grave: bool = False


def cautions(run: ReportedRun) -> list[Caution]:
    """All that there is to warn of, grave first; the last one says what is approximated."""
    found = [*_collapsed(run), *_unconverged(run), *_mean_field(run), *_uninformative(run), *_protected(run), _one_seed(run)]
    approximation = Caution("What stands between these numbers and the posterior", _sentence(run.metrics.approximation))
    return [*sorted(found, key=lambda caution: not caution.grave), approximation]


def notes(run: ReportedRun) -> list[str]:
    """What is missing or estimated in the comparison, and why, a sentence each."""
    return [_sentence(note) for found in run.comparison.notes.values() for note in found]


def shared(found: Mapping[str, Sequence[Said]]) -> list[tuple[Said, str]]:
    """What is said of several runs, by their names, each once; beside it the names of those it holds for, "" for all."""
    holders: dict[Said, list[str]] = {}
    for name, said in found.items():
        for one in said:
            holders.setdefault(one, []).append(name)
    return [(one, "" if len(names) == len(found) else ", ".join(names)) for one, names in holders.items()]


def _collapsed(run: ReportedRun) -> Iterator[Caution]:
    dataset = run.comparison.dataset
    widths = {group: int(dataset["model_width"].sel(group=group)) for group in run.comparison.groups}
    norms = dataset["row_norm"].max("unit").values
    for (group, width), norm in zip(widths.items(), norms, strict=True):
        before = int(dataset["num_units"].sel(group=group))
        if before > 1 and (width == 0 or (width == 1 and norm == 0)):
            yield Caution(
                f"Collapsed group: {group}",
                f"None of its {before:,} units is left, or one without weights: nothing passes through this layer, so that "
                "what lies behind it is constant. Lower the strength, or raise it slowly from zero (ramp_epochs).",
                grave=True,
            )
        elif before > 1 and width == 1:
            yield Caution(
                f"Bottleneck: {group}",
                f"One of its {before:,} units is left and carries all that passes. It may be the last one before a collapse.",
                grave=True,
            )


def _unconverged(run: ReportedRun) -> Iterator[Caution]:
    if isinstance(run.fit, MCMCFit):
        for warning in run.fit.diagnostics.warnings:
            yield Caution("Unconverged chains", warning, grave=True)


def _mean_field(run: ReportedRun) -> Iterator[Caution]:
    if "mean field" in run.metrics.approximation and not np.isnan(run.comparison.dataset["log_bayes_factor"]).all():
        yield Caution(
            "Mean-field evidence",
            "The posterior has no correlation between weights. Its Bayes factors, and survivals read as evidence, can be "
            "wrong by many nats where weights are correlated, in either direction (P19). Use a full or low-rank posterior, "
            "or a Laplace approximation, before a unit's fate hangs on it.",
            grave=True,
        )


def _uninformative(run: ReportedRun) -> Iterator[Caution]:
    if run.comparison.reading != "threshold":
        return
    dataset = run.comparison.dataset
    free = ~dataset["protected"]
    survivals = [dataset[f"{side}_survival"].where(free).mean("unit") for side in ("prior", "posterior")]
    groups = [
        group for group in run.comparison.groups if all(float(survival.sel(group=group)) > NEAR_ONE for survival in survivals)
    ]
    if groups:
        yield Caution(
            "Threshold survival near 1, before and after the data",
            f"In {_listed(groups)} nearly every unit is above tau under the prior and the posterior alike: a continuous "
            "posterior has no zeros, so that this reading cannot tell which units the data need (P10). Read it as shrinkage "
            "or evidence, or choose a larger tau.",
            grave=True,
        )


def _protected(run: ReportedRun) -> Iterator[Caution]:
    counts = run.comparison.dataset["protected"].sum("unit")
    found = {group: int(counts.sel(group=group)) for group in run.comparison.groups if int(counts.sel(group=group))}
    if found:
        named = [f"{number:,} in {group}" for group, number in found.items()]
        yield Caution(
            f"Protected units: {sum(found.values()):,}",
            f"{_listed(named)}: they are in every model and outside p(m), evidence and divergences.",
        )
    layers = run.fit.architecture.protected
    if layers:
        named = [f"{layer.name} ({layer.reason})" for layer in layers]
        yield Caution(f"Layers that stay as they are: {len(layers):,}", f"{_listed(named)}.")


def _one_seed(run: ReportedRun) -> Caution:
    return Caution(
        "One seed",
        f"Everything comes from seed {run.metrics.seed}: nothing here says how much it varies with the random start and the "
        "order of the data. Repeat with other seeds before comparing small differences.",
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _listed(names: list[str], most: int = 6) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
