"""YAML as configurations need it: safe, 1e-3 is a number, and a key given twice is an error."""

import re
from pathlib import Path
from typing import Any

import yaml

from bayes_guided.exceptions import ConfigError

# YAML 1.2's floats; PyYAML follows YAML 1.1, in which 1e-3 is text.
_FLOAT = re.compile(
    r"""^(?:[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's floats and without silent overwriting."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping, unless a key comes twice."""
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.YAMLError(
                        f"key '{key.value}' is given twice, the second time in line {key.start_mark.line + 1}"
                    )
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def parse_yaml(text: str, source: str) -> Any:
    """The values of a YAML text; `source` names it in errors.

    Raises:
        ConfigError: if the text is no YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise ConfigError(f"{source} cannot be read as YAML: {' '.join(str(error).split())}") from error


def read_yaml(path: Path) -> Any:
    """The values of a YAML file.

    Raises:
        ConfigError: if the file is missing, unreadable, or no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"the configuration '{path}' cannot be read: {reason}.") from error
    return parse_yaml(text, f"'{path}'")
