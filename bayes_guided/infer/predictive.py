"""Posterior predictive from draws (placeholder of one loop until the prediction helper's vmapped file lands)."""

from jaxtyping import Float
from torch import Tensor, nn

from bayes_guided.architecture import Architecture
from bayes_guided.infer.batches import Batches
from bayes_guided.infer.draws import Draws
from bayes_guided.infer.evaluation import Evaluation
from bayes_guided.likelihoods import Likelihood


def predict_draws(
    net: nn.Module, architecture: Architecture, likelihood: Likelihood, draws: Draws, inputs: Tensor
) -> Float[Tensor, "batch ..."]:
    """The predictive mean."""
    raise NotImplementedError


def evaluate_draws(
    net: nn.Module, architecture: Architecture, likelihood: Likelihood, draws: Draws, batches: Batches
) -> Evaluation:
    """The evaluation."""
    raise NotImplementedError
