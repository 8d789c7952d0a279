"""One seed: rounds of guided MAP fits, each on what the one before has left, and a refit of the last with a teacher."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.utils.data import DataLoader

import bayes_guided as bg
from bayes_guided.datasets import Dataset, load_idx
from bayes_guided.guidance import Guidance
from experiments.cases import Row
from experiments.shifts import shifted_batches

from .net import PIXELS, gated_again, gated_lenet300
from .teacher import Pair, answers, mixed_labels, teacher

FORMS = {"as they are": False, "shifted": True}
"""How the training images are seen from the second round on, the refit included; the first round sees them as they are."""

Images = Pair | DataLoader[Any]


@dataclass(frozen=True)
class Found:
    """A guided network, the pixels that it still reads, and its MAP, which is the start of whatever follows."""

    net: nn.Sequential
    pixels: Int[Tensor, "pixels"]
    fit: bg.MAPFit

    @property
    def small(self) -> nn.Module:
        """The reduced network."""
        return self.fit.reduce()


def measure(case: Row, settings: dict[str, Any], folder: Path) -> Row:
    """All networks of a seed, in both forms: what is left of them and their test error at the last epoch."""
    return measure_on(_limited(load_idx(folder / "mnist"), settings["images"]), case, settings)


def measure_on(data: Dataset, case: Row, settings: dict[str, Any]) -> Row:
    """`measure` on a data set whose test part may be a validation part."""
    train, test, seed = (data.train_x, data.train_y), (data.test_x, data.test_y), case["seed"]
    starts = {name: first_round(train, setting, settings, seed) for name, setting in settings["networks"].items()}
    row: Row = {"teacher": {}, **{name: {} for name in starts}}
    for form, moves in FORMS.items():
        taught = teacher(train, settings["teacher"][form], moves, seed + 2000)
        row["teacher"][form] = round(taught.evaluate(test).error, 6)
        targets = mixed_labels(train[1], answers(taught, train[0], moves), settings["teacher"][form]["share"])
        images = train[0], targets
        for name, start in starts.items():
            setting = settings["networks"][name]
            found = further_rounds(start, images, moves, setting, settings, seed)
            final = refitted(found.small, images, moves, setting["refit"][form], settings, seed + 1000)
            row[name][form] = described(found, test) | {"error": round(final.evaluate(test).error, 6)}
            if not moves:  # what the published networks had: the labels alone
                alone = refitted(found.small, train, moves, setting["refit"][form], settings, seed + 1000)
                row[name][form]["label_error"] = round(alone.evaluate(test).error, 6)
    return row


def described(found: Found, test: Pair) -> Row:
    """Size, pixels, and the test error (a fraction) before the refit."""
    sub = found.fit.sub_architecture()
    return {
        "widths": list(sub.widths.values()),
        "parameters": sum(parameter.numel() for parameter in found.small.parameters()),
        "macs": sub.macs,
        "pixels": found.pixels.tolist(),
        "map_error": round(found.fit.evaluate(test).error, 6),
    }


def first_round(train: Pair, setting: dict[str, Any], settings: dict[str, Any], seed: int) -> Found:
    """The guided MAP of the whole network, on images as they are and their labels: the same for both forms."""
    chosen = setting["rounds"][0]
    torch.manual_seed(seed)
    return guided(gated_lenet300(chosen["dropout"]), torch.arange(784), train, chosen, settings, seed)


def further_rounds(
    found: Found, train: Pair, moves: bool, setting: dict[str, Any], settings: dict[str, Any], seed: int
) -> Found:
    """The rounds after the first, each with new gates on the pixels that the one before left; perhaps none."""
    for place, chosen in enumerate(setting["rounds"][1:], start=1):
        again = gated_again(found.small, len(found.pixels), chosen["dropout"])  # pyright: ignore[reportArgumentType]
        images = _images(train, moves, settings)
        found = guided(again, found.pixels, images, chosen, settings, seed + 100 * place)
    return found


def guided(
    net: nn.Sequential,
    pixels: Int[Tensor, "pixels"],
    images: Images,
    chosen: dict[str, Any],
    settings: dict[str, Any],
    seed: int,
) -> Found:
    """The MAP of one round on a network whose gates belong to these pixels."""
    architecture = bg.Architecture.from_module(net, torch.zeros(4, 784))
    prior = bg.GuidedPrior(
        architecture,
        weights=bg.priors.GroupLaplace(strength=chosen["strength"]),
        guidance=guidance(architecture, chosen["across"]),
        rest=bg.priors.Normal(settings["ridge"]),
    )
    size = settings["batch_size"] if len(pixels) == 784 else settings["refit_batch_size"]
    fit = bg.fit_map(
        net, prior, images, epochs=chosen["epochs"], batch_size=size, lr=settings["lr"], seed=seed, progress=False
    )
    mask = fit.sub_architecture().masks[PIXELS]
    return Found(net, pixels[mask.cpu()], fit)


def guidance(architecture: bg.Architecture, across: dict[str, float]) -> Guidance:
    """Linear along the neurons of a layer, constant over the pixels, whose numbers mean nothing; groups times `across`."""
    profile = bg.guidance.linear().coefficients(architecture)
    profile[PIXELS] = torch.ones_like(profile[PIXELS])
    return bg.guidance.custom(profile).across(across)


def refitted(
    net: nn.Module, train: Pair, moves: bool, chosen: dict[str, Any], settings: dict[str, Any], seed: int
) -> bg.MAPFit:
    """The reduced network trained on under a ridge alone: no guidance, so that nothing is shrunk more than by the ridge."""
    net.get_submodule("dropout").p = chosen["dropout"]  # pyright: ignore[reportAttributeAccessIssue]
    architecture = bg.Architecture.from_module(net, torch.zeros(4, 784))
    ridge = bg.priors.Normal(chosen["ridge"])
    return bg.fit_map(
        net,
        bg.GuidedPrior(architecture, weights=ridge, rest=ridge),
        _images(train, moves, settings),
        epochs=chosen["epochs"],
        batch_size=settings["refit_batch_size"],
        lr=settings["lr"],
        seed=seed,
        progress=False,
    )


def _images(train: Pair, moves: bool, settings: dict[str, Any]) -> Images:
    return shifted_batches(*train, 1, settings["refit_batch_size"]) if moves else train


def _limited(data: Dataset, images: int) -> Dataset:
    return replace(data, train_x=data.train_x[:images], train_y=data.train_y[:images])
