"""The nine regularisers: how each finds the units that stay."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

import bayes_guided as bg

from .problems import Problem

GUIDANCE = {"constant": bg.guidance.constant(), "linear": bg.guidance.linear()}
"""The unguided and the guided form, both of mean 1 over the units of a layer."""

Found = tuple[nn.Module, bg.SubArchitecture]
"""A trained network of the full shape, and the units of it that stay."""


@dataclass(frozen=True)
class ByMAP:
    """A penalty on rows, minimised by `fit_map`; a unit stays unless its row is exactly zero.

    Where no row ever is, `cuts` says which stay: those whose norm is above such a part of their layer's largest. Each part
    gives a network of its own.
    """

    weights: Callable[[float], bg.priors.WeightPrior]
    penalised: Literal["row", "norm"] = "row"
    cuts: tuple[float, ...] = ()

    @property
    def batch_norm(self) -> bool:
        """Whether the penalty is one of batch norm's scales and shifts."""
        return self.penalised == "norm"

    def find(self, problem: Problem, strength: float, guidance: str) -> list[Found]:
        """The network at the MAP of this strength with the units that it keeps, once or for each cut."""
        net = problem.network(batch_norm=self.batch_norm)
        architecture = bg.Architecture.from_module(net, problem.training[0][:2])
        prior = bg.GuidedPrior(
            architecture, weights=self.weights(strength), guidance=GUIDANCE[guidance], penalised=self.penalised
        )
        fit = bg.fit_map(
            net, prior, problem.training, epochs=problem.epochs, allow_empty=True, seed=problem.seed, **problem.budget
        )
        if not self.cuts:
            return [(fit.net, fit.sub_architecture())]
        return [(fit.net, larger_rows(fit, part)) for part in self.cuts]


def larger_rows(fit: bg.MAPFit, part: float) -> bg.SubArchitecture:
    """The units whose row's norm is above this part of their layer's largest."""
    norms = {name: rows.norm(dim=1) for name, rows in fit.rows.items()}
    return fit.architecture.sub_architecture({name: norm > part * norm.max() for name, norm in norms.items()})


@dataclass(frozen=True)
class ByInclusion:
    """Independent units, each of cost strength * g_u nats; those whose inclusion probability is above 1/2 stay."""

    guide: Literal["guided_l0", "structured"]
    batch_norm: bool = False

    def find(self, problem: Problem, strength: float, guidance: str) -> list[Found]:
        """The network at the posterior means of the most probable model, and that model."""
        if self.guide == "structured":
            problem = replace(problem, budget=problem.budget | {"lr": problem.posterior_lr}, epochs=problem.posterior_epochs)
        net = problem.network(batch_norm=False)
        architecture = bg.Architecture.from_module(net, problem.training[0][:2])
        models = bg.IndependentInclusion.from_guidance(architecture, GUIDANCE[guidance], strength=strength)
        fit = bg.fit_svi(
            net,
            bg.SpikeAndSlabPrior(architecture, models, bg.priors.Normal(1.0), guidance=_SLAB),
            problem.training,
            guide=self.guide,
            epochs=problem.epochs,
            elbo_draws=2,  # the bound is not used
            allow_empty=True,
            seed=problem.seed,
            **problem.budget,
        )
        return [(fit.net, fit.sub_architecture())]


_SLAB = bg.guidance.custom(lambda group: torch.full((group.size,), group.row_dim / 4), normalise=False)
"""Slab variance 2 / D for every weight of a row of D, He's at the start of ReLU networks; the same for all units."""

REGULARISERS: dict[str, ByMAP | ByInclusion] = {
    "l1": ByMAP(bg.priors.Laplace),
    "l2": ByMAP(bg.priors.Normal, cuts=(0.1, 0.5)),
    "group_lasso": ByMAP(bg.priors.GroupLaplace),
    "sparse_group_lasso": ByMAP(bg.priors.SparseGroupLaplace),
    "group_half": ByMAP(bg.priors.GroupSqrtLaplace),
    "slimming": ByMAP(bg.priors.Laplace, penalised="norm"),
    "tree_group_lasso": ByMAP(bg.priors.TreeGroupLaplace),
    "l0": ByInclusion("guided_l0"),
    "spike_and_slab": ByInclusion("structured"),
}

NAMES = {
    "l1": "L1",
    "l2": "squared L2",
    "group_lasso": "group lasso",
    "sparse_group_lasso": "sparse group lasso",
    "group_half": "group L1/2",
    "slimming": "network slimming",
    "tree_group_lasso": "tree group lasso",
    "l0": "L0 hard concrete",
    "spike_and_slab": "spike and slab",
}

DENSE = {False: "dense", True: "dense, batch norm"}
"""The cases of the networks without regulariser, by whether they have batch norm."""


def dense_case(regulariser: str) -> str:
    """The dense network that a regulariser is measured against: slimming's has batch norm as well."""
    return DENSE[REGULARISERS[regulariser].batch_norm]
