"""Settings of the network."""

import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError
from torch import nn

from bayes_guided import nets
from bayes_guided.exceptions import BayesGuidedError, ConfigError

from .settings import Settings


class NetSettings(Settings):
    """A network by registry `name`, or the user's own as `module: FILE.py:FUNCTION`; `settings` go to its factory.

    `protect` names layers whose units stay in every model.
    """

    name: str | None = None
    module: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    protect: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_of_two(self) -> "NetSettings":
        if (self.name is None) == (self.module is None):
            raise PydanticCustomError("contradiction", "give either 'name' (of the registry) or 'module' (FILE.py:FUNCTION)")
        return self

    @field_validator("name")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None and name not in nets.NETS:
            raise PydanticCustomError("unknown_name", "unknown name", {"expected": [*nets.NETS]})
        return name

    def build(self) -> nn.Module:
        """The network, freshly initialised from torch's generator.

        Raises:
            ConfigError: if a setting does not fit the factory, or the file has no such function.
        """
        try:
            if self.name is not None:
                return nets.build(self.name, **self.settings)
            return nets.load_callable(str(self.module))(**self.settings)
        except BayesGuidedError:
            raise
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"'net.settings' {self.settings} do not build '{self.name or self.module}': {error}; mend the settings."
            ) from error

    def completed(self, sizes: Mapping[str, int]) -> "NetSettings":
        """With those of the `sizes` that a registry network takes and the settings leave out; others stay as they are."""
        if self.name is None:
            return self
        taken = inspect.signature(nets.NETS[self.name]).parameters
        wanted = {name: size for name, size in sizes.items() if name in taken}
        return self.model_copy(update={"settings": {**wanted, **self.settings}})
