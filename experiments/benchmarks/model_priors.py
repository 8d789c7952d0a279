"""What exact priors over models cost at scale, and how exact they are there.

    python -m experiments.benchmarks.model_priors [--repeats N] [--out FILE]

Seconds are CPU seconds of one thread, medians, so that a busy machine changes them little. The law of the number of present
units is timed beside scipy.stats.poisson_binom, taking turns. Its error is measured against 50-digit arithmetic at 512 units,
against SciPy where SciPy does not underflow, and at any size by the two ends of the law, which are plain sums. Then entropy
with marginals of a chain of 50 layers x 2,048 units, and the 1,000 most probable of models of 100,000 units, under each
prior. The groups are stand-ins without a network, as no weights are needed.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path

import mpmath
import numpy as np
import torch
from scipy.special import log_expit
from scipy.stats import poisson_binom
from torch import nn

from bayes_guided import guidance
from bayes_guided.architecture import Architecture
from bayes_guided.architecture.costs import Costs, CostTerm
from bayes_guided.architecture.unit_group import Extent
from bayes_guided.priors.models.cumulative_shrinkage import CumulativeShrinkage
from bayes_guided.priors.models.gibbs import GibbsComplexity
from bayes_guided.priors.models.independent import IndependentInclusion
from bayes_guided.priors.models.model_prior import ModelPrior
from bayes_guided.priors.models.nested import NestedWidth
from bayes_guided.priors.models.tilted import TiltedWidth
from bayes_guided.priors.models.unit_tree import log_poisson_binomial
from bayes_guided.priors.models.width_laws import poisson

LAYERS, WIDTH, MANY = 50, 2048, 100_000


def chain(layers: int, width: int) -> Architecture:
    """An architecture of `layers` groups of `width` units, each coupled to the next by one weight a pair."""
    net = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    small = Architecture.from_module(net, torch.zeros(2, 3))
    names = [f"layer{place}" for place in range(layers)]
    groups = tuple(replace(small.groups[0], name=name, size=width) for name in names)
    terms = [CostTerm("input", 1, Fraction(1), (Extent(0, {names[0]: 1}), Extent(100, {})))]
    terms += [
        CostTerm(after, 1, Fraction(1), (Extent(0, {before: 1}), Extent(1, {after: 1}))) for before, after in pairwise(names)
    ]
    costs = Costs(tuple(terms), dict.fromkeys(names, width))
    return replace(small, groups=groups, costs=costs, fingerprint=f"{layers} x {width}")


def seconds(action: Callable[[], object]) -> float:
    """CPU time of one call."""
    start = time.process_time()
    action()
    return time.process_time() - start


def size_laws(repeats: int) -> list[dict[str, float]]:
    """Times and errors of the size law beside SciPy's."""
    rows = []
    for units in (WIDTH, 20_000, MANY):
        logits = np.linspace(2.5, 0.5, units)  # P(K = 0) underflows: about e^-3400 at 2,048 units
        survival = 1 / (1 + np.exp(-logits))
        ours, scipys = [], []
        for _ in range(repeats):
            ours.append(seconds(partial(log_poisson_binomial, logits)))
            if units < MANY:  # quadratic: minutes at 100,000 units
                scipys.append(seconds(partial(poisson_binom.pmf, np.arange(units + 1), survival)))
        law = log_poisson_binomial(logits)
        row = {"units": units, "seconds": statistics.median(ours)}
        if scipys:
            row["ratio to scipy"] = row["seconds"] / statistics.median(scipys)
            linear = poisson_binom.pmf(np.arange(units + 1), survival)
            row["terms that scipy rounds to 0"] = int((linear <= 0).sum())
            middle = linear > 1e-250
            row["largest relative difference from scipy where it is above 1e-250"] = float(
                np.abs(np.expm1(law[middle] - np.log(linear[middle]))).max()
            )
        ends = abs(law[0] - log_expit(-logits).sum()), abs(law[-1] - log_expit(logits).sum())
        row["log P(K = 0)"] = float(law[0])
        row["relative error of the logarithm at the ends"] = float(max(ends[0] / -law[0], ends[1] / -law[-1]))
        row["sum - 1"] = float(np.exp(law).sum() - 1)
        rows.append(row)
    rows[0]["largest error of log P against 50 digits, at 512 units"] = _error_against_mpmath(512)
    return rows


def _error_against_mpmath(units: int) -> float:
    mpmath.mp.dps = 50
    logits = np.linspace(2.5, 0.5, units)
    law = [mpmath.mpf(1)]
    for logit in logits:
        p = 1 / (1 + mpmath.exp(-mpmath.mpf(float(logit))))
        law = [a * (1 - p) + b * p for a, b in zip([*law, mpmath.mpf(0)], [mpmath.mpf(0), *law], strict=True)]
    exact = np.array([float(mpmath.log(value)) for value in law])
    return float(np.abs(log_poisson_binomial(logits) - exact).max())


def builders(architecture: Architecture) -> dict[str, Callable[[], ModelPrior]]:
    """Each prior, made afresh so that nothing is cached."""
    linear = guidance.linear()
    per_group, total = poisson(300.0), poisson(0.15 * architecture.num_units)
    return {
        "independent": lambda: IndependentInclusion.from_guidance(architecture, linear, strength=2.0),
        "nested": lambda: NestedWidth.from_guidance(architecture, linear, strength=0.01),
        "cumulative shrinkage": lambda: CumulativeShrinkage.from_guidance(architecture, linear, strength=0.01),
        "Gibbs, parameters": lambda: GibbsComplexity(architecture, "parameters", beta=5e-4),
        "Gibbs, strong": lambda: GibbsComplexity(architecture, "parameters", beta=1.0),
        "tilted": lambda: TiltedWidth.from_guidance(architecture, linear, strength=2.0, widths=per_group),
        "shared budget": lambda: TiltedWidth.shared(architecture, linear, strength=2.0, sizes=total),
    }


def entropy_and_marginals(repeats: int) -> dict[str, float | str]:
    """Seconds for entropy and survivals of 50 layers x 2,048 units."""
    result: dict[str, float | str] = {}
    for name, build in builders(chain(LAYERS, WIDTH)).items():
        if name == "cumulative shrinkage":  # its entropy has no closed form: marginals only
            times = [seconds(build().unit_survival) for _ in range(repeats)]
            result[f"{name}, marginals only"] = statistics.median(times)
        else:
            result[name] = statistics.median(seconds(partial(_both, build)) for _ in range(repeats))
    return result


def _both(build: Callable[[], ModelPrior]) -> None:
    prior = build()
    prior.entropy()
    prior.unit_survival()


def _best(build: Callable[[], ModelPrior]) -> None:
    build().most_probable(1000)


def most_probable(repeats: int) -> dict[str, float]:
    """Seconds for the 1,000 most probable models of 100,000 units, in one group and in 50."""
    result = {}
    for label, architecture in (("one group", chain(1, MANY)), ("50 groups", chain(50, MANY // 50))):
        for name, build in builders(architecture).items():
            if name not in ("cumulative shrinkage", "Gibbs, strong"):  # limited to 512 units a group; as the other Gibbs
                times = [seconds(partial(_best, build)) for _ in range(repeats)]
                result[f"{name}, {label}"] = statistics.median(times)
    return result


def main() -> None:
    """Runs all and prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    report = {
        "size law": size_laws(arguments.repeats),
        "entropy and marginals, 50 x 2048, seconds": entropy_and_marginals(arguments.repeats),
        "1000 most probable of 100,000 units, seconds": most_probable(arguments.repeats),
    }
    text = json.dumps(report, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
