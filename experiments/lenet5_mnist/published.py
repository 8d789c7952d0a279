"""Published sizes of LeNet-5-Caffe and what they cost by formula, in the package's count of MACs."""

from collections.abc import Sequence
from dataclasses import dataclass

POSITIONS = (24 * 24, 8 * 8)
"""Places where each convolution's 5 x 5 filters are applied."""


@dataclass(frozen=True)
class Size:
    """Widths a-b-c-d: channels, channels, features that the first linear layer reads, its hidden units."""

    widths: tuple[int, int, int, int]

    @property
    def parameters(self) -> int:
        """Weights and biases (count)."""
        a, b, c, d = self.widths
        return (25 + 1) * a + (25 * a + 1) * b + (c + 1) * d + (d + 1) * 10

    @property
    def macs(self) -> int:
        """Multiply-accumulates per image (count)."""
        a, b, c, d = self.widths
        return POSITIONS[0] * 25 * a + POSITIONS[1] * 25 * a * b + c * d + d * 10

    def __str__(self) -> str:
        return "-".join(map(str, self.widths))


@dataclass(frozen=True)
class Published:
    """One line of the literature: MNIST test error in percent, which many of the codes report as the best one seen."""

    method: str
    size: Size
    error: float


FULL = Size((20, 50, 800, 500))
PUBLISHED = (
    Published("SSL, group lasso", Size((3, 12, 800, 500)), 1.00),
    Published("Sparse VD", Size((17, 32, 329, 75)), 0.75),
    Published("SBP", Size((3, 18, 284, 283)), 0.9),
    Published("BC-GNJ", Size((8, 13, 88, 13)), 1.0),
    Published("BC-GHS", Size((5, 10, 76, 16)), 1.0),
    Published("L0 hard concrete", Size((20, 25, 45, 462)), 0.9),
    Published("L0 hard concrete, separate", Size((9, 18, 65, 25)), 1.0),
)


@dataclass(frozen=True)
class Bar:
    """What a setting is to reach: an error in percent at a size below (or, `each_layer`, nowhere above) another."""

    size: Size
    error: float
    each_layer: bool = False

    def __str__(self) -> str:
        how = "no layer above" if self.each_layer else "fewer parameters and MACs than"
        return f"{how} {self.size} at ≤ {self.error:.1f} %"

    def fits(self, size: Size) -> bool:
        """Whether the size is small enough."""
        if self.each_layer:
            return all(own <= limit for own, limit in zip(size.widths, self.size.widths, strict=True))
        return size.parameters < self.size.parameters and size.macs < self.size.macs

    def verdict(self, sizes: Sequence[Size], error: float) -> str:
        """Pass, or by how much it is missed: `error` in percent is the mean over the networks of these sizes."""
        misses = []
        if error > self.error:
            misses.append(f"error by {error - self.error:.2f} points")
        large = [size for size in sizes if not self.fits(size)]
        if large:
            misses.append(f"size by {', '.join(self._excess(size) for size in large)}")
        return "pass" if not misses else f"missed: {'; '.join(misses)}"

    def _excess(self, size: Size) -> str:
        if self.each_layer:
            over = [max(0, own - limit) for own, limit in zip(size.widths, self.size.widths, strict=True)]
            return "-".join(f"+{more}" for more in over)
        parameters, macs = size.parameters - self.size.parameters, size.macs - self.size.macs
        return f"{parameters:+,} parameters and {macs:+,} MACs"


BARS = {
    "A": Bar(Size((5, 10, 76, 16)), 1.0),
    "B": Bar(Size((14, 13, 190, 20)), 0.8),
    "C": Bar(Size((4, 9, 60, 14)), 0.9, each_layer=True),
}
