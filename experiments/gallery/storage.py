"""The gallery's results on disk: comparisons as NetCDF, everything else as JSON."""

import json
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import bayes_guided as bg
from bayes_guided.analysis.occam import OccamCurve
from bayes_guided.analysis.reading_curves import ReadingCurves
from bayes_guided.analysis.regularisation import RegularisationPath
from bayes_guided.analysis.sbc import CalibrationTable
from bayes_guided.infer import History

RESULTS = Path(__file__).parent / "results"

_TYPES = (OccamCurve, ReadingCurves, RegularisationPath, CalibrationTable)
_WHOLE = {"sizes", "widths"}
"""Fields of counts; all other tensors are float64."""


def store(name: str, value: Any) -> None:
    """Writes a comparison to NAME.nc, anything else to NAME.json."""
    RESULTS.mkdir(exist_ok=True)
    if isinstance(value, bg.Comparison):
        value.to_netcdf(RESULTS / f"{name}.nc", force=True)
    else:
        (RESULTS / f"{name}.json").write_text(json.dumps(_plain(value)) + "\n")


def comparison(name: str) -> bg.Comparison:
    """A stored comparison."""
    return bg.Comparison.from_netcdf(RESULTS / f"{name}.nc")


def load(name: str) -> Any:
    """Anything else."""
    return _restored(json.loads((RESULTS / f"{name}.json").read_text()))


def _plain(value: Any) -> Any:
    if isinstance(value, History):
        return {"type": "History", "epochs": value.to_json()}
    if isinstance(value, Tensor):
        return [round(number, 6) if isinstance(number, float) else number for number in value.flatten().tolist()]
    if is_dataclass(value) and not isinstance(value, type):
        fields = {name: getattr(value, name) for name in asdict(value)}
        plain = {name: _plain(content) for name, content in fields.items()}
        shapes = {name: list(content.shape) for name, content in fields.items() if isinstance(content, Tensor)}
        return {"type": type(value).__name__, "shapes": shapes, **plain}
    if isinstance(value, dict):
        return {name: _plain(content) for name, content in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(content) for content in value]
    return value


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return [_restored(content) for content in value]
    if not isinstance(value, dict):
        return value
    kind, shapes = value.pop("type", None), value.pop("shapes", {})
    if kind == "History":
        return History.from_json(value["epochs"])
    if kind is None:
        return {name: _restored(content) for name, content in value.items()}
    fields = {name: _tensor(name, content, shapes.get(name)) for name, content in value.items()}
    (found,) = (each for each in _TYPES if each.__name__ == kind)
    return found(**fields)


def _tensor(name: str, content: Any, shape: list[int] | None) -> Any:
    if name == "widths":
        return {group: torch.tensor(counts) for group, counts in content.items()}
    if shape is None:
        return tuple(content) if isinstance(content, list) else content
    return torch.tensor(content, dtype=torch.int64 if name in _WHOLE else torch.float64).reshape(shape)
