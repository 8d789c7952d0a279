"""Settings of laws of widths: one for all groups, or one for each."""

from typing import Annotated, Any, Literal

import torch
from pydantic import BeforeValidator, Discriminator, Field, Tag

from bayes_guided.priors import Table, WidthLaw, geometric, negative_binomial, poisson, uniform

from .settings import Positive, Settings

CountFromZero = Annotated[int, Field(ge=0)]


class Geometric(Settings):
    """Each further unit costs the same; `mean` is the mean before the law is cut to minimum..U."""

    kind: Literal["geometric"]
    mean: Positive
    minimum: CountFromZero = 1

    def build(self) -> WidthLaw:
        """The law."""
        return geometric(self.mean, minimum=self.minimum)


class Poisson(Settings):
    """Widths around `mean`, the mean before the law is cut to minimum..U."""

    kind: Literal["poisson"]
    mean: Positive
    minimum: CountFromZero = 1

    def build(self) -> WidthLaw:
        """The law."""
        return poisson(self.mean, minimum=self.minimum)


class NegativeBinomial(Settings):
    """Variance mean + mean^2 / dispersion before the law is cut to minimum..U."""

    kind: Literal["negative_binomial"]
    mean: Positive
    dispersion: Positive
    minimum: CountFromZero = 1

    def build(self) -> WidthLaw:
        """The law."""
        return negative_binomial(self.mean, self.dispersion, minimum=self.minimum)


class Uniform(Settings):
    """Every width from the minimum on equally probable."""

    kind: Literal["uniform"]
    minimum: CountFromZero = 1

    def build(self) -> WidthLaw:
        """The law."""
        return uniform(minimum=self.minimum)


class TableOfWidths(Settings):
    """Probabilities of 0, 1, ..., U units, which sum to 1."""

    kind: Literal["table"]
    probabilities: list[float]

    def build(self) -> WidthLaw:
        """The law.

        Raises:
            WidthLawError: if the numbers are no probabilities.
        """
        return Table(torch.tensor(self.probabilities, dtype=torch.float64))


def _spelled_out(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


def _form(value: Any) -> str:
    return "groups" if isinstance(value, dict) and "kind" not in value and _all_laws(value) else "law"


def _all_laws(value: dict[Any, Any]) -> bool:
    """Whether every entry is itself a law, as given or as read; {} and {mean: 3} are one law whose kind is missing."""
    return bool(value) and all(isinstance(entry, dict | str | Settings) for entry in value.values())


Law = Annotated[
    Annotated[Geometric | Poisson | NegativeBinomial | Uniform | TableOfWidths, Field(discriminator="kind")],
    BeforeValidator(_spelled_out),
]

Laws = Annotated[
    Annotated[Law, Tag("law")] | Annotated[dict[str, Law], Tag("groups")],
    Discriminator(_form),
]
"""One law for all groups, or one for each by name."""


def build_laws(laws: Laws) -> WidthLaw | dict[str, WidthLaw]:
    """The law, or the laws of the groups.

    Raises:
        WidthLawError: if a table holds no probabilities.
    """
    return {name: law.build() for name, law in laws.items()} if isinstance(laws, dict) else laws.build()
