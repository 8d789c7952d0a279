"""What all methods share in one case: network, data, budget, plain training and the one counter of costs."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

import bayes_guided as bg
from bayes_guided.infer.map.objectives import RefitObjective
from bayes_guided.infer.training.batches import as_batches
from bayes_guided.infer.training.loop import Plan, train

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Candidate:
    """A network ready to be handed over: cut to the target and refitted, with what it took to make it.

    `choice` is the method's own setting, `strength` the one that met the target (None where a ratio did), `fits` how many
    sparse trainings the search for it has cost so far, `cpu_seconds` those of the training and refit of this network alone.
    """

    target: float
    choice: str
    strength: float | None
    fits: int
    cpu_seconds: float
    net: nn.Module


@dataclass(frozen=True, eq=False)
class Setting:
    """One network at one seed: every method starts from a copy of `net` and sees `part` only.

    `plan` holds the settings of this network in config.yaml; `targets` are fractions of the dense network's MACs.
    """

    net: nn.Module
    part: Pair
    plan: dict[str, Any]
    targets: list[float]
    seed: int

    @classmethod
    def begin(cls, name: str, plan: dict[str, Any], targets: list[float], part: Pair, seed: int) -> "Setting":
        """The network freshly initialised from the seed."""
        torch.manual_seed(seed)
        net = bg.nets.build(name, **plan["net"]).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        return cls(net, part, plan, targets, seed)

    @cached_property
    def architecture(self) -> bg.Architecture:
        """Of the dense network."""
        return self.architecture_of(self.net)

    def architecture_of(self, net: nn.Module) -> bg.Architecture:
        """The package's own view of any network for these data: its counter is used for every method."""
        return bg.Architecture.from_module(net, self.part[0][:2])

    @cached_property
    def dense_macs(self) -> int:
        """Multiply-accumulates per sample of the dense network."""
        return self.architecture.full().macs

    def widths(self, net: nn.Module) -> dict[str, int]:
        """Units left in every group of the dense network, of any cut copy of it, from the sizes of its layers."""
        layers = {group.name: net.get_submodule(group.name) for group in self.architecture.groups}
        return {
            name: layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels for name, layer in layers.items()
        }  # pyright: ignore[reportReturnType]

    def macs(self, net: nn.Module) -> int:
        """MACs per sample of any cut copy of the network: the package's counter at these widths."""
        return self.architecture.costs.macs(self.widths(net))

    @property
    def epochs_before_refit(self) -> int:
        """Epochs of dense and sparse training together."""
        return self.plan["dense_epochs"] + self.plan["sparse_epochs"]

    @property
    def budget(self) -> dict[str, Any]:
        """What a fit of the package takes, learning rate apart."""
        return {
            "epochs": self.epochs_before_refit,
            "batch_size": self.plan["batch_size"],
            "seed": self.seed,
            "progress": False,
        }

    def trained(
        self, net: nn.Module, epochs: int, *, seed: int, regularise: Callable[[nn.Module], None] | None = None
    ) -> nn.Module:
        """`net`, trained in place by Adam under the package's loop; `regularise` adds to the gradients before each step."""
        batches = as_batches(self.part, self.plan["batch_size"], torch.device("cpu"))
        objective = RefitObjective(net, self._ridge, bg.likelihoods.Categorical(), batches, None, lr=self.plan["lr"])
        if regularise is not None:
            objective.optimizer.register_step_pre_hook(lambda *_: regularise(net))
        train(objective, batches, Plan(epochs, self.plan["lr"]), seed=seed, label="plain", progress=False)
        return net.eval()

    def refitted(self, net: nn.Module) -> nn.Module:
        """A copy of a cut network, trained on without regulariser."""
        # Cut weights have lost the layout that makes convolutions fast here.
        net = copy.deepcopy(net).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        return self.trained(net, self.plan["refit_epochs"], seed=self.seed + 1)

    @cached_property
    def _ridge(self) -> bg.GuidedPrior:
        """The package's default ridge on all weights, under which it refits: the same for everybody."""
        return bg.GuidedPrior(self.architecture, weights=bg.priors.GroupLaplace(strength=1.0))
