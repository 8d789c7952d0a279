"""Units that no channel graph shows: the heads of attention layers, and blocks behind a single gate."""

from dataclasses import dataclass, replace

from .unit_group import UnitGroup


@dataclass(frozen=True, eq=False)
class Finding:
    """A group of units, with every reason that speaks against removing them."""

    group: UnitGroup
    reasons: tuple[str, ...] = ()

    def with_reason(self, reason: str | None) -> "Finding":
        """The finding with one more reason; unchanged for None."""
        return self if reason is None else replace(self, reasons=(*self.reasons, reason))
