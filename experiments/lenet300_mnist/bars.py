"""The published networks, and what each setting has to beat."""

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.cases import Row

Widths = tuple[int, int, int]
"""Pixels read, and units of the two hidden layers."""


@dataclass(frozen=True)
class Published:
    """A network of the literature: errors in percent, as printed there, from the lower to the higher where sources differ."""

    method: str
    widths: Widths
    errors: tuple[float, float]
    note: str = ""


PUBLISHED = (
    Published("VIBNet", (97, 71, 33), (1.6, 1.6)),
    Published("L0 hard concrete, separate", (266, 88, 33), (1.6, 1.8), "sources differ"),
    Published("L0 hard concrete", (219, 214, 100), (1.4, 1.4), "from memory"),
    Published("BC-GNJ", (278, 98, 13), (1.8, 1.8), "from memory"),
    Published("BC-GHS", (311, 86, 14), (1.8, 1.8), "from memory"),
)


@dataclass(frozen=True)
class Bar:
    """A network to beat, by a setting's: every layer at most as wide or, if not `layerwise`, fewer parameters and MACs.

    `error` is the largest mean test error, in percent.
    """

    setting: str
    widths: Widths
    error: float
    layerwise: bool

    def says(self) -> str:
        """The bar in words."""
        size = "-".join(map(str, self.widths))
        what = f"no layer wider than {size}" if self.layerwise else f"fewer parameters and MACs than {size}"
        return f"{what}, at most {self.error} %"

    def verdict(self, networks: Sequence[Row], name: str = "error") -> str:
        """Whether the networks of all seeds are small enough, and their mean error is; what is missed, and by how much.

        `name` is that of the error (a fraction) in the rows.
        """
        missed = []
        if self.layerwise:
            widest = [max(row["widths"][layer] for row in networks) for layer in range(3)]
            if any(found > allowed for found, allowed in zip(widest, self.widths, strict=True)):
                missed.append(f"widest {'-'.join(map(str, widest))}")
        else:
            allowed = {"parameters": parameters(self.widths), "macs": macs(self.widths)}
            over = {count: max(row[count] for row in networks) - most for count, most in allowed.items()}
            missed += [f"{excess + 1:,} {count} too many" for count, excess in over.items() if excess >= 0]
        error = 100 * sum(row[name] for row in networks) / len(networks)
        if error > self.error + 1e-9:
            missed.append(f"{error - self.error:.2f} points above the error")
        return "missed: " + ", ".join(missed) if missed else "pass"


BARS = {
    "A": Bar("medium", (266, 88, 33), 1.6, layerwise=True),
    "B": Bar("medium", (311, 86, 14), 1.8, layerwise=False),
    "C": Bar("small", (97, 71, 33), 1.6, layerwise=True),
}


def macs(widths: Sequence[int]) -> int:
    """Multiply-accumulates of a fully connected network with these widths and ten outputs."""
    first, second, third = widths
    return first * second + second * third + third * 10


def parameters(widths: Sequence[int]) -> int:
    """Weights and biases of the same network."""
    return macs(widths) + widths[1] + widths[2] + 10
