"""Guides with weights that are not at their start, for the tests of guides."""

import torch
from torch import nn

from bayes_guided import guides, nets
from bayes_guided.architecture import Architecture
from bayes_guided.guides import Guide, Weights

NAMES = ("mean_field", "row_scale", "low_rank", "full")


def small_net(dtype: torch.dtype = torch.float64) -> nn.Module:
    """A 3-4-2-1 network with weights of seed 0."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nets.mlp(3, (4, 2), outputs=1).to(dtype)


def weights_of(architecture: Architecture, net: nn.Module) -> Weights:
    """The network's weights."""
    rows = {name: row.detach() for name, row in architecture.rows(net).items()}
    return Weights(rows, architecture.rest_vector(net).detach())


def moved_guide(name: str, dtype: torch.dtype = torch.float64) -> Guide:
    """A guide of the family whose parameters have all been moved by noise."""
    net = small_net(dtype)
    architecture = Architecture.from_module(net, torch.zeros(2, 3, dtype=dtype))
    generator = torch.Generator().manual_seed(1)
    guide = guides.gaussian_guide(name, architecture, weights_of(architecture, net), sd=0.3, rank=2, generator=generator)
    with torch.no_grad():
        for parameter in guide.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator, dtype=dtype)
    return guide
