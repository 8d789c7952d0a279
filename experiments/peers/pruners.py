"""The pruners of torch-pruning, as its own CIFAR script runs them: global ranking, 400 small steps to the wanted speed."""

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch_pruning as tp
from torch import nn
from torch_pruning.pruner.algorithms.base_pruner import BasePruner

from .setting import Candidate, Setting

SparsePruner = tp.pruner.GroupNormPruner | tp.pruner.BNScalePruner

STEPS = 400


class TargetMissedError(Exception):
    """torch-pruning stopped before the network was small enough."""


def dense(setting: Setting, choice: str) -> Iterator[Candidate]:
    """Nothing is cut: the dense network trained for as many epochs as all others."""
    started = time.process_time()
    net = setting.trained(copy.deepcopy(setting.net), setting.epochs_before_refit, seed=setting.seed)
    yield Candidate(1.0, choice, None, 1, time.process_time() - started, net)


def magnitude(setting: Setting, choice: str) -> Iterator[Candidate]:
    """Group magnitudes of a trained dense network, ranked over all layers or within each (`choice` "global" or "uniform")."""
    started = time.process_time()
    net = setting.trained(copy.deepcopy(setting.net), setting.epochs_before_refit, seed=setting.seed)
    trained = time.process_time() - started
    importance = tp.importance.GroupMagnitudeImportance(p=2)

    def make(net: nn.Module) -> BasePruner:
        return tp.pruner.MagnitudePruner(net, **_arguments(setting, net, importance, everywhere=choice == "global"))

    yield from _pruned(setting, net, make, choice, trained)


def group_norm(setting: Setting, choice: str) -> Iterator[Candidate]:
    """Dense training, then GroupNormPruner's growing ridge of size `choice`, then its ranking."""
    importance = tp.importance.GroupMagnitudeImportance(p=2, normalizer="max")

    def make(net: nn.Module) -> SparsePruner:
        return tp.pruner.GroupNormPruner(net, reg=float(choice), **_arguments(setting, net, importance))

    yield from _sparse(setting, make, choice)


def bn_scale(setting: Setting, choice: str) -> Iterator[Candidate]:
    """Dense training, then BNScalePruner's L1 penalty of size `choice` on the scales (network slimming), then its ranking."""
    importance = tp.importance.BNScaleImportance()

    def make(net: nn.Module) -> SparsePruner:
        return tp.pruner.BNScalePruner(net, reg=float(choice), **_arguments(setting, net, importance))

    yield from _sparse(setting, make, choice)


def _sparse(setting: Setting, make: Callable[[nn.Module], SparsePruner], choice: str) -> Iterator[Candidate]:
    started = time.process_time()
    net = setting.trained(copy.deepcopy(setting.net), setting.plan["dense_epochs"], seed=setting.seed)
    pruner = make(net)
    pruner.update_regularizer()
    net = setting.trained(net, setting.plan["sparse_epochs"], seed=setting.seed + 2, regularise=pruner.regularize)
    yield from _pruned(setting, net, make, choice, time.process_time() - started)


def _pruned(
    setting: Setting, net: nn.Module, make: Callable[[nn.Module], BasePruner], choice: str, trained: float
) -> Iterator[Candidate]:
    for target in setting.targets:
        started = time.process_time()
        cut = copy.deepcopy(net)
        prune(cut, make(cut), setting, target)
        yield Candidate(target, choice, None, 1, trained + time.process_time() - started, cut)


def prune(net: nn.Module, pruner: BasePruner, setting: Setting, target: float) -> None:
    """Prunes `net` in place in small steps until its MACs are at or below the target.

    Raises:
        TargetMissedError: if the pruner has no step left.
    """
    while setting.macs(net) > target * setting.dense_macs:
        if pruner.current_step == pruner.iterative_steps:
            raise TargetMissedError(f"{type(pruner).__name__} left {setting.macs(net)} MACs, wanted {target} of the dense.")
        pruner.step()


def _arguments(setting: Setting, net: nn.Module, importance: Any, *, everywhere: bool = True) -> dict[str, Any]:
    """The output layer is never cut; torch-pruning itself leaves every layer one unit."""
    return {
        "example_inputs": setting.part[0][:2],
        "importance": importance,
        "global_pruning": everywhere,
        "pruning_ratio": 1.0,
        "iterative_steps": STEPS,
        "ignored_layers": [net.get_submodule(layer.name) for layer in setting.architecture.protected],
    }
