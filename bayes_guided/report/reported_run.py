"""What a report is about: finished runs, each with its comparison of prior and posterior."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bayes_guided.comparison import Comparison
from bayes_guided.config import RunConfig
from bayes_guided.exceptions import ArchitectureMismatchError, ComparisonError, RunFolderError
from bayes_guided.infer import Fit
from bayes_guided.run import Metrics, load_run


@dataclass(frozen=True, eq=False)
class ReportedRun:
    """A finished run under the name by which the report calls it; `path` is its folder as the user gave it."""

    name: str
    path: Path
    config: RunConfig
    metrics: Metrics
    fit: Fit
    comparison: Comparison


def read_reported(folders: Sequence[str | Path]) -> list[ReportedRun]:
    """The runs of these folders, named after them.

    Raises:
        RunFolderError: if a folder holds no finished run, or its metrics are damaged or of another version.
        ConfigError, CheckpointError, ComparisonFileError: if another of its files is missing, damaged or of another version.
        ArchitectureMismatchError: if its files belong to different networks.
        ComparisonError: if there is no folder, or two have the same name.
    """
    if not folders:
        raise ComparisonError("there is nothing to report; give the folder of a finished run.")
    places = [Path(folder) for folder in folders]
    names = [place.resolve().name for place in places]
    if len(set(names)) < len(names):
        raise ComparisonError("two of the folders have the same name, by which runs are told apart; rename one.")
    return [_read(name, place) for name, place in zip(names, places, strict=True)]


def _read(name: str, place: Path) -> ReportedRun:
    saved = load_run(place)
    _check_types(saved.metrics, saved.folder.metrics)
    comparison = Comparison.from_netcdf(saved.folder.comparison)
    if comparison.fits:
        raise ComparisonError(f"'{saved.folder.comparison}' holds several fits, not that of this run; compare anew.")
    found = ReportedRun(name, place, saved.config, saved.metrics, saved.fit, comparison)
    check_architectures(found)
    return found


def _check_types(metrics: Metrics, path: Path) -> None:
    try:
        TypeAdapter(Metrics).validate_json(json.dumps(asdict(metrics)), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RunFolderError(
            f"'{path}' is damaged: {where}: {first['msg'].lower()}; restore it or run anew in another folder."
        ) from error


def check_architectures(run: ReportedRun) -> None:
    """Holds the fit, its numbers and its comparison with the prior against one another.

    Raises:
        ArchitectureMismatchError: if they do not have the same groups of units.
    """
    dataset = run.comparison.dataset
    sizes = {group.name: group.size for group in run.fit.architecture.groups}
    compared = dict(zip(run.comparison.groups, map(int, dataset["num_units"].values), strict=True))
    measured = dict(zip(run.metrics.group_names, run.metrics.widths_before, strict=False))
    for file, found in (("comparison.nc", compared), ("metrics.json", measured)):
        if found != sizes:
            raise ArchitectureMismatchError(
                f"'{run.path / file}' is of a network with {_shown(found)}, the fit beside it of one with {_shown(sizes)}: "
                "the files belong to different runs; restore them, or run anew in another folder."
            )


def _shown(sizes: dict[str, int]) -> str:
    return ", ".join(f"{size} units in {name}" for name, size in sizes.items()) or "no units"
