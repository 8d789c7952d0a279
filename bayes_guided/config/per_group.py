"""Settings that are one number for all groups, or one for each by name."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import Discriminator, Field, Tag

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ConfigError

from .settings import Positive, nearest

T = TypeVar("T")


def _form(value: Any) -> str:
    return "groups" if isinstance(value, dict) else "number"


Count = Annotated[int, Field(ge=0)]
Counts = Annotated[Annotated[Count, Tag("number")] | Annotated[dict[str, Count], Tag("groups")], Discriminator(_form)]
Amounts = Annotated[Annotated[Positive, Tag("number")] | Annotated[dict[str, Positive], Tag("groups")], Discriminator(_form)]


def for_groups(value: T | Mapping[str, T], architecture: Architecture, path: str) -> dict[str, T]:
    """The value of every group that has one; `path` names the setting in errors.

    Raises:
        ConfigError: if a group is named that does not exist.
    """
    names = [group.name for group in architecture.groups]
    if not isinstance(value, Mapping):
        return dict.fromkeys(names, value)
    require_groups(value, names, path)
    return dict(value)


def require_groups(given: Iterable[str], names: list[str], path: str) -> None:
    """Refuses names that are no group's.

    Raises:
        ConfigError: with the nearest name.
    """
    for name in given:
        if name not in names:
            raise ConfigError(
                f"'{path}' names '{name}', which is no group; the nearest is '{nearest(name, names)}' (of {', '.join(names)})."
            )
