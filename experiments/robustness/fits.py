"""One case: its data, its budget, the strength chosen on a validation part where it is, and the network as handed over."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

import bayes_guided as bg
from bayes_guided.datasets import Dataset
from experiments.cases import Row

from .grid import CHOSEN, CLASSES, EPOCHS, FASHION, LR, STARTS, STEPS, STRENGTH, TEACHER
from .problems import images, taught

Pair = tuple[Tensor, Tensor]


def measure(case: Row, settings: Row, folder: Path) -> Row:
    """Widths, size and test error of the network as handed over (reduced, refitted), and what the choice was among.

    `test_error` is a fraction of clean test labels, or the root mean squared distance from the teacher.
    """
    options, data = changed(case, settings), problem(case, settings, folder)
    tried = [] if case["strength"] != CHOSEN else _tried(data, options, case)
    strength = chosen([loss for _, loss, _ in tried], options["strengths"]) if tried else options["strength"]
    fit = fitted((data.train_x, data.train_y), data.num_classes, options, strength, case["seed"])
    sub = fit.sub_architecture()
    return {
        "widths": list(sub.widths.values()),
        "test_error": round(fit.evaluate((data.test_x, data.test_y), refit=True).error, 5),
        "parameters": sub.num_parameters,
        "macs": sub.macs,
        "lambda": strength,
        "lr": options["lr"],
        "batch_size": options["batch_size"],
        "epochs": options["epochs"],
        "tried": [
            {"lambda": value, "validation_loss": round(float(loss.mean()), 6), "widths": widths}
            for value, loss, widths in tried
        ],
    }


def changed(case: Row, settings: Row) -> dict[str, Any]:
    """The budget and strengths of a case: those of its base setting, but for its factor."""
    base, level = settings["teacher" if case["factor"] == TEACHER else "images"], case["level"]
    if case["factor"] == STEPS:
        # Epochs are whole numbers, and steps an epoch grow as the batch falls: 24 epochs of 256 are 6 of 64.
        times = level / base["batch_size"]
        epochs = {name: max(1, round(base[name] * times)) for name in ("epochs", "refit_epochs")}
        return base | epochs | {"batch_size": level}
    name = {STRENGTH: "strength", LR: "lr", EPOCHS: "batch_size"}.get(case["factor"])
    return base if name is None else base | {name: level}


def problem(case: Row, settings: Row, folder: Path) -> Dataset:
    """The data of a case, drawn with its seed; where only start and order differ, with seed 0."""
    factor, noise = case["factor"], case["noise"]
    if factor == TEACHER:
        sizes = {name: settings["teacher"][name] for name in ("features", "samples", "test_samples")}
        return taught(case["level"], noise=noise, seed=case["seed"], **sizes)
    classes = case["level"] if factor in (CLASSES, FASHION) else 10
    name = "fashion-mnist" if factor == FASHION else "mnist"
    seed = 0 if factor == STARTS else case["seed"]
    return images(folder, name, classes=classes, samples=settings["images"]["samples"], noise=noise, seed=seed)


def chosen(losses: Sequence[Float[Tensor, "samples"]], strengths: Sequence[float]) -> float:
    """The largest strength whose mean validation loss is within one standard error of the least.

    The standard error is that of the best one's mean over cases: the rule of Breiman, Friedman, Olshen and Stone
    (Classification and Regression Trees, 1984), usual for the lasso: losses are so flat that where the least lies is chance.
    """
    means = [float(loss.mean()) for loss in losses]
    best = losses[min(range(len(means)), key=means.__getitem__)]
    bound = float(best.mean() + best.std() / len(best) ** 0.5)
    return max(strength for strength, mean in zip(strengths, means, strict=True) if mean <= bound)


def fitted(train: Pair, classes: int | None, options: dict[str, Any], strength: float, seed: int) -> bg.MAPFit:
    """The MAP from a start drawn with `seed`, and its refit."""
    torch.manual_seed(seed)
    net = bg.nets.mlp(train[0].shape[1], options["hidden"], outputs=classes or 1)
    architecture = bg.Architecture.from_module(net, train[0][:2])
    weights = bg.priors.GroupLaplace(strength=strength)
    return bg.fit_map(
        net,
        bg.GuidedPrior(architecture, weights=weights, guidance=bg.guidance.linear()),
        train,
        likelihood=bg.likelihoods.Categorical() if classes else bg.likelihoods.Normal(),
        **{name: options[name] for name in ("epochs", "refit_epochs", "batch_size", "lr")},
        allow_empty=True,
        seed=seed,
        progress=False,
    )


def _tried(data: Dataset, options: dict[str, Any], case: Row) -> list[tuple[float, Tensor, list[int]]]:
    """Each strength with its loss at every validation case, whose labels are as noisy as the others, and its widths."""
    parts = data.split_validation(options["validation_fraction"], seed=case["seed"])
    assert parts.validation_x is not None
    assert parts.validation_y is not None
    found = []
    for strength in options["strengths"]:
        fit = fitted((parts.train_x, parts.train_y), data.num_classes, options, strength, case["seed"])
        predicted = fit.predict(parts.validation_x, refit=True)
        if data.num_classes is None:
            loss = (predicted - parts.validation_y).square()
        else:
            loss = (predicted.argmax(dim=1) != parts.validation_y).float()
        found.append((strength, loss, list(fit.sub_architecture().widths.values())))
    return found
