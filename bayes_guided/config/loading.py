"""From YAML to checked settings, with errors that say where and what instead."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from bayes_guided.exceptions import ConfigError

from .models import RunConfig
from .prior_config import PriorConfig
from .settings import Settings, nearest
from .yaml_files import parse_yaml, read_yaml

Config = TypeVar("Config", bound=Settings)


def load_config(path: str | Path, *, overrides: Sequence[str] = (), data_dir: Path | None = None) -> RunConfig:
    """The settings in a YAML file, relative paths made absolute; the file's name is the run's unless it has its own.

    `overrides` are texts like "fit.epochs=5", whose values are YAML. Relative data paths lie in `data_dir` if it is given;
    all others beside the file.

    Raises:
        ConfigError: for a file that is missing or no YAML, an unknown key, a wrong type or a value out of range, with the
            dotted path of each.
    """
    path = Path(path)
    return parse_config(read_named(path), source=str(path), folder=path.parent, overrides=overrides, data_dir=data_dir)


def load_prior_config(path: str | Path, *, overrides: Sequence[str] = (), data_dir: Path | None = None) -> PriorConfig:
    """The settings of a prior that is to be shown, from a YAML file, as `load_config` reads those of a run.

    Raises:
        ConfigError: as `load_config`.
    """
    path = Path(path)
    config = validated(PriorConfig, read_named(path), source=str(path), overrides=overrides)
    return config.with_paths(config_folder=path.parent.resolve(), data_dir=data_dir)


def parse_config(
    raw: Any, *, source: str, folder: Path, overrides: Sequence[str] = (), data_dir: Path | None = None
) -> RunConfig:
    """The settings in plain values; `source` names them in errors, `folder` is what relative paths are relative to.

    Raises:
        ConfigError: as `load_config`.
    """
    config = validated(RunConfig, raw, source=source, overrides=overrides)
    return config.with_paths(config_folder=folder.resolve(), data_dir=data_dir)


def read_named(path: Path) -> Any:
    """The values of a YAML file; a mapping without a name gets the file's.

    Raises:
        ConfigError: if the file is missing or no YAML.
    """
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        return raw
    return {"name": re.sub(r"[^\w.-]+", "-", path.stem).strip("-.") or "run", **raw}


def validated(model: type[Config], raw: Any, *, source: str, overrides: Sequence[str]) -> Config:
    """Plain values with their overrides as checked settings.

    Raises:
        ConfigError: as `load_config`.
    """
    if not isinstance(raw, dict):
        raise ConfigError(f"'{source}' holds {_kind(raw)}; a configuration is a mapping with net, data and prior.")
    for override in overrides:
        raw = _overridden(raw, override)
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems = "; ".join(_problem(dict(item), raw) for item in error.errors())
        raise ConfigError(f"'{source}': {problems}.") from error


def to_yaml(config: Settings) -> str:
    """The settings as YAML that reads back to the same."""
    return yaml.safe_dump(config.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True)


def _overridden(raw: dict[Any, Any], override: str) -> dict[Any, Any]:
    key, separator, text = override.partition("=")
    path = key.strip().split(".")
    if not separator or not all(path):
        raise ConfigError(f"'--set {override}' is not of the form KEY.SUBKEY=VALUE.")
    return _with_value(raw, path, parse_yaml(text, f"the value of '--set {override}'"), override)


def _with_value(node: Any, path: list[str], value: Any, override: str) -> dict[Any, Any]:
    if not isinstance(node, dict):
        raise ConfigError(f"'--set {override}': there is {node!r} where '{path[0]}' should be set, and that has no keys.")
    if len(path) == 1:
        return {**node, path[0]: value}
    return {**node, path[0]: _with_value(node.get(path[0], {}), path[1:], value, override)}


def _problem(error: dict[str, Any], raw: dict[Any, Any]) -> str:
    path = _dotted(error["loc"], raw, missing=error["type"] == "missing")
    context = error.get("ctx", {})
    match error["type"]:
        case "unknown_key":
            return "; ".join(_unknown(path, key, context) for key in context["unknown"])
        case "missing":
            return f"'{path}' is missing"
        case "union_tag_not_found":
            key = context["discriminator"].strip("'")
            return f"'{_join(path, key)}' is missing"
        case "union_tag_invalid":
            key = context["discriminator"].strip("'")
            return _not_one_of(_join(path, key), context["tag"], _quoted(context["expected_tags"]))
        case "literal_error":
            return _not_one_of(path, error["input"], _quoted(context["expected"]))
        case "unknown_name":
            return _not_one_of(path, error["input"], context["expected"])
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"'{path}' is {error['input']!r}, but should be a mapping of settings"
        case "contradiction":
            return f"'{path}': {error['msg']}" if path else error["msg"]
    _, _, expectation = error["msg"].partition(" should ")  # as in "List should have at least 1 item after validation"
    return f"'{path}' is {error['input']!r}, but should {expectation.replace(' after validation', '') or error['msg']}"


def _unknown(path: str, key: str, context: dict[str, Any]) -> str:
    place = context["elsewhere"].get(key)
    if place is not None:
        return f"'{_join(path, key)}' belongs elsewhere: write it as '{_join(path, place)}'"
    return f"unknown key '{_join(path, key)}', the nearest known one is '{_join(path, nearest(key, context['known']))}'"


def _quoted(text: str) -> list[str]:
    """The words that pydantic put into quotation marks."""
    return re.findall(r"'([^']*)'", text)


def _not_one_of(path: str, given: Any, known: list[str]) -> str:
    return f"'{path}' is {given!r}, the nearest known one is {nearest(str(given), known)!r} (of {', '.join(known)})"


def _dotted(loc: tuple[str | int, ...], raw: Any, *, missing: bool) -> str:
    """The path as the user wrote it: pydantic puts the tags of unions between the keys, which are in no file."""
    node, keys = raw, []
    for place, part in enumerate(loc):
        found, child = _child(node, part)
        node = child if found else node
        if found or (missing and place == len(loc) - 1):
            keys.append(str(part))
    return ".".join(keys)


def _child(node: Any, part: str | int) -> tuple[bool, Any]:
    """Whether the node has the key or place, and what is there."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    return (True, node[part]) if isinstance(node, dict) and part in node else (False, None)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
