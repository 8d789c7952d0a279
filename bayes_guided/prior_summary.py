"""What is printed of a prior over models."""

from collections.abc import Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from torch import Tensor

from bayes_guided.priors import CountLaw
from bayes_guided.priors.models.prior_overview import Answer
from bayes_guided.run import PriorView
from bayes_guided.run.prior_numbers import runs

_FEW_GROUPS = 4
"""Up to so many groups have columns of their own in the list of models."""

_FEW_NAMES = 3
"""So many quantities are named beside a reason that they share."""

_FEW_RUNS = 3
"""Up to so many runs of present units are written out."""


def prior_summary(view: PriorView) -> Iterator[RenderableType]:
    """Survivals, widths, models, entropy and the guidance sought, and a line for everything that is not exact."""
    yield f"{view.title}\n"
    if view.overview.unit_survival.value is not None:
        yield _survivals(view, view.overview.unit_survival.value)
    yield _widths(view)
    if view.overview.most_probable.value is not None:
        yield _models(view)
    entropy = view.overview.entropy
    if entropy.value is not None:
        error = f" ± {entropy.error:.2g} (standard error)" if entropy.note else ""
        yield f"entropy: {_sign(entropy)}{entropy.value:.6g} nats{error}\n"
    if view.wanted is not None:
        yield _wanted(view)
        yield f"{view.config.wanted_as}\n"
    yield from _notes(view)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if table.columns else "left", overflow="fold")
    return table


def _survivals(view: PriorView, survival: dict[str, Tensor]) -> Table:
    sign = _sign(view.overview.unit_survival)
    table = _table("Survival per unit (fraction)", "group", "units", "protected", "highest", "mean", "lowest")
    for name, values in survival.items():
        numbers = (f"{sign}{number:.4g}" for number in (values.max().item(), values.mean().item(), values.min().item()))
        table.add_row(name, f"{len(values):,}", f"{view.prior.units.num_protected(name):,}", *numbers)
    return table


def _widths(view: PriorView) -> Table:
    table = _table("Width of each group (units)", "group", "mean", "sd", "mode", "5 %", "95 %")
    for name, answer in view.overview.width_laws.items():
        table.add_row(name, *_law(answer))
    table.add_section()
    table.add_row("all groups", *_law(view.overview.size_law))
    return table


def _law(answer: Answer[CountLaw]) -> tuple[str, ...]:
    law = answer.value
    if law is None:
        return ("-",) * 5
    quantiles = (f"{law.quantile(level):,}" for level in (0.05, 0.95))
    return (f"{_sign(answer)}{law.mean:.5g}", f"{law.sd:.4g}", f"{law.mode:,}", *quantiles)


def _sign(answer: Answer[Any]) -> str:
    """What stands before a number that is not exact."""
    return "≈ " if answer.note else ""


def _models(view: PriorView) -> Table:
    models = view.overview.most_probable.value or []
    names = [group.name for group in view.architecture.groups]
    together = len(names) > _FEW_GROUPS
    columns = ["in network order"] if together else names
    table = _table("Most probable models: units present", "", *columns, "log prob. (nats)")
    for place, (sub, log_prob) in enumerate(models, 1):
        cells = [f"{sub.widths[name]}{_which(sub.survivors[name])}" for name in names]
        shown = ["-".join(str(sub.widths[name]) for name in names)] if together else cells
        table.add_row(f"{place}", *shown, f"{log_prob:.6g}")
    return table


def _which(units: list[int]) -> str:
    """Which units are present, if that is short to say."""
    found = runs(units)
    if not found or len(found) > _FEW_RUNS:
        return ""
    return f" ({', '.join(str(a) if a == b else f'{a}-{b}' for a, b in found)})"


def _wanted(view: PriorView) -> Table:
    assert view.wanted is not None
    table = _table("Guidance for the wanted mean width", "group", "mean width", "strength s", "first s g_u", "last s g_u")
    for name, strength in view.wanted.strengths.items():
        values = view.wanted.values[name]
        ends = (f"{values[0].item():.4g}", f"{values[-1].item():.4g}")
        table.add_row(name, f"{view.wanted.mean_widths[name]:.6g}", f"{strength:.6g}", *ends)
    return table


def _notes(view: PriorView) -> Iterator[str]:
    """One line for each reason why something is estimated (marked ≈ above) or not available."""
    found = view.overview
    answers: dict[str, Answer[Any]] = {
        "survival": found.unit_survival,
        **{f"width of {name}": answer for name, answer in found.width_laws.items()},
        "width of all groups": found.size_law,
        "most probable models": found.most_probable,
        "entropy": found.entropy,
    }
    by_reason: dict[str, list[str]] = {}
    for name, answer in answers.items():
        if answer.note:
            by_reason.setdefault(answer.note, []).append(name)
    for reason, names in by_reason.items():
        missing = answers[names[0]].value is None
        error = max(answers[name].error for name in names)
        state = "not available" if missing else f"standard error up to {error:.2g}"
        more = f" and {len(names) - _FEW_NAMES} more" if len(names) > _FEW_NAMES else ""
        yield f"{', '.join(names[:_FEW_NAMES])}{more}: {state}: {reason}"
