"""The Pyro model: a network whose weights have a structured prior, and a likelihood on its outputs."""

import copy
from typing import cast

import pyro
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn
from torch.func import functional_call

from bayes_guided.arguments import require_instance
from bayes_guided.exceptions import DataError
from bayes_guided.likelihoods import Likelihood
from bayes_guided.priors.guided import GuidedPrior


class BayesianNetwork(PyroModule):
    """Network x prior x likelihood as one Pyro model, on which any of Pyro's inference runs.

    Sites: "rows.<group>" of shape (units, row) for every group, "rest" for all other weights, "noise_scale" for a learned
    noise, and the observed "targets" in the plate "data". The network's parameters are views of the rows; its buffers
    (BatchNorm's statistics) live in this module's own copy of the network, and the user's network is never changed.
    Nothing enters Pyro's global parameter store.

    `dataset_size` is N: with mini-batches the likelihood is scaled by N over the batch's size. Without it the batch is
    taken to be the whole data set.
    """

    def __init__(self, net: nn.Module, prior: GuidedPrior, likelihood: Likelihood, *, dataset_size: int | None = None) -> None:
        """Copies the network.

        Raises:
            ArchitectureMismatchError: if the network is not the one that the prior's architecture describes.
            DataError: if `dataset_size` is not positive.
            ConfigError: for a prior or likelihood of the wrong kind.
        """
        super().__init__()
        require_instance("prior", prior, GuidedPrior, "a GuidedPrior")
        require_instance("likelihood", likelihood, Likelihood, "one of bayes_guided.likelihoods, such as Categorical()")
        prior.check(net)
        if dataset_size is not None and dataset_size < 1:
            raise DataError(f"dataset_size={dataset_size}: give the number of training cases, at least 1.")
        self.prior = prior
        self.dataset_size = dataset_size
        self.network = copy.deepcopy(net)
        self.likelihood = copy.deepcopy(likelihood)

    def initial_values(self) -> dict[str, Tensor]:
        """The network's own weights (and noise) at the model's sites: a start for guides and chains (`init_to_value`).

        Pyro's default start, the median of prior draws, is about 0 for symmetric priors, where every gradient of a ReLU
        network vanishes (P28).
        """
        architecture, (network, likelihood) = self.prior.architecture, self._parts()
        values = {f"rows.{name}": rows.detach().clone() for name, rows in architecture.rows(network).items()}
        if architecture.rest_size:
            values["rest"] = architecture.rest_vector(network).detach().clone()
        return values | likelihood.initial_values()

    def forward(self, inputs: Tensor, targets: Tensor | None = None) -> Tensor:
        """The network's outputs under weights drawn at the sites; observes the targets if they are given.

        Raises:
            DataError: if there are more targets than `dataset_size`.
            LabelError: if the targets do not fit the likelihood.
        """
        network, likelihood = self._parts()
        parameters = self.prior.architecture.parameters(*self._sample_weights(network))
        likelihood = likelihood.sample_parameters()
        outputs = functional_call(network, parameters, (inputs,))
        if targets is not None:
            likelihood.check(targets, outputs)
        with self._plate(len(inputs), predicts=targets is None):
            likelihood.observe(outputs, targets)
        return outputs

    def _plate(self, batch: int, *, predicts: bool) -> pyro.plate:
        """The cases of the batch, out of N; to predict, the batch is all there is."""
        size = batch if predicts or self.dataset_size is None else self.dataset_size
        if batch > size:
            raise DataError(f"a batch of {batch} cases is larger than the data set, dataset_size={size}.")
        return pyro.plate("data", size, subsample=torch.arange(batch))

    def _parts(self) -> tuple[nn.Module, Likelihood]:
        """The network and the likelihood, without registering their parameters in Pyro's global store.

        Reading them as attributes of a PyroModule would do that.
        """
        network, likelihood = self._modules["network"], self._modules["likelihood"]
        return cast(nn.Module, network), cast(Likelihood, likelihood)

    def _sample_weights(self, network: nn.Module) -> tuple[dict[str, Tensor], Tensor]:
        like = next(network.parameters())
        prior = self.prior
        rows = {name: pyro.sample(f"rows.{name}", prior.distribution(name, like).to_event(1)) for name in prior.row_priors}
        if not prior.architecture.rest_size:
            return rows, like.new_zeros(0)
        return rows, pyro.sample("rest", prior.rest_distribution(like))
