"""One case: rounds of guided MAP fits, each on what the one before has left, and a refit of the last."""

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

FORMS = {"as they are": False, "shifted": True}
"""How the training images are seen from the second round on, the refit included; the first round sees them as they are."""

Images = tuple[Tensor, Tensor] | DataLoader[Any]


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
    """Both forms of a setting and a seed: what is left of the network and its test error at the last epoch."""
    return measure_on(_limited(load_idx(folder / "mnist"), settings["images"]), case, settings)


def measure_on(data: Dataset, case: Row, settings: dict[str, Any]) -> Row:
    """`measure` on a data set whose test part may be a validation part."""
    setting = settings[case["setting"]]
    train, test, seed = (data.train_x, data.train_y), (data.test_x, data.test_y), case["seed"]
    first, *further = setting["rounds"]
    torch.manual_seed(seed)
    start = guided(gated_lenet300(first["dropout"]), torch.arange(784), train, first, settings, seed)
    row: Row = {}
    for form, moves in FORMS.items():
        found = start
        for place, chosen in enumerate(further):
            images = shifted_batches(*train, 1, settings["refit_batch_size"]) if moves else train
            again = gated_again(found.fit.reduce(), len(found.pixels), chosen["dropout"])  # pyright: ignore[reportArgumentType]
            found = guided(again, found.pixels, images, chosen, settings, seed + 100 * (place + 1))
        images = shifted_batches(*train, 1, settings["refit_batch_size"]) if moves else train
        final = refitted(found.small, images, setting["refit"][form], settings, seed + 1000)
        sub = found.fit.sub_architecture()
        row[form] = {
            "widths": list(sub.widths.values()),
            "parameters": sum(parameter.numel() for parameter in found.small.parameters()),
            "macs": sub.macs,
            "map_error": round(found.fit.evaluate(test).error, 6),
            "error": round(final.evaluate(test).error, 6),
            "pixels": found.pixels.tolist(),
        }
    return row


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


def refitted(net: nn.Module, images: Images, chosen: dict[str, Any], settings: dict[str, Any], seed: int) -> bg.MAPFit:
    """The reduced network trained on under a ridge alone: no guidance, so that nothing is shrunk more than by the ridge."""
    net.get_submodule("dropout").p = chosen["dropout"]  # pyright: ignore[reportAttributeAccessIssue]
    architecture = bg.Architecture.from_module(net, torch.zeros(4, 784))
    ridge = bg.priors.Normal(settings["ridge"])
    return bg.fit_map(
        net,
        bg.GuidedPrior(architecture, weights=ridge, rest=ridge),
        images,
        epochs=chosen["epochs"],
        batch_size=settings["refit_batch_size"],
        lr=settings["lr"],
        seed=seed,
        progress=False,
    )


def _limited(data: Dataset, images: int) -> Dataset:
    return replace(data, train_x=data.train_x[:images], train_y=data.train_y[:images])
