"""The guided regulariser of all members of an ensemble at once, for the one training loop."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.func import functional_call, vmap

from bayes_guided.exceptions import CollapseError, UnsupportedNetworkError
from bayes_guided.infer.batches import Batches
from bayes_guided.infer.draws import Draws
from bayes_guided.infer.evaluation import check_cases, summary_error
from bayes_guided.infer.generators import kept_generators
from bayes_guided.infer.history import Epoch
from bayes_guided.infer.member_batches import MemberBatches, MemberCases
from bayes_guided.infer.members import read_members, stack
from bayes_guided.infer.predictive import evaluate_draws
from bayes_guided.infer.training import BatchLoss, Objective
from bayes_guided.likelihoods import Likelihood
from bayes_guided.optim import ProximalAdam
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.types import Masks


class EnsembleObjective(Objective):
    """The sum over members of each one's mean NLL, by one vmapped pass, under one ProximalAdam of the stacked members.

    The members share nothing: the gradient of the sum is every member's own gradient, and the proximal step is each row's.
    """

    def __init__(
        self,
        members: list[nn.Module],
        prior: GuidedPrior,
        likelihood: Likelihood,
        batches: MemberBatches,
        held_out: Batches | None,
        *,
        lr: float,
        warmup_steps: int,
        metric: Literal["row", "weight"],
        allow_empty: bool,
    ) -> None:
        """Copies the members, which start as they are.

        Raises:
            DataError, LabelError: if the network or the likelihood do not take the data.
            UnsupportedNetworkError: if the network does not run on stacked members.
        """
        self.prior, self.batches, self.held_out, self.allow_empty = prior, batches, held_out, allow_empty
        self._template = _CaseLoss(members[0], likelihood).train()
        for data in (batches, held_out):
            if data is not None:
                check_cases(members[0], likelihood, data)
        self.network, self.likelihood = stack(members), stack([likelihood] * len(members))
        self.module = nn.ModuleDict({"network": self.network, "likelihood": self.likelihood}).train()
        self._parameters, self._buffers = dict(self.module.named_parameters()), dict(self.module.named_buffers())
        self.optimizer = ProximalAdam(
            members[0],
            prior,
            dataset_size=batches.size,
            lr=lr,
            warmup_steps=warmup_steps,
            metric=metric,
            extra=self.likelihood.parameters(),
            stacked=dict(self.network.named_parameters()),
        )
        self._require_vmap()

    def batch_loss(self, inputs: Tensor, targets: Tensor) -> BatchLoss:
        """The sum over members of mean NLL (weighted, under a bootstrap) and prior of a learned noise over N.

        For the record NLL and error are means over members; the error counts every case alike.
        """
        cases = self.batches.cases(inputs, targets)
        nll, error, penalty = self._run(cases, self._buffers)
        if cases.weights is not None:
            nll = nll * cases.weights
        return BatchLoss(nll.mean(dim=1).sum() + penalty.sum() / self.batches.size, nll.mean(), error.double().mean())

    def end_epoch(self, nll: float, error: float) -> Epoch:
        """The record of the epoch: means over members, units that at least half of the members keep, and the validation
        error of the members' mean prediction.

        Raises:
            CollapseError: if a member has lost a whole group that may not be empty.
        """
        draws = self.draws()
        alive = {name: (rows != 0).any(dim=2) for name, rows in draws.rows.items()}
        self._require_groups(alive)
        widths = {name: int(kept_by_half(mask).sum()) for name, mask in alive.items()}
        held_out = None
        if self.held_out is not None:
            architecture, template = self.prior.architecture, self._template
            held_out = evaluate_draws(template.network, architecture, template.likelihood, draws, self.held_out).error
        loss = nll + self.penalty(draws) / self.batches.size
        return Epoch(loss, nll, summary_error(self._template.likelihood, error), widths, held_out)

    @torch.no_grad()
    def penalty(self, draws: Draws) -> float:
        """The whole regulariser, in nats, averaged over members."""
        rows = {name: vmap(prior.penalty)(draws.rows[name]) for name, prior in self.prior.row_priors.items()}
        noise = self._noise_penalty()
        rest = self.prior.rest.strength * draws.rest.square().sum(dim=1).mean()
        return float(sum(penalty.sum(dim=1).mean() for penalty in rows.values())) + float(rest) + noise

    def draws(self) -> Draws:
        """The members as they are now."""
        return read_members(self.prior.architecture, self.network, self.likelihood)

    def _noise_penalty(self) -> float:
        parameters = {name: value.detach() for name, value in self.likelihood.named_parameters()}
        if not parameters:
            return 0.0
        members = vmap(lambda given: functional_call(_Penalty(self._template.likelihood), given, ()))
        return float(members({f"likelihood.{name}": value for name, value in parameters.items()}).mean())

    def _run(self, cases: MemberCases, buffers: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """NLL and error (members, batch), and the noise's penalty (members,); running statistics in `buffers` move along."""

        def member(parameters: Mapping[str, Tensor], own: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> Any:
            return functional_call(self._template, {**parameters, **own}, (inputs, targets))

        data = 0 if cases.own else None
        in_dims = (0, 0, data, data)
        return vmap(member, in_dims=in_dims, randomness="different")(self._parameters, buffers, cases.inputs, cases.targets)

    @torch.no_grad()
    def _require_vmap(self) -> None:
        """Runs two cases in training mode, on copies of the buffers."""
        inputs, targets = next(iter(self.batches.sweep()))
        buffers = {name: buffer.clone() for name, buffer in self._buffers.items()}
        with kept_generators(self.batches.device):
            try:
                self._run(MemberCases(inputs[:2], targets[:2], None, own=False), buffers)
            except Exception as error:
                raise UnsupportedNetworkError(
                    f"the network does not run on stacked members, under torch.func.vmap ({type(error).__name__}: {error}); "
                    "leave out what vmap cannot do (BatchNorm with momentum=None, .item(), in-place changes of tensors that "
                    "the members share), or fit the members one by one with fit_map."
                ) from error

    def _require_groups(self, alive: Masks) -> None:
        if self.allow_empty:
            return
        members = len(next(iter(alive.values())))
        for member in range(members):
            empty = self.prior.architecture.collapsed({name: int(mask[member].sum()) for name, mask in alive.items()})
            if empty:
                raise CollapseError(
                    f"in member {member} of {members} every unit of {', '.join(repr(name) for name in empty)} vanished, and a "
                    "zero unit of a ReLU network never comes back (P28); lower the strength, raise it slowly with "
                    "ramp_epochs, guide this group less (guidance.across), or pass allow_empty=True if the group may go."
                )


def kept_by_half(alive: Bool[Tensor, "members units"]) -> Bool[Tensor, "units"]:
    """The units that are not zero in at least half of the members."""
    return 2 * alive.sum(dim=0) >= len(alive)


class _CaseLoss(nn.Module):
    """One member's loss per case, as a module, so that its weights can be given from outside."""

    def __init__(self, network: nn.Module, likelihood: Likelihood) -> None:
        super().__init__()
        self.network, self.likelihood = network, likelihood

    def forward(
        self, inputs: Tensor, targets: Tensor
    ) -> tuple[Float[Tensor, "batch"], Float[Tensor, "batch"], Float[Tensor, ""]]:
        """NLL and error per case, and the noise's penalty."""
        outputs = self.network(inputs)
        with torch.no_grad():
            error = self.likelihood.error(outputs, targets)
        return -self.likelihood.log_prob(outputs, targets), error, self.likelihood.penalty()


class _Penalty(nn.Module):
    def __init__(self, likelihood: Likelihood) -> None:
        super().__init__()
        self.likelihood = likelihood

    def forward(self) -> Float[Tensor, ""]:
        """The noise's penalty."""
        return self.likelihood.penalty()
