"""What each reading says of a layer: log odds of the units, mean width, probability of a small width."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from jaxtyping import Float
from scipy.optimize import root_scalar
from torch import Tensor

import bayes_guided as bg
from bayes_guided.analysis.implied import Reading, reading_of
from bayes_guided.exceptions import ReadingError
from theory.size_law import poisson_binomial_log_pmf

Results = dict[str, Any]
"""What results.json holds."""


@dataclass(frozen=True)
class Setting:
    """A reading with what it needs: `value` is the size of a weight (threshold) or the curvature per weight."""

    kind: str
    value: float

    def reading(self, family: str, dim: int) -> Reading:
        """The package's reading for rows of `dim` weights of this family."""
        if self.kind != "threshold":
            return reading_of(self.kind, curvature=self.value)
        # The size that Laplace penalises is the sum of absolute weights, elsewhere it is the Euclidean norm (P10).
        return reading_of(self.kind, tau=self.value * (dim if family == "Laplace" else math.sqrt(dim)))


@dataclass(frozen=True)
class Config:
    """The contents of config.yaml."""

    net: dict[str, Any]
    group: str
    guidance: str
    families: list[str]
    main_family: str
    strengths: list[float]
    main_strength: float
    thresholds: list[float]
    curvatures: list[float]

    @staticmethod
    def load(path: Path) -> "Config":
        """The configuration in a YAML file, whose keys are the fields."""
        return Config(**yaml.safe_load(path.read_text()))

    @property
    def settings(self) -> list[Setting]:
        """Every reading to be shown."""
        thresholds = [Setting("threshold", value) for value in self.thresholds]
        return thresholds + [Setting(kind, value) for kind in ("shrinkage", "evidence") for value in self.curvatures]


@dataclass(frozen=True)
class Layer:
    """The units of one group and their guidance."""

    config: Config

    @cached_property
    def guidance(self) -> Float[Tensor, "units"]:
        """The coefficients g_u, float64."""
        return getattr(bg.guidance, self.config.guidance)().coefficients(self._architecture)[self.config.group]

    @property
    def units(self) -> int:
        """Number of units U."""
        return self._architecture.group(self.config.group).size

    @property
    def dim(self) -> int:
        """Weights of a unit, D."""
        return self._architecture.group(self.config.group).row_dim

    def log_odds(self, family: str, strength: float, setting: Setting) -> Float[Tensor, "units"]:
        """Log odds of every unit's presence, nats.

        Raises:
            ReadingError: if the family has no such reading.
        """
        weights = getattr(bg.priors, family)(strength=strength)
        density = weights.distribution(weights.rates(self.guidance, self.dim), self.dim)
        return setting.reading(family, self.dim).log_odds(density)

    def mean_width(self, family: str, strength: float, setting: Setting) -> float:
        """Expected number of units present."""
        return float(torch.sigmoid(self.log_odds(family, strength, setting)).sum())

    def half_width_strength(self, family: str, setting: Setting) -> float:
        """The strength at which half of the units are expected to be present; the width falls as the strength rises."""

        def excess(log_strength: float) -> float:
            return self.mean_width(family, math.exp(log_strength), setting) - self.units / 2

        low, high = -1.0, 1.0
        while excess(low) < 0:
            low *= 2
        while excess(high) > 0:
            high *= 2
        return math.exp(root_scalar(excess, bracket=(low, high), xtol=1e-12).root)

    @cached_property
    def _architecture(self) -> bg.Architecture:
        net = bg.nets.mlp(**self.config.net)
        return bg.Architecture.from_module(net, torch.zeros(2, self.config.net["inputs"]))


def compute(config: Config) -> Results:
    """Every family, strength and reading; the readings that do not exist, with the package's reasons."""
    layer = Layer(config)
    missing = {(family, setting.kind): reason for family, setting, reason in _refusals(layer)}
    pairs = [(f, s) for f in config.families for s in config.settings if (f, s.kind) not in missing]
    return {
        "layer": {
            "units": layer.units,
            "weights_per_unit": layer.dim,
            "guidance": config.guidance,
            "guidance_first": float(layer.guidance[0]),
            "guidance_last": float(layer.guidance[-1]),
        },
        "readings": [_summary(layer, f, strength, s) for f, s in pairs for strength in config.strengths],
        "half_width": [
            {"family": f, "reading": s.kind, "value": s.value, "strength": layer.half_width_strength(f, s)} for f, s in pairs
        ],
        "missing": [{"family": f, "reading": kind, "reason": reason} for (f, kind), reason in missing.items()],
    }


def _refusals(layer: Layer) -> Iterator[tuple[str, Setting, str]]:
    for family in layer.config.families:
        for setting in layer.config.settings:
            try:
                layer.log_odds(family, layer.config.main_strength, setting)
            except ReadingError as error:
                yield family, setting, str(error)


def _summary(layer: Layer, family: str, strength: float, setting: Setting) -> dict[str, Any]:
    odds = layer.log_odds(family, strength, setting)
    survival, absence = torch.sigmoid(odds), torch.sigmoid(-odds)
    at_most_half = poisson_binomial_log_pmf(odds.numpy())[: layer.units // 2 + 1]
    return {
        "family": family,
        "strength": strength,
        "reading": setting.kind,
        "value": setting.value,
        "log_odds_first": float(odds[0]),
        "log_odds_last": float(odds[-1]),
        "mean_width": float(survival.sum()),
        "sd_width": float((survival * absence).sum().sqrt()),
        # Rounding may leave the sum of the whole law just above 1.
        "log_prob_at_most_half": min(0.0, float(np.logaddexp.reduce(at_most_half))),
    }
