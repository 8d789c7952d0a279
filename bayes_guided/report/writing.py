"""From runs to the page, and the page to disk."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from markupsafe import Markup

from bayes_guided.comparison import side_by_side
from bayes_guided.exceptions import OutputExistsError
from bayes_guided.files import write_atomically
from bayes_guided.run.folder import RunFolder

from . import path_chart
from .asked import asked
from .cautions import cautions, notes, shared
from .differing import settings_table
from .figures import Picture, pictures
from .headline import Card, cards, summary
from .pages import page_templates
from .provenance import handover, provenance, settings_text
from .reported_run import ReportedRun, read_reported
from .tables import Table, group_table, run_table
from .unit_data import page_data


@dataclass(frozen=True)
class _Shown:
    """Everything that the page says of one run."""

    name: str
    summary: str
    asked: Sequence[Markup]
    cards: Sequence[Card]
    groups: Table
    pictures: Sequence[Picture]
    provenance: Table
    settings: str
    handover: str
    folder: str


def write_report(folders: Sequence[str | Path], out: str | Path | None = None, *, force: bool = False) -> Path:
    """Writes the report of one finished run, or of several side by side, and returns its file.

    Without `out` that is `report.html`, in the folder of a single run, else in the working folder.

    Raises:
        OutputExistsError: if the file exists, unless `force`; it stays as it is.
        RunFolderError, ConfigError, CheckpointError, ComparisonFileError, ArchitectureMismatchError, ComparisonError: as
            `read_reported`; RunFolderError too if the file cannot be written.
        ComparisonError: if the runs' readings differ.
    """
    target = _target(folders, out)
    if target.exists() and not force:
        raise OutputExistsError(f"'{target}' exists and is kept; give another file with --out, or --force to replace it.")
    write_atomically(target, html_report(read_reported(folders)).encode())
    return target


def run_report(folder: str | Path) -> Path:
    """The report in a finished run's own folder, written if it is not there yet.

    Raises:
        BayesGuidedError: as `write_report`.
    """
    place = RunFolder(Path(folder)).report
    return place if place.exists() else write_report([folder])


def html_report(runs: Sequence[ReportedRun]) -> str:
    """The page: one HTML document that needs nothing else.

    Raises:
        ComparisonError: if the runs' readings differ.
    """
    runs = list(runs)
    several = len(runs) > 1
    path = path_chart.path_of(runs)
    beside = side_by_side({run.name: run.comparison for run in runs}) if several else None
    context: dict[str, Any] = {
        "title": " and ".join(run.name for run in runs) if len(runs) < 3 else f"{len(runs)} runs",
        "runs": [_shown(run, f"r{place}") for place, run in enumerate(runs)],
        "several": several,
        "cautions": sorted(shared({run.name: cautions(run) for run in runs}), key=lambda found: not found[0].grave),
        "notes": shared({run.name: notes(run) for run in runs}),
        "compared": None if beside is None else run_table(runs, beside),
        "differing": settings_table(runs) if several else None,
        "path": path,
        "chart": path_chart,
        "data": _as_script_data(page_data(runs, path)),
        "version": version("bayes-guided"),
    }
    return page_templates().get_template("report.html").render(context)


def _target(folders: Sequence[str | Path], out: str | Path | None) -> Path:
    if out is not None:
        return Path(out)
    return RunFolder(Path(folders[0])).report if len(folders) == 1 else Path("report.html")


def _shown(run: ReportedRun, prefix: str) -> _Shown:
    return _Shown(
        name=run.name,
        summary=summary(run),
        asked=asked(run),
        cards=cards(run),
        groups=group_table(run.comparison),
        pictures=list(pictures(run, prefix)),
        provenance=provenance(run),
        settings=settings_text(run),
        handover=handover(run),
        folder=str(run.path),
    )


def _as_script_data(values: Any) -> Markup:
    """JSON that cannot end the element it stands in."""
    return Markup(json.dumps(values, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"))
