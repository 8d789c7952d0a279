"""Where a searched setting may lie: choices, or a range of numbers."""

import json
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from bayes_guided.config.settings import Settings


class Choices(Settings):
    """One of these values, of any kind that YAML has."""

    choices: Annotated[list[Any], Field(min_length=1)]

    @field_validator("choices")
    @classmethod
    def _distinct(cls, choices: list[Any]) -> list[Any]:
        try:
            texts = [json.dumps(choice, sort_keys=True, allow_nan=False) for choice in choices]
        except (TypeError, ValueError) as error:
            raise PydanticCustomError(
                "contradiction", "'choices' holds what is no plain value, such as a date or nan"
            ) from error
        if len(set(texts)) < len(texts):
            raise PydanticCustomError("contradiction", "'choices' holds a value twice")
        return choices

    @property
    def values(self) -> list[Any]:
        """All of them."""
        return self.choices

    @property
    def first(self) -> Any:
        """The first of them."""
        return self.choices[0]


class Range(Settings):
    """A number from `low` to `high`, on a `log` scale, in a `step`, or `whole`."""

    low: float
    high: float
    log: bool = False
    step: Annotated[float, Field(gt=0)] | None = None
    whole: bool = False

    @model_validator(mode="after")
    def _possible(self) -> "Range":
        if not self.low < self.high:
            raise PydanticCustomError("contradiction", "'low' must be below 'high'")
        if self.log and (self.low <= 0 or self.step is not None):
            raise PydanticCustomError("contradiction", "a 'log' range starts above 0 and has no 'step'")
        if self.whole and any(value != round(value) for value in (self.low, self.high, self.step or 1)):
            raise PydanticCustomError("contradiction", "a 'whole' range has whole 'low', 'high' and 'step'")
        return self

    @property
    def values(self) -> list[Any]:
        """All of them, for a grid; empty where there are infinitely many or they lie on a log scale."""
        step = self.step or (1.0 if self.whole and not self.log else None)
        if step is None:
            return []
        # In decimals: 0.1 + 2 * 0.1 is 0.3 then, as written, and not 0.30000000000000004.
        low, high, width = (Decimal(repr(number)) for number in (self.low, self.high, step))
        found = [low + place * width for place in range(int((high - low) / width) + 1)]
        return [round(value) if self.whole else float(value) for value in found]

    @property
    def first(self) -> Any:
        """The lowest of them."""
        return round(self.low) if self.whole else self.low


def _kind(where: Any) -> str:
    keys = where if isinstance(where, dict) else type(where).model_fields if isinstance(where, Settings) else ()
    return "choices" if "choices" in keys else "range"


Where = Annotated[Annotated[Choices, Tag("choices")] | Annotated[Range, Tag("range")], Discriminator(_kind)]
"""Either, told apart by the key `choices`, so that an error speaks of the one that was meant."""
