"""What some fits know beyond what every fit answers; `compare` asks and, where there is no answer, says so."""

from typing import Protocol, runtime_checkable

from bayes_guided.analysis.laplace import LaplaceEvidence
from bayes_guided.types import UnitValues


@runtime_checkable
class KnowsIndependence(Protocol):
    """A fit that can say that its units are independent of one another."""

    def independent_units(self, reading: str) -> bool:
        """Whether units are independent under this posterior and reading, so that their marginals are its whole law."""
        ...


@runtime_checkable
class HasEvidence(Protocol):
    """A fit with an estimate of the log evidence of its model."""

    @property
    def evidence(self) -> LaplaceEvidence:
        """log p(D | m) in nats, as fit plus log Occam factor."""
        ...


@runtime_checkable
class HasMargins(Protocol):
    """A fit that knows how far it is from deciding otherwise about each unit (P17)."""

    @property
    def margins(self) -> UnitValues:
        """The factor on a unit's rates at which it is just removed, (units,) per group; above 1 it is kept."""
        ...
