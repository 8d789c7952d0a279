"""What a comparison costs at 20 groups x 2,048 units, its file, and its table.

    python -m experiments.benchmarks.compare [--repeats N] [--draws N] [--out FILE]

CPU and wall seconds of one thread, medians. The fits are stand-ins without a network and without weights to draw, since what
these cost is the fit's own: one whose units are independent and know it, one of which joint models are drawn (correlated
units), and one point (exact zeros). The bar is 5 s on one core.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

import bayes_guided as bg
from bayes_guided import guidance, likelihoods
from bayes_guided.architecture import Architecture, SubArchitecture
from bayes_guided.architecture.costs import Costs, CostTerm
from bayes_guided.architecture.unit_group import Extent
from bayes_guided.comparison import Comparison, comparison_table
from bayes_guided.infer import Draws, Fit, History
from bayes_guided.priors import IndependentInclusion, SpikeAndSlabPrior
from bayes_guided.types import Rows

GROUPS, UNITS = 20, 2048


def chain() -> Architecture:
    """An architecture of 20 groups of 2,048 units, each coupled to the next by one weight a pair."""
    small = Architecture.from_module(nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)), torch.zeros(2, 3))
    names = [f"layer{place}" for place in range(GROUPS)]
    groups = tuple(replace(small.groups[0], name=name, size=UNITS) for name in names)
    terms = [CostTerm("input", 1, Fraction(1), (Extent(0, {names[0]: 1}), Extent(100, {})))]
    terms += [CostTerm(then, 1, Fraction(1), (Extent(0, {now: 1}), Extent(1, {then: 1}))) for now, then in pairwise(names)]
    costs = Costs(tuple(terms), dict.fromkeys(names, UNITS))
    return replace(small, groups=groups, costs=costs, fingerprint=f"{GROUPS} x {UNITS}")


@dataclass(frozen=True, eq=False)
class StandIn(Fit):
    """A posterior with given log odds, all units moved together by one normal of standard deviation `together`."""

    odds: dict[str, Tensor]
    together: float

    method: ClassVar[str] = "stand-in"

    @property
    def approximation(self) -> str:
        """None needed."""
        return "a stand-in of a benchmark"

    @property
    def readings(self) -> tuple[str, ...]:
        """Of a spike and slab."""
        return ("inclusion",)

    @property
    def rows(self) -> Rows:
        """Rows of three weights."""
        return {name: torch.ones(len(values), 3) for name, values in self.odds.items()}

    def sub_architecture(self) -> SubArchitecture:
        """The units above even odds."""
        return SubArchitecture(self.architecture, {name: values > 0 for name, values in self.odds.items()})

    def draws(self, n: int, generator: torch.Generator | None = None) -> Draws:
        """Masks without weights."""
        shift = self.together * torch.randn(n, 1, generator=generator)
        masks = {
            name: torch.rand(n, len(values), generator=generator) < (values + shift).sigmoid()
            for name, values in self.odds.items()
        }
        return Draws({}, torch.zeros(n, 0), masks=masks)

    def independent_units(self, reading: str) -> bool:
        """If nothing moves them together."""
        del reading
        return self.together == 0

    def _log_odds(self, reading: str, meaning: Any) -> dict[str, Tensor]:
        return self.odds

    def _masks(self, reading: str, meaning: Any, draws: Draws) -> dict[str, Tensor]:
        return dict(draws.masks or {})

    def _to_tree(self) -> dict[str, Any]:
        return {}

    @classmethod
    def _from_tree(cls, common: dict[str, Any], tree: dict[str, Any]) -> "StandIn":
        return cls(**common, **tree)


def stand_in(together: float) -> StandIn:
    """Odds that fall along every layer, before and after the data."""
    architecture = chain()
    models = IndependentInclusion.from_guidance(architecture, guidance.linear(), strength=2.0)
    prior = SpikeAndSlabPrior(architecture, models, bg.priors.Normal(strength=1.0))
    odds = {group.name: torch.linspace(8, -8, UNITS, dtype=torch.float64) for group in architecture.groups}
    return StandIn(prior, likelihoods.Categorical(), nn.Identity(), History(), 0, 0.0, odds, together)


def seconds(action: Callable[[], object], repeats: int) -> dict[str, float]:
    """Median CPU and wall seconds of calls."""
    cpu, wall = [], []
    for _ in range(repeats):
        starts = time.process_time(), time.perf_counter()
        action()
        cpu.append(time.process_time() - starts[0])
        wall.append(time.perf_counter() - starts[1])
    return {"cpu": statistics.median(cpu), "wall": statistics.median(wall)}


def measured(repeats: int, draws: int) -> dict[str, dict[str, float]]:
    """All timings."""
    result: dict[str, dict[str, float]] = {}
    for label, together in (("independent units", 0.0), ("joint draws", 1.0)):
        fit = stand_in(together)
        result[f"compare, {label}"] = seconds(lambda fit=fit: bg.compare(fit.prior, fit, draws=draws), repeats)
    comparison = bg.compare(fit.prior, fit, draws=draws)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "comparison.nc"
        result["to_netcdf"] = seconds(lambda: comparison.to_netcdf(path, force=True), repeats)
        result["to_netcdf"]["MiB"] = path.stat().st_size / 2**20
        result["from_netcdf"] = seconds(lambda: Comparison.from_netcdf(path), repeats)
    result["comparison_table"] = seconds(lambda: comparison_table(comparison), repeats)
    return result


def main() -> None:
    """Runs all and prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    text = json.dumps(measured(arguments.repeats, arguments.draws), indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
