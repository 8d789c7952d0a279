"""One seed: stages of MAP, each on the network that the one before left; some end in a refit and hand a network over."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import bayes_guided as bg
from bayes_guided.datasets import load_idx
from experiments.shifts import shifted_batches

from .net import GatedFeatures

Pair = tuple[Tensor, Tensor]
IMAGES = 60_000
"""Strengths in config.yaml are for so many training images; with fewer they shrink in proportion."""
FAMILIES = {"group_laplace": bg.priors.GroupLaplace, "group_sqrt_laplace": bg.priors.GroupSqrtLaplace}
PROFILES = {"constant": bg.guidance.constant, "linear": bg.guidance.linear}


def measure(case: dict[str, Any], settings: dict[str, Any], data_dir: Path) -> dict[str, Any]:
    """One seed, as the images are or shifted: the networks handed over on the way from the largest to the smallest."""
    training, held_out = data_of(data_dir, settings)
    net, points = start(case["seed"]), []
    for number, stage in enumerate(settings["stages"]):
        fit = fit_stage(net, stage, training, settings, shift=case["shift"], seed=case["seed"] + 100 * number)
        net = fit.reduce() if fit.refit is None else fit.refit.net
        if fit.refit is not None:
            points.append({"point": stage["point"]} | sizes(net) | errors(fit, training, held_out))
    return {"points": points}


def sizes(net: nn.Module) -> dict[str, Any]:
    """a-b-c-d, parameters and MACs per image (counts), by the package's counter."""
    full = architecture_of(net).full()
    return {"widths": widths(net), "parameters": full.num_parameters, "macs": full.macs}


def errors(fit: bg.MAPFit, training: Pair, held_out: Pair) -> dict[str, float]:
    """Last-epoch errors (fractions) before the refit, and of the network handed over; those on the training images too."""
    return {
        "map_error": fit.evaluate(held_out).error,
        "test_error": fit.evaluate(held_out, refit=True).error,
        "train_error": fit.evaluate(training, refit=True).error,
    }


def data_of(folder: Path, settings: Mapping[str, Any]) -> tuple[Pair, Pair]:
    """Training images, and those that the error is counted on: the test set, or a sixth of the training images.

    That sixth, a validation part, is used where `settings` has a `split_seed`: so were the numbers in config.yaml chosen.
    """
    data = load_idx(folder / "mnist", flat=False)
    x, y = data.test_x, data.test_y
    if "split_seed" in settings:
        data = data.split_validation(1 / 6, seed=settings["split_seed"])
        assert data.validation_x is not None  # that is what split_validation makes
        assert data.validation_y is not None
        x, y = data.validation_x, data.validation_y
    few = settings.get("images", len(data.train_x))
    return (data.train_x[:few], data.train_y[:few]), (x, y)


def start(seed: int) -> nn.Module:
    """LeNet-5-Caffe with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return bg.nets.lenet5()


def widths(net: nn.Module) -> list[int]:
    """a-b-c-d: channels, channels, features that the first linear layer reads, its hidden units."""
    a, b = (net.get_parameter(f"{name}.weight").shape[0] for name in ("conv1", "conv2"))
    d, c = net.get_parameter("fc1.weight").shape
    return [a, b, c, d]


def architecture_of(net: nn.Module) -> bg.Architecture:
    """The units of a LeNet-5; where features are gated they are the units, and the channels that feed them stay."""
    protect = ("conv2",) if isinstance(net, GatedFeatures) else ()
    return bg.Architecture.from_module(net, torch.zeros(2, 1, 28, 28), protect=protect)


def prior_of(net: nn.Module, stage: Mapping[str, Any], images: int) -> bg.GuidedPrior:
    """The guided prior of a stage on a network."""
    weights = FAMILIES[stage["prior"]](stage["strength"] * images / IMAGES)
    return bg.GuidedPrior(architecture_of(net), weights, PROFILES[stage["guidance"]]().across(stage["across"]))


def fit_stage(
    net: nn.Module, stage: Mapping[str, Any], data: Pair, settings: Mapping[str, Any], *, shift: int, seed: int
) -> bg.MAPFit:
    """The MAP of one stage, with its refit if it has one; features are gated where the stage guides them."""
    net = GatedFeatures(net) if "features" in stage["across"] else net
    prior = prior_of(net, stage, len(data[0]))
    batch_size = stage.get("batch_size", settings["batch_size"])
    return bg.fit_map(
        net.to(memory_format=torch.channels_last),  # pyright: ignore[reportCallIssue]  the layout that is fast
        prior,
        shifted_batches(*data, shift, batch_size) if shift else data,
        epochs=stage["epochs"],
        batch_size=batch_size,
        lr=stage["lr"],
        refit_epochs=stage.get("refit", 0),
        seed=seed,
        progress=False,
    )
