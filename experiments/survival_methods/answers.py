"""What one method says of survival in one reading."""

from dataclasses import asdict, dataclass
from typing import Any

PRIOR, REFERENCE, AS_THEY_COME = "prior", "MCMC, relabelled", "MCMC"


@dataclass(frozen=True)
class Answer:
    """Survival of every unit, by one method in one reading.

    `values` are fractions, seeds by units, None where the method does not know the unit; `error` are ends of an interval, two
    lists of one fraction per unit, where the method has one. `at_least` are P(width >= k), seeds by k = 1 to U, None where
    there are no joint models. `convergence` has R-hat and bulk effective sample size of every unit, and of the width.
    `seconds` are the CPU's, of all fits behind the answer.
    """

    reading: str
    method: str
    values: list[list[float | None]]
    error: list[list[float]] | None = None
    at_least: list[list[float]] | None = None
    convergence: dict[str, Any] | None = None
    approximation: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @property
    def is_reference(self) -> bool:
        """Whether others are held against it."""
        return self.method == REFERENCE
