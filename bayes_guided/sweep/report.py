"""One HTML page on a sweep, and beside it the report of the runs on its front."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from bayes_guided.exceptions import OutputExistsError, StorageError
from bayes_guided.files import write_atomically
from bayes_guided.plots.style import COLUMN_WIDTH
from bayes_guided.report import write_report
from bayes_guided.report.figures import Picture, inline_svg
from bayes_guided.report.pages import page_templates
from bayes_guided.report.tables import Table
from bayes_guided.run.folder import RunFolder

from . import figures
from .store import Store, Trial
from .table import as_text

_COMPARED = 8
"""The report of the front's runs has so many of them, those that are best in the first objective."""


@dataclass(frozen=True)
class SweepReport:
    """The pages that were written; `runs` is None where no run of the front lies in the sweep's folder."""

    page: Path
    runs: Path | None


def write_sweep_report(store: Store, folder: str | Path, out: str | Path | None = None, *, force: bool = False) -> SweepReport:
    """Writes the page on a sweep, `report.html` in its folder without `out`, and `front.html` on its best runs beside it.

    Raises:
        OutputExistsError: if one of the files exists, unless `force`; they stay as they are.
        StorageError: if no trial is complete yet, or the store cannot be reached.
        RunFolderError: if a file cannot be written; else as `write_report` for the runs.
    """
    folder = Path(folder)
    page = folder / "report.html" if out is None else Path(out)
    runs_page = page.with_name("front.html" if out is None else f"{page.stem}-front.html")
    for target in (page, runs_page):
        if target.exists() and not force:
            raise OutputExistsError(f"'{target}' exists and is kept; give another file with --out, or --force to replace it.")
    best = store.front()
    if not best:
        failed = sum(trial.state == "failed" for trial in store.trials())
        mend = f"{failed} failed: `sweep status` says why" if failed else "look again when one is"
        raise StorageError(f"no trial of the sweep in '{folder}' is complete yet; {mend}.")
    places = [folder / "trials" / f"{trial.number:04d}" for trial in best[:_COMPARED]]
    there = [place for place in places if RunFolder(place).finished]
    linked = write_report(there, runs_page, force=force) if there else None
    write_atomically(page, _html(store, best, folder.resolve().name, linked).encode())
    return SweepReport(page, linked)


def _html(store: Store, best: Sequence[Trial], name: str, linked: Path | None) -> str:
    trials = store.trials()
    counts = {state: sum(trial.state == state for trial in trials) for state in ("complete", "running", "failed")}
    context: dict[str, Any] = {
        "name": name,
        "counts": counts,
        "total": len(trials),
        "best": _table("Trials that no other beats in all objectives.", store, best),
        "runs": None if linked is None else linked.name,
        "pictures": _pictures(store, trials, best),
        "trials": _table("Every trial; its run lies in trials/ under its number, of four digits.", store, trials),
        "failures": [(trial.number, trial.failure) for trial in trials if trial.failure],
        "version": version("bayes-guided"),
    }
    return page_templates("bayes_guided.sweep").get_template("sweep.html").render(context)


def _pictures(store: Store, trials: Sequence[Trial], best: Sequence[Trial]) -> list[Picture]:
    objectives, shares = store.objectives, store.importances()
    front = figures.front(trials, best, objectives).figure
    found = [_picture("Front" if len(objectives) > 1 else "Best so far", front, figures.front)]
    if shares:
        found.append(_picture("Importance of settings", figures.importances(shares).figure, figures.importances))
    return [*found, _picture("Path of every setting", figures.paths(trials, best, list(objectives)), figures.paths)]


def _picture(title: str, figure: Any, drawn_by: Callable[..., Any]) -> Picture:
    shows, reading = (" ".join(part.split()) for part in (inspect.getdoc(drawn_by) or "").split("\n\n")[:2])
    assert isinstance(figure, Figure)  # a subfigure is never drawn on here
    svg = inline_svg(figure, title.lower().replace(" ", "-"), f"{title}. {shows}")
    return Picture(title, svg, shows, reading, wide=bool(figure.get_size_inches()[0] > 2 * COLUMN_WIDTH))


def _table(caption: str, store: Store, trials: Sequence[Trial]) -> Table:
    keys = list(dict.fromkeys(key for trial in trials for key in trial.values))
    rows = [
        [
            str(trial.number),
            trial.state,
            *(as_text(trial.results.get(name, "")) for name in store.objectives),
            *(as_text(trial.values[key]) for key in keys),
            "" if trial.seconds is None else f"{trial.seconds:.1f}",
        ]
        for trial in trials
    ]
    return Table(caption, ["trial", "state", *store.objectives, *keys, "seconds"], rows)
