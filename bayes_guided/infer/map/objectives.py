"""The objectives of MAP and of the refit, for the one training loop."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from bayes_guided.architecture import UnitGroup
from bayes_guided.architecture.rows import read_block, read_rows
from bayes_guided.exceptions import CollapseError
from bayes_guided.infer.prediction.evaluation import check_cases, evaluate, summary_error
from bayes_guided.infer.training.batches import Batches
from bayes_guided.infer.training.history import Epoch
from bayes_guided.infer.training.loop import BatchLoss, Objective
from bayes_guided.likelihoods import Likelihood
from bayes_guided.optim import ProximalAdam
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.priors.spike_and_slab import SpikeAndSlabPrior


class LikelihoodObjective(Objective):
    """The mean negative log likelihood of a network, and a prior that the optimiser knows."""

    def __init__(self, network: nn.Module, likelihood: Likelihood, batches: Batches, held_out: Batches | None) -> None:
        """Trains the network and the likelihood that it is given, in place.

        Raises:
            DataError: if the network does not run on the inputs.
            LabelError: if targets do not fit the likelihood and the network's outputs.
        """
        self.network, self.likelihood = network, likelihood
        self.module = nn.ModuleDict({"network": network, "likelihood": likelihood}).train()
        self.batches, self.held_out = batches, held_out
        check_cases(network, likelihood, batches)
        if held_out is not None:
            check_cases(network, likelihood, held_out)

    @abstractmethod
    def penalty(self) -> float:
        """The whole regulariser at the present weights, in nats."""

    @abstractmethod
    def widths(self) -> dict[str, int]:
        """Units of every group that are not exactly zero."""

    def batch_loss(self, inputs: Tensor, targets: Tensor) -> BatchLoss:
        """Mean NLL, plus the prior of a learned noise over N."""
        outputs = self.network(inputs)
        nll = -self.likelihood.log_prob(outputs, targets).mean()
        with torch.no_grad():
            error = self.likelihood.error(outputs, targets).double().mean()
        return BatchLoss(nll + self.likelihood.penalty() / self.batches.size, nll, error)

    def end_epoch(self, nll: float, error: float) -> Epoch:
        """The record of the epoch, with the validation error if there are such data."""
        penalty = self.penalty() + float(self.likelihood.penalty().detach())
        held_out = None if self.held_out is None else evaluate(self.network, self.likelihood, self.held_out).error
        return Epoch(nll + penalty / self.batches.size, nll, summary_error(self.likelihood, error), self.widths(), held_out)


class MAPObjective(LikelihoodObjective):
    """The guided regulariser under ProximalAdam."""

    def __init__(
        self,
        network: nn.Module,
        prior: GuidedPrior,
        likelihood: Likelihood,
        batches: Batches,
        held_out: Batches | None,
        *,
        lr: float,
        warmup_steps: int,
        metric: Literal["row", "weight"],
        allow_empty: bool,
    ) -> None:
        super().__init__(network, likelihood, batches, held_out)
        self.prior, self.allow_empty = prior, allow_empty
        self.optimizer = ProximalAdam(
            self.network,
            prior,
            dataset_size=batches.size,
            lr=lr,
            warmup_steps=warmup_steps,
            metric=metric,
            extra=self.likelihood.parameters(),
        )

    @torch.no_grad()
    def penalty(self) -> float:
        """The guided regulariser and the ridge on the rest; one group's rows at a time are copied out of the network."""
        architecture, parameters = self.prior.architecture, dict(self.network.named_parameters())
        penalties = [
            float(self.prior.row_priors[group.name].penalty(read_rows(parameters, group)).sum())
            for group in architecture.groups
        ]
        return sum(penalties) + self.prior.rest.strength * float(architecture.rest_vector(parameters).square().sum())

    @torch.no_grad()
    def widths(self) -> dict[str, int]:
        """Units of every group that are not exactly zero."""
        parameters = dict(self.network.named_parameters())
        return {group.name: _alive(parameters, group) for group in self.prior.architecture.groups}

    def end_epoch(self, nll: float, error: float) -> Epoch:
        """The record, unless a whole group is gone that may not be."""
        record = super().end_epoch(nll, error)
        empty = self.prior.architecture.collapsed(record.widths)
        if empty and not self.allow_empty:
            raise CollapseError(
                f"every unit of {', '.join(repr(name) for name in empty)} vanished, and a zero unit of a ReLU network never "
                "comes back (P28); lower the strength, raise it slowly with ramp_epochs, guide this group less "
                "(guidance.across), or pass allow_empty=True if the group may go."
            )
        return record


class RefitObjective(LikelihoodObjective):
    """The reduced network without guidance, under the ridge of the rest, by plain Adam."""

    def __init__(
        self,
        network: nn.Module,
        prior: GuidedPrior | SpikeAndSlabPrior,
        likelihood: Likelihood,
        batches: Batches,
        held_out: Batches | None,
        *,
        lr: float,
    ) -> None:
        super().__init__(network, likelihood, batches, held_out)
        self.ridge = prior.rest.strength
        weights = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        # Adam's weight_decay w adds w * weight to the gradient of the mean NLL: the ridge r ||weight||^2 / N.
        groups = [{"params": weights, "weight_decay": 2 * self.ridge / batches.size}]
        noise = list(self.likelihood.parameters())
        self.optimizer = torch.optim.Adam(groups + ([{"params": noise}] if noise else []), lr=lr)

    @torch.no_grad()
    def penalty(self) -> float:
        """The ridge on all weights."""
        return self.ridge * float(sum(parameter.square().sum() for parameter in self.network.parameters()))

    def widths(self) -> dict[str, int]:
        """Nothing: no unit leaves in a refit."""
        return {}


def _alive(parameters: Mapping[str, Tensor], group: UnitGroup) -> int:
    """Units of the group with a weight that is not zero, without a copy of the rows."""
    alive = torch.zeros(group.size, dtype=torch.bool)
    for block in group.blocks:
        share = read_block(parameters[block.parameter], block)
        alive |= (torch.linalg.vector_norm(share, ord=float("inf"), dim=1) > 0).cpu()
    return int(alive.sum())
