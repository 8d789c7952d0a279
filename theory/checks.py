"""One line of the table that `python -m theory` prints: a closed form beside an independent number."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """A proposition's number computed twice.

    `tolerance` is absolute: rounding or quadrature error, or four standard errors where `reference` is Monte Carlo.
    """

    proposition: str
    claim: str
    value: float
    reference: float
    tolerance: float

    @property
    def error(self) -> float:
        """Absolute difference of the two numbers."""
        return abs(self.value - self.reference)

    @property
    def passed(self) -> bool:
        """True iff the two agree within the tolerance; a NaN never passes."""
        return self.error <= self.tolerance
