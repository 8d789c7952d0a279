"""Units that no channel graph shows: the heads of attention layers, and blocks behind a single gate."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .unit_group import ProtectedLayer, UnitGroup


@dataclass(frozen=True, eq=False)
class Finding:
    """A group of units, with every reason that speaks against removing them."""

    group: UnitGroup
    reasons: tuple[str, ...] = ()

    def with_reason(self, reason: str | None) -> "Finding":
        """The finding with one more reason; unchanged for None."""
        return self if reason is None else replace(self, reasons=(*self.reasons, reason))


def as_protected_units(findings: Sequence[Finding]) -> tuple[ProtectedLayer, ...]:
    """One entry per finding with a reason."""
    return tuple(ProtectedLayer(f.group.name, f.group.size, "; ".join(f.reasons)) for f in findings if f.reasons)
