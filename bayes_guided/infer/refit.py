"""The reduced network trained on without guidance: what a fit that has chosen a model hands over."""

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from bayes_guided.architecture import SubArchitecture, reduce
from bayes_guided.exceptions import ConfigError
from bayes_guided.infer.map.objectives import RefitObjective
from bayes_guided.infer.prediction.evaluation import Evaluation, evaluate, evaluating, first_outputs
from bayes_guided.infer.training.batches import Data, as_batches, as_tensor
from bayes_guided.infer.training.history import History
from bayes_guided.infer.training.loop import Plan
from bayes_guided.infer.training.session import Session
from bayes_guided.infer.training.state import with_state
from bayes_guided.likelihoods import Likelihood, likelihood_from_json, likelihood_to_json


@dataclass(frozen=True, eq=False)
class Refit:
    """The reduced network after training without guidance, under the ridge of the rest."""

    net: nn.Module = field(repr=False)
    likelihood: Likelihood
    history: History

    def to_tree(self) -> dict[str, Any]:
        """As nested dicts of tensors and JSON values."""
        return {
            "net": dict(self.net.state_dict()),
            "likelihood": likelihood_to_json(self.likelihood),
            "history": self.history.to_json(),
        }

    @classmethod
    def from_tree(cls, tree: dict[str, Any], reduced: nn.Module) -> "Refit":
        """The inverse; `reduced` has the shape of the network."""
        net = with_state(reduced, tree["net"]).eval()
        likelihood = likelihood_from_json(tree["likelihood"]).to(next(net.parameters()).device)
        return cls(net, likelihood, History.from_json(tree["history"]))


def train_refit(session: Session, net: nn.Module, likelihood: Likelihood, sub: SubArchitecture, plan: Plan) -> Refit:
    """Trains the network reduced to the units of `sub`, and a copy of the likelihood, by plain Adam.

    Raises:
        DivergedError, CheckpointError, RunFolderError: as `Session.train`.
        ReductionError: as `reduce`.
    """
    tuned = RefitObjective(
        reduce(net, sub), session.prior, copy.deepcopy(likelihood), session.batches, session.held_out, lr=plan.lr
    )
    history = session.train(tuned, plan, label="refit", seed=session.seed + 1)
    return Refit(tuned.network.eval(), tuned.likelihood, history)


def refitted(refit: Refit | None) -> Refit:
    """The refit of a fit that has one.

    Raises:
        ConfigError: if there is none.
    """
    if refit is None:
        raise ConfigError("this fit has no refit; give refit_epochs when fitting.")
    return refit


@torch.no_grad()
def predict_point(net: nn.Module, likelihood: Likelihood, inputs: Tensor | np.ndarray) -> Float[Tensor, "batch ..."]:
    """The targets' mean under the likelihood of one network, in evaluation mode.

    Raises:
        DataError: if the network does not run on the inputs.
    """
    like = next(net.parameters())
    inputs = as_tensor(inputs, like.dtype).to(like.device)
    with evaluating(net):
        first_outputs(net, inputs)
        return torch.cat([likelihood.mean(net(part)) for part in inputs.split(1024)])


def evaluate_point(net: nn.Module, likelihood: Likelihood, data: Data) -> Evaluation:
    """Error and negative log likelihood of one network on data.

    Raises:
        DataError, LabelError: for data that cannot be used.
    """
    like = next(net.parameters())
    return evaluate(net, likelihood, as_batches(data, 1024, like.device, like.dtype))
