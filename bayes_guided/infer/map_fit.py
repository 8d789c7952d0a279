"""The result of a MAP fit."""

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from bayes_guided.architecture import Architecture, SubArchitecture, reduce
from bayes_guided.architecture.inputs import like_parameters
from bayes_guided.architecture.survey import PROTECTED_BY_USER
from bayes_guided.exceptions import ArchitectureMismatchError, ConfigError
from bayes_guided.files import load_tree, save_tree
from bayes_guided.infer.batches import Data, as_batches, as_tensor
from bayes_guided.infer.evaluation import Evaluation, evaluate, evaluating, first_outputs
from bayes_guided.infer.history import History
from bayes_guided.likelihoods import Likelihood, likelihood_from_json, likelihood_to_json
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.priors.storage import prior_from_json, prior_to_json
from bayes_guided.types import Rows, UnitValues

_FILE = "fit.safetensors"


@dataclass(frozen=True, eq=False)
class Refit:
    """The reduced network after training without guidance."""

    net: nn.Module
    likelihood: Likelihood
    history: History


@dataclass(frozen=True, eq=False)
class MAPFit:
    """The MAP of a guided prior: a trained network in which whole rows are exactly zero.

    `net` has the full shape; `reduce()` hands back the smaller network that computes the same, and `refit`, if it was asked
    for, is that one trained on without guidance. `history` and `seconds` say how it went.
    """

    prior: GuidedPrior
    likelihood: Likelihood
    net: nn.Module
    history: History
    refit: Refit | None
    seed: int
    seconds: float

    @property
    def architecture(self) -> Architecture:
        """The architecture of the full network."""
        return self.prior.architecture

    @property
    def rows(self) -> Rows:
        """The MAP's rows per group, shape (units, row)."""
        return {name: rows.detach() for name, rows in self.architecture.rows(self.net).items()}

    @property
    def collapsed(self) -> list[str]:
        """Groups without any unit left that cannot go; `reduce` keeps one zero unit of each."""
        return self.architecture.collapsed({name: int((rows != 0).any(dim=1).sum()) for name, rows in self.rows.items()})

    def unit_survival(self, reading: str = "map") -> UnitValues:
        """1 for units whose row is not exactly zero, else 0, per group, shape (units,).

        This is the reading "map": a statement about one point, not a probability (P20).

        Raises:
            ConfigError: for any other reading, which a MAP fit cannot give.
        """
        if reading != "map":
            raise ConfigError(
                f'a MAP fit has no survival in the reading "{reading}"; it knows reading="map" (exact zeros) only.'
            )
        return {name: (rows != 0).any(dim=1).to(rows.dtype) for name, rows in self.rows.items()}

    def sub_architecture(self) -> SubArchitecture:
        """The units that are not exactly zero; of a collapsed group, the unit of least guidance."""
        return surviving(self.prior, self.rows)

    def reduce(self) -> nn.Module:
        """The smaller network that computes the same as `net`.

        Raises:
            ReductionError: if the network cannot be cut without changing its function.
        """
        return reduce(self.net, self.sub_architecture())

    @torch.no_grad()
    def predict(self, inputs: Tensor | np.ndarray, *, refit: bool = False) -> Float[Tensor, "batch ..."]:
        """The targets' mean under the likelihood (class probabilities, rates), in evaluation mode.

        Raises:
            DataError: if the network does not run on the inputs.
            ConfigError: if `refit` is asked for but the fit has none.
        """
        net, likelihood = self._predictor(refit)
        like = next(net.parameters())
        inputs = as_tensor(inputs, like.dtype).to(like.device)
        with evaluating(net):
            first_outputs(net, inputs)
            return torch.cat([likelihood.mean(net(part)) for part in inputs.split(1024)])

    def evaluate(self, data: Data, *, refit: bool = False) -> Evaluation:
        """Error and negative log likelihood on data.

        Raises:
            DataError, LabelError: for data that cannot be used.
            ConfigError: if `refit` is asked for but the fit has none.
        """
        net, likelihood = self._predictor(refit)
        like = next(net.parameters())
        return evaluate(net, likelihood, as_batches(data, 1024, like.device, like.dtype))

    def save(self, directory: str | Path) -> None:
        """Writes the fit to one file in the folder, atomically; nothing is pickled. `bg.load_fit` reads it.

        Raises:
            RunFolderError: if the folder cannot be written.
            CheckpointError: if the network keeps extra state, or its architecture example inputs, that are neither tensors
                nor JSON values.
        """
        tree = {
            "prior": prior_to_json(self.prior),
            "protect": [layer.name for layer in self.architecture.protected if PROTECTED_BY_USER in layer.reason],
            "example_inputs": self.architecture.example_inputs,
            "likelihood": likelihood_to_json(self.likelihood),
            "net": dict(self.net.state_dict()),
            "history": self.history.to_json(),
            "refit": None if self.refit is None else _refit_tree(self.refit),
            "seed": self.seed,
            "seconds": self.seconds,
        }
        save_tree(Path(directory) / _FILE, tree, kind="MAP fit")

    def _predictor(self, refit: bool) -> tuple[nn.Module, Likelihood]:
        if not refit:
            return self.net, self.likelihood
        if self.refit is None:
            raise ConfigError("this fit has no refit; pass refit_epochs to fit_map.")
        return self.refit.net, self.refit.likelihood


def surviving(prior: GuidedPrior, rows: Rows) -> SubArchitecture:
    """The units whose rows are not exactly zero; of a group that is empty and may not be, the unit of least guidance."""
    masks = {name: (row != 0).any(dim=1).cpu() for name, row in rows.items()}
    for name in prior.architecture.collapsed({name: int(mask.sum()) for name, mask in masks.items()}):
        masks[name][int(prior.coefficients[name].argmin())] = True
    return prior.architecture.sub_architecture(masks)


def load_fit(directory: str | Path, net: nn.Module) -> MAPFit:
    """Reads a saved fit; `net` is a network of the same class and sizes, whose weights do not matter and do not change.

    Raises:
        CheckpointError: if the file is missing, corrupt, or no fit.
        ArchitectureMismatchError: if the network is not the one that was fitted.
    """
    tree = load_tree(Path(directory) / _FILE, kind="MAP fit")
    fitted = _with_state(net, tree["net"])
    architecture = Architecture.from_module(fitted, like_parameters(tree["example_inputs"], fitted), protect=tree["protect"])
    fit = MAPFit(
        prior=prior_from_json(architecture, tree["prior"]),
        likelihood=_likelihood(tree["likelihood"], fitted),
        net=fitted.eval(),
        history=History.from_json(tree["history"]),
        refit=None,
        seed=tree["seed"],
        seconds=tree["seconds"],
    )
    return fit if tree["refit"] is None else replace(fit, refit=_refit_from(tree["refit"], fit))


def _refit_tree(refit: Refit) -> dict[str, Any]:
    return {
        "net": dict(refit.net.state_dict()),
        "likelihood": likelihood_to_json(refit.likelihood),
        "history": refit.history.to_json(),
    }


def _refit_from(tree: dict[str, Any], fit: MAPFit) -> Refit:
    net = _with_state(fit.reduce(), tree["net"]).eval()
    return Refit(net, _likelihood(tree["likelihood"], net), History.from_json(tree["history"]))


def _likelihood(values: dict[str, Any], net: nn.Module) -> Likelihood:
    return likelihood_from_json(values).to(next(net.parameters()).device)


def _with_state(net: nn.Module, state: dict[str, Tensor]) -> nn.Module:
    """A copy of the network with the saved weights and buffers, in the dtypes they were saved in."""
    copied = copy.deepcopy(net)
    for name, tensor in [*copied.named_parameters(), *copied.named_buffers()]:
        if name in state:
            tensor.data = tensor.data.to(state[name].dtype)
    try:
        copied.load_state_dict(state)
    except RuntimeError as error:
        raise ArchitectureMismatchError(
            f"the network is not the one that was fitted: {error}. Build it with the same class and sizes."
        ) from error
    return copied
