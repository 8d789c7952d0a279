"""Adam with a proximal step: any training loop becomes guided, and whole rows become exactly zero."""

import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import nn

from bayes_guided.arguments import require_instance, whole_number
from bayes_guided.exceptions import ConfigError, DataError
from bayes_guided.priors.guided import GuidedPrior

from .metrics import Metric, RowMetric, WeightMetric
from .rest_update import RestUpdate
from .row_update import RowUpdate

_METRICS: dict[str, type[Metric]] = {"row": RowMetric, "weight": WeightMetric}


class ProximalAdam(torch.optim.Optimizer):
    """A torch optimiser whose fixed point is the MAP of `N * mean NLL + penalty` under a guided prior.

    The caller's loop stays as it is: it back-propagates the *mean* negative log likelihood of each batch, and `step` adds
    the prior.

        optimizer = ProximalAdam(net, prior, dataset_size=len(data), lr=1e-3)

    Rows of guided units take Adam steps with one second moment per row [Zhang2024, Adam-mini], which makes the proximal
    operator exact and closed in the optimiser's own metric (P22, P24); with `metric="weight"` every weight has its own,
    as in Adam, and the operator takes Newton steps (P23). All other weights take plain Adam steps with the gradient of
    their ridge. Weights that are frozen at the start (`requires_grad=False`) stay as they are, and so do weights without a
    gradient: the penalty is then that of the other weights of their rows.

    The first `warmup_steps` take no proximal step: before the second moments mean something, a start at a stationary point
    would lose every unit (P24). `param_groups[0]["strength_scale"]` multiplies the strength, for ramps.
    """

    def __init__(
        self,
        net: nn.Module,
        prior: GuidedPrior,
        *,
        dataset_size: int,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        warmup_steps: int = 50,
        metric: Literal["row", "weight"] = "row",
        extra: Iterable[nn.Parameter] = (),
        stacked: Mapping[str, nn.Parameter] | None = None,
    ) -> None:
        """Reads the rows' places in the network; changes nothing yet.

        `extra` are parameters outside the network, such as a learned noise scale, that take plain Adam steps. `stacked` holds,
        for every parameter of the network, those of the members of an ensemble along a new first axis: they are trained in its
        place, each member exactly as alone, and the network itself is not touched.

        Raises:
            NoMAPError: if the weight prior is unbounded (GroupHorseshoe).
            DataError: if `dataset_size` is not a positive whole number.
            ConfigError: for a network or prior of the wrong kind, a learning rate, betas, eps or warm-up out of range, or an
                unknown metric.
            ArchitectureMismatchError: if the network is not that of the prior's architecture.
        """
        require_instance("net", net, nn.Module, "the network itself, a torch.nn.Module, and not its parameters")
        require_instance("prior", prior, GuidedPrior, "a GuidedPrior (a SpikeAndSlabPrior is for fit_svi and fit_mcmc)")
        _check_settings(dataset_size, lr, betas, eps, warmup_steps)
        if metric not in _METRICS:
            raise ConfigError(f'metric="{metric}": give "row" or "weight".')
        prior.check(net)
        parameters = dict(net.named_parameters()) if stacked is None else dict(stacked)
        extra = [parameter for parameter in extra if parameter.requires_grad]
        trained = [parameter for parameter in parameters.values() if parameter.requires_grad] + extra
        defaults = {"lr": lr, "betas": betas, "eps": eps, "strength_scale": 1.0, "step": 0}
        super().__init__(trained, defaults)
        self.prior = prior
        self.dataset_size = dataset_size
        self.warmup_steps = warmup_steps
        self._rows = [
            RowUpdate(group, row_prior, parameters, _METRICS[metric](), stacked=stacked is not None)
            for group, row_prior in zip(prior.architecture.groups, prior.row_priors.values(), strict=True)
        ]
        if metric == "weight" and any(rows.couples_units for rows in self._rows):
            raise ConfigError('the tree group lasso has no exact prox in a metric per weight; use metric="row".')
        self._extra = [RestUpdate(parameter, None, None) for parameter in extra]
        self._rest = [
            RestUpdate(parameters[block.parameter], block.axis, block.index, stacked=stacked is not None)
            for block in prior.architecture.rest
            if parameters[block.parameter].requires_grad
        ]

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Refuses parameters that come later, which no step would move.

        Raises:
            ConfigError: always, once the optimiser is built.
        """
        if self.param_groups:
            raise ConfigError("ProximalAdam takes no further parameter groups; give other parameters as extra=[...].")
        super().add_param_group(param_group)

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores a state, laid out in memory as the parameters are: elementwise steps on two layouts are slow."""
        super().load_state_dict(state_dict)
        for parameter, moments in self.state.items():
            for name, value in moments.items():
                if value.shape == parameter.shape and value.stride() != parameter.stride():
                    moments[name] = torch.empty_like(parameter).copy_(value)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One step of all parameters that have gradients; returns the closure's loss, if one is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        settings = self.param_groups[0]
        settings["step"] += 1
        scale = settings["strength_scale"] / self.dataset_size
        prox_scale = scale if settings["step"] > self.warmup_steps else 0.0
        ridge = self.prior.rest.strength / self.dataset_size
        for parameter in self._extra:
            parameter.step(self.state, settings, ridge=0.0)
        for rows in self._rows:
            rows.step(self.state, settings, prox_scale=prox_scale, ridge=ridge)
        for weights in self._rest:
            weights.step(self.state, settings, ridge=ridge)
        return loss


def _check_settings(dataset_size: int, lr: float, betas: tuple[float, float], eps: float, warmup_steps: int) -> None:
    if not isinstance(dataset_size, numbers.Integral) or dataset_size < 1:
        raise DataError(f"dataset_size={dataset_size!r}: give the number of training cases N, at least 1.")
    if not 0 < lr < float("inf"):
        raise ConfigError(f"lr={lr}: give a positive finite learning rate.")
    if not (isinstance(betas, Sequence) and len(betas) == 2 and all(0 <= beta < 1 for beta in betas)):
        raise ConfigError(f"betas={betas}: give two numbers from 0 up to, not including, 1.")
    if not 0 < eps < float("inf"):
        raise ConfigError(f"eps={eps}: give a small positive number.")
    whole_number("warmup_steps", warmup_steps, least=0)
