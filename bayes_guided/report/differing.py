"""How the settings of several runs differ."""

from collections.abc import Sequence
from typing import Any

from bayes_guided.config import RunConfig

from .numbers import NONE
from .reported_run import ReportedRun
from .tables import Table

_STRENGTHS = ("prior.strength", "models.strength")


def differing_settings(configs: Sequence[RunConfig]) -> list[str]:
    """Dotted names of the settings that are not the same in all, the run's name left out."""
    flat = [_flat(config.model_dump(mode="json")) for config in configs]
    keys = dict.fromkeys(key for settings in flat for key in settings)
    return [key for key in keys if key != "name" and len({repr(settings.get(key)) for settings in flat}) > 1]


def strengths_apart(configs: Sequence[RunConfig]) -> list[float] | None:
    """The strengths of runs that differ in nothing else, which make a regularisation path; None if they do not."""
    differing = differing_settings(configs)
    if len(differing) != 1 or differing[0] not in _STRENGTHS:
        return None
    strengths = [_flat(config.model_dump(mode="json")).get(differing[0]) for config in configs]
    numbers = [float(strength) for strength in strengths if isinstance(strength, int | float)]
    return numbers if len(set(numbers)) == len(configs) else None


def settings_table(runs: Sequence[ReportedRun]) -> Table:
    """The settings in which the runs differ, a row each and a column per run."""
    flat = [_flat(run.config.model_dump(mode="json")) for run in runs]
    keys = differing_settings([run.config for run in runs])
    rows = [[key, *(str(settings.get(key, NONE)) for settings in flat)] for key in keys]
    return Table("Settings in which the runs differ.", ["setting", *(run.name for run in runs)], rows)


def _flat(node: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(node, dict):
        return {path: node}
    return {
        key: value
        for name, inner in node.items()
        for key, value in _flat(inner, f"{path}.{name}" if path else str(name)).items()
    }
