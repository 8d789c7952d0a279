"""Units, sizes and guided priors of LeNet-5s of any widths."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

import bayes_guided as bg

from .net import GatedFeatures

IMAGES = 60_000
"""Strengths in config.yaml are for so many training images; with fewer they shrink in proportion."""
PROFILES = {"constant": bg.guidance.constant, "linear": bg.guidance.linear}


def widths(net: nn.Module) -> list[int]:
    """a-b-c-d: channels, channels, features that the first linear layer reads, its hidden units."""
    a, b = (net.get_parameter(f"{name}.weight").shape[0] for name in ("conv1", "conv2"))
    d, c = net.get_parameter("fc1.weight").shape
    return [a, b, c, d]


def sizes(net: nn.Module) -> dict[str, Any]:
    """a-b-c-d, parameters and MACs per image (counts), by the package's counter."""
    full = architecture_of(net).full()
    return {"widths": widths(net), "parameters": full.num_parameters, "macs": full.macs}


def architecture_of(net: nn.Module) -> bg.Architecture:
    """The units of a LeNet-5; where features are gated they are the units, and the channels that feed them stay."""
    protect = ("conv2",) if isinstance(net, GatedFeatures) else ()
    return bg.Architecture.from_module(net, torch.zeros(2, 1, 28, 28), protect=protect)


def prior_of(net: nn.Module, stage: Mapping[str, Any], strength: float, images: int) -> bg.GuidedPrior:
    """The guided prior of a stage on a network: group L1/2 of this strength for 60,000 images."""
    weights = bg.priors.GroupSqrtLaplace(strength * images / IMAGES)
    return bg.GuidedPrior(architecture_of(net), weights, PROFILES[stage["guidance"]]().across(stage["across"]))
