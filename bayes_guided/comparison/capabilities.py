"""What some fits know beyond what every fit answers."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class KnowsIndependence(Protocol):
    """A fit that can say that its units are independent of one another."""

    def independent_units(self, reading: str) -> bool:
        """Whether units are independent under this posterior and reading, so that their marginals are its whole law."""
        ...
