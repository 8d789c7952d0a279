"""What all models of settings share: frozen, strictly typed, and no key that nobody knows."""

from difflib import get_close_matches
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Positive = Annotated[float, Field(gt=0)]


def nearest(name: str, known: list[str]) -> str:
    """The known name that is spelled most like `name`."""
    return get_close_matches(name, known, n=1, cutoff=0.0)[0]


class Settings(BaseModel):
    """A frozen model that converts nothing but whole numbers to floats, and refuses unknown keys.

    The refusal is an error of type "unknown_key" whose context holds the `unknown` and the `known` keys, and where keys that
    are known `elsewhere` belong, as dotted paths.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
    elsewhere: ClassVar[dict[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, values: Any) -> Any:
        unknown = [str(key) for key in values if key not in cls.model_fields] if isinstance(values, dict) else []
        if unknown:
            context = {"unknown": unknown, "known": list(cls.model_fields), "elsewhere": cls.elsewhere}
            raise PydanticCustomError("unknown_key", "unknown key", context)
        return values
