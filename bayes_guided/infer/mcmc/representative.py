"""One draw that stands for a posterior, and one model."""

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.architecture import Architecture, SubArchitecture
from bayes_guided.infer.mcmc.samples import Samples
from bayes_guided.priors import GuidedPrior, SpikeAndSlabPrior
from bayes_guided.types import UnitValues


def median_model(architecture: Architecture, survival: UnitValues) -> SubArchitecture:
    """The units of survival 1/2 or more [BarbieriBerger2004]; of a group that may not be empty at least the likeliest unit."""
    masks = {name: values >= 0.5 for name, values in survival.items()}
    for name in architecture.collapsed({name: int(mask.sum()) for name, mask in masks.items()}):
        masks[name][int(survival[name].argmax())] = True
    return architecture.sub_architecture(masks)


def best_draw(samples: Samples, prior: GuidedPrior | SpikeAndSlabPrior, model: SubArchitecture) -> int:
    """The place, through all chains, of the draw of highest joint density among those with the model closest to `model`.

    Densities over different numbers of weights are made comparable by the prior's `log_volume` per present unit (P11).
    """
    density = samples.log_density.flatten()
    if samples.masks is None or isinstance(prior, GuidedPrior):
        return int(density.argmax())
    distance = torch.zeros(len(samples), dtype=torch.long)
    for name, masks in samples.masks.items():
        flat = masks.flatten(0, 1)
        distance += (flat != model.masks[name]).sum(dim=1)
        density = density - _volume(prior, name, flat)
    return int(density.masked_fill(distance > distance.min(), -torch.inf).argmax())


def _volume(prior: SpikeAndSlabPrior, name: str, masks: Tensor) -> Float[Tensor, "draws"]:
    """Sum of log alpha over the present units that the prior may remove."""
    if prior.log_volume is None:
        return torch.zeros(len(masks), dtype=torch.float64)
    index = prior.models.units.index[name]
    return (masks[:, index] * prior.log_volume[name].double().cpu()[index]).sum(dim=1)
