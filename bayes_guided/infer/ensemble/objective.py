"""The guided regulariser of all members of an ensemble at once, for the one training loop."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.func import functional_call, vmap

from bayes_guided.exceptions import CollapseError, UnsupportedNetworkError
from bayes_guided.infer.draws import Draws
from bayes_guided.infer.ensemble.member_batches import MemberBatches, MemberCases
from bayes_guided.infer.ensemble.members import read_members, stack
from bayes_guided.infer.prediction.evaluation import check_cases, summary_error
from bayes_guided.infer.prediction.predictive import evaluate_draws
from bayes_guided.infer.training.batches import Batches
from bayes_guided.infer.training.generators import kept_generators
from bayes_guided.infer.training.history import Epoch
from bayes_guided.infer.training.loop import BatchLoss, Objective
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
        self._net, self._one_likelihood = members[0].train(), likelihood
        for data in (batches, held_out):
            if data is not None:
                check_cases(members[0], likelihood, data)
        self.network, self.likelihood = stack(members), stack([likelihood] * len(members))
        self.module = nn.ModuleDict({"network": self.network, "likelihood": self.likelihood}).train()
        self._parameters, self._buffers = dict(self.network.named_parameters()), dict(self.network.named_buffers())
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
        self._noise: dict[str, Tensor] = {f"likelihood.{name}": value for name, value in self.likelihood.named_parameters()}
        """Every member's noise, as `_Call` names it."""
        self._require_vmap()

    def batch_loss(self, inputs: Tensor, targets: Tensor) -> BatchLoss:
        """The sum over members of mean NLL (weighted, under a bootstrap) and prior of a learned noise over N.

        For the record NLL and error are means over members; the error counts every case alike.
        """
        cases = self.batches.cases(inputs, targets)
        nll, error = self._case_terms(self._outputs(cases, self._buffers), cases)
        if cases.weights is not None:
            nll = nll * cases.weights
        loss = nll.mean(dim=1).sum() + self._noise_penalties().sum() / self.batches.size
        return BatchLoss(loss, nll.mean(), error.double().mean())

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
            given = self._net, self.prior.architecture, self._one_likelihood
            held_out = evaluate_draws(*given, draws, self.held_out).error
        loss = nll + self.penalty(draws) / self.batches.size
        return Epoch(loss, nll, summary_error(self._one_likelihood, error), widths, held_out)

    @torch.no_grad()
    def penalty(self, draws: Draws) -> float:
        """The whole regulariser, in nats, averaged over members."""
        rows = {name: vmap(prior.penalty)(draws.rows[name]) for name, prior in self.prior.row_priors.items()}
        rest = self.prior.rest.strength * draws.rest.square().sum(dim=1).mean()
        return float(sum(penalty.sum(dim=1).mean() for penalty in rows.values())) + float(
            rest + self._noise_penalties().mean()
        )

    def __len__(self) -> int:
        """Number of members."""
        return len(next(iter(self._parameters.values())))

    def draws(self) -> Draws:
        """The members as they are now."""
        return read_members(self.prior.architecture, self.network, self.likelihood)

    def _outputs(self, cases: MemberCases, buffers: dict[str, Tensor]) -> Float[Tensor, "members batch ..."]:
        """What every member's network says; running statistics in `buffers` move along."""

        def member(parameters: Mapping[str, Tensor], own: dict[str, Tensor], inputs: Tensor) -> Tensor:
            return functional_call(self._net, {**parameters, **own}, (inputs,))

        in_dims = (0, 0, 0 if cases.own else None)
        return vmap(member, in_dims=in_dims, randomness="different")(self._parameters, buffers, cases.inputs)

    def _case_terms(
        self, outputs: Float[Tensor, "members batch ..."], cases: MemberCases
    ) -> tuple[Float[Tensor, "members batch"], Float[Tensor, "members batch"]]:
        """NLL and error of every case in every member."""
        targets = cases.targets if cases.own else cases.targets.expand(len(outputs), *cases.targets.shape)
        if self._noise:
            return vmap(self._noisy_terms)(self._noise, outputs, targets)
        # Without weights of its own the likelihood sees one long batch, which is faster than a vmap of it.
        nll, error = _terms(self._one_likelihood, outputs.flatten(0, 1), targets.flatten(0, 1))
        return nll.unflatten(0, outputs.shape[:2]), error.unflatten(0, outputs.shape[:2])

    def _noisy_terms(self, noise: dict[str, Tensor], outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return functional_call(_Call(self._one_likelihood, _terms), noise, (outputs, targets))

    def _noise_penalties(self) -> Float[Tensor, "members"]:
        """The negative log prior of every member's noise, in nats; 0 where none is learned."""
        if not self._noise:
            return self._one_likelihood.penalty().expand(len(self))
        return vmap(lambda noise: functional_call(_Call(self._one_likelihood, _penalty), noise, ()))(self._noise)

    @torch.no_grad()
    def _require_vmap(self) -> None:
        """Runs two cases in training mode, on copies of the buffers."""
        buffers = {name: buffer.clone() for name, buffer in self._buffers.items()}
        with kept_generators(self.batches.device):  # a loader may shuffle, and a network drop out
            inputs, targets = next(iter(self.batches.sweep()))
            try:
                self._outputs(MemberCases(inputs[:2], targets[:2], None, own=False), buffers)
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


class _Call(nn.Module):
    """A function of a likelihood as a module, so that the likelihood's weights can be given from outside."""

    def __init__(self, likelihood: Likelihood, function: Callable[..., Any]) -> None:
        super().__init__()
        self.likelihood, self.function = likelihood, function

    def forward(self, *arguments: Tensor) -> Any:
        """The function's value."""
        return self.function(self.likelihood, *arguments)


def _terms(
    likelihood: Likelihood, outputs: Float[Tensor, "batch ..."], targets: Tensor
) -> tuple[Float[Tensor, "batch"], Float[Tensor, "batch"]]:
    """NLL and error per case."""
    with torch.no_grad():
        error = likelihood.error(outputs, targets)
    return -likelihood.log_prob(outputs, targets), error


def _penalty(likelihood: Likelihood) -> Float[Tensor, ""]:
    return likelihood.penalty()
