"""A path: one regulariser in one form over its strengths, every network as it would be handed over."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

import bayes_guided as bg

from .problems import Pair, Problem, load
from .regularisers import DENSE, REGULARISERS

RIDGE = bg.priors.Normal(0.5)
"""The ridge under which all networks are trained on: the package's default for weights that guidance does not press on."""

NAMES_OF_LISTS = ("strength", "widths", "parameters", "place", "validation_error", "test_error")
"""What is stored of every network of a path."""


def measure(case: dict[str, Any], settings: dict[str, Any], data_dir: Path) -> dict[str, Any]:
    """Size and errors along the path, lists over its networks; a dense case has one network, of strength 0.

    Errors are fractions, at the last epoch, of the cut network after training on without the regulariser. `place` is the mean
    place in their layer of the units that stayed, 0 for the first to 1 for the last: about 1/2 where order means nothing.
    `left_out` counts the networks that are not in the lists since a layer has one unit left: collapsed, or as good as that.
    """
    problem = load(case["data"], case["seed"], settings, data_dir)
    if case["regulariser"] in DENSE.values():
        points, left_out = [_dense(problem, case["regulariser"])], 0
    else:
        strengths = settings["strengths"][case["regulariser"]][case["data"]]
        points, left_out = _path(problem, case["regulariser"], case["guidance"], strengths)
    return {name: [point[name] for point in points] for name in NAMES_OF_LISTS} | {"left_out": left_out}


def _dense(problem: Problem, which: str) -> dict[str, Any]:
    net = problem.network(batch_norm=which == DENSE[True])
    architecture, trained = _by_ridge(problem, net, problem.epochs)
    return {"strength": 0.0, **_described(architecture.full()), **_handed_over(problem, trained)}


def _path(problem: Problem, regulariser: str, guidance: str, strengths: list[float]) -> tuple[list[dict[str, Any]], int]:
    points, left_out = [], 0
    for strength in strengths:
        for net, sub in REGULARISERS[regulariser].find(problem, strength, guidance):
            if min(sub.widths.values()) == 1:
                left_out += 1
            else:
                points.append({"strength": strength, **_described(sub), **_handed_over(problem, bg.reduce(net, sub))})
    return points, left_out


def _described(sub: bg.SubArchitecture) -> dict[str, Any]:
    places = [torch.linspace(0, 1, len(mask), dtype=torch.float64)[mask] for mask in sub.masks.values()]
    return {
        "widths": list(sub.widths.values()),
        "parameters": sub.num_parameters,
        "place": round(float(torch.cat(places).mean()), 3),
    }


def _handed_over(problem: Problem, net: nn.Module) -> dict[str, float]:
    _, trained = _by_ridge(problem, net, problem.refit_epochs)
    return {"validation_error": _error(trained, problem.validation), "test_error": _error(trained, problem.test)}


def _by_ridge(problem: Problem, net: nn.Module, epochs: int) -> tuple[bg.Architecture, nn.Module]:
    architecture = bg.Architecture.from_module(net, problem.training[0][:2])
    prior = bg.GuidedPrior(architecture, weights=RIDGE, rest=RIDGE)
    return architecture, bg.fit_map(net, prior, problem.training, epochs=epochs, seed=problem.seed, **problem.budget).net


@torch.no_grad()
def _error(net: nn.Module, data: Pair) -> float:
    inputs, labels = data
    return round(float((net.eval()(inputs).argmax(dim=1) != labels).double().mean()), 5)
