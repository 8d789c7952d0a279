"""One seed: guided MAP until a network is small enough, refits from a teacher, ever smaller networks handed over."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

import bayes_guided as bg
from bayes_guided.datasets import load_idx
from experiments.shifts import shifted_batches

from .net import GatedFeatures
from .teacher import TaughtImages, Teacher, ridge_fit, taught
from .units import prior_of, sizes

Pair = tuple[Tensor, Tensor]
ROUNDS = 20
"""Fits of a stage after which a network that is still too large is an error of config.yaml."""


@dataclass(frozen=True)
class Setting:
    """What the stages of one case share: images and labels, how far images are moved (pixels), and the case's seed."""

    training: Pair
    shift: int
    seed: int


def measure(case: dict[str, Any], settings: dict[str, Any], data_dir: Path) -> dict[str, Any]:
    """One seed, as the images are or shifted: the networks handed over on the way from the largest to the smallest."""
    training, held_out = data_of(data_dir, settings)
    setting = Setting(training, case["shift"], case["seed"])
    first, *stages = settings["stages"]
    net = narrowed(start(setting.seed), first, setting, 0)
    recipe = of_form(settings["teacher"], setting.shift) | {"ridge": settings["ridge"]}
    teacher = taught(net, training, recipe, shift=setting.shift, seed=1000 * setting.seed + 1) if recipe["members"] else None
    loader = batches_of(training, teacher, setting.shift, recipe["temperature"])
    points = []
    for number, stage in enumerate(stages, start=1):
        net = narrowed(net, stage, setting, 100 * number)
        if "refit" in stage:
            before = error_of(net, held_out)
            recipe = of_form(stage["refit"], setting.shift) | {"ridge": settings["ridge"]}
            net = ridge_fit(net, loader(recipe["batch_size"]), recipe, 1000 * setting.seed + 100 * number + 50).reduce()
            errors = {"map_error": before, "test_error": error_of(net, held_out), "train_error": error_of(net, training)}
            points.append({"point": stage["point"]} | sizes(net) | errors)
    return {"teacher_error": None if teacher is None else error_of(teacher, held_out), "points": points}


def batches_of(training: Pair, teacher: Teacher | None, shift: int, temperature: float) -> Callable[[int], DataLoader[Pair]]:
    """What makes loaders of a batch size: images with what the teacher says of them, or with their labels if there is none."""
    if teacher is None:
        return partial(shifted_batches, *training, shift)
    return TaughtImages(training[0], teacher, shift, temperature).batches


def of_form(recipe: Mapping[str, Any], shift: int) -> dict[str, Any]:
    """The numbers of a recipe for images shifted or not: those that differ are given by `shift`."""
    return {name: value[str(shift)] if isinstance(value, dict) else value for name, value in recipe.items()}


def narrowed(net: nn.Module, stage: Mapping[str, Any], setting: Setting, place: int) -> nn.Module:
    """The network after as many guided MAP fits as it takes to be below the stage's sizes, each on what the last has left.

    The strength rises from fit to fit by the factor `rise`. Features are gated where the stage guides them.

    Raises:
        ValueError: if it is still too large after `ROUNDS` fits.
    """
    for fits in range(ROUNDS):
        size = sizes(net)
        if all(size[name] < limit for name, limit in stage["below"].items()):
            return net
        gated = GatedFeatures(net) if "features" in stage["across"] else net
        strength, seed = stage["strength"] * stage["rise"] ** fits, 1000 * setting.seed + place + fits
        net = guided(gated, stage, strength, setting, seed).reduce()
    raise ValueError(f"after {ROUNDS} fits the network is still {sizes(net)}, not below {stage['below']}; raise `strength`.")


def guided(net: nn.Module, stage: Mapping[str, Any], strength: float, setting: Setting, seed: int) -> bg.MAPFit:
    """The guided MAP of the labels."""
    return bg.fit_map(
        net.to(memory_format=torch.channels_last),  # pyright: ignore[reportCallIssue]  the layout that is fast
        prior_of(net, stage, strength, len(setting.training[0])),
        shifted_batches(*setting.training, setting.shift, stage["batch_size"]),
        epochs=stage["epochs"],
        lr=stage["lr"],
        seed=seed,
        progress=False,
    )


@torch.no_grad()
def error_of(net: nn.Module, data: Pair) -> float:
    """The fraction of images whose most probable class is not their label."""
    net.eval()
    said = torch.cat([net(images).argmax(dim=1) for images in data[0].split(1024)])
    return round(float((said != data[1]).double().mean()), 6)


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
