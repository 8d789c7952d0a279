"""The posterior predictive: what the mixture over draws of the weights says about targets."""

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ConfigError
from bayes_guided.infer.draws import Draws
from bayes_guided.infer.prediction.draw_network import DrawNetwork, Parts, chunk_sizes
from bayes_guided.infer.prediction.evaluation import Evaluation, Scores, first_outputs
from bayes_guided.infer.prediction.mixture import Mixture
from bayes_guided.infer.training.batches import Batches
from bayes_guided.infer.training.generators import kept_generators
from bayes_guided.likelihoods import Likelihood
from bayes_guided.nn.modes import evaluating

MEMORY_MB = 256.0
"""The default cap, MiB."""

_SCRATCH = 2
"""The part of the cap that is left to scratch memory inside operations, as a factor: up to 1.5 was measured, on a LeNet-5."""

_BLOCK = 1024
"""Cases at a time, at most."""


@torch.no_grad()
def predict_draws(
    net: nn.Module,
    architecture: Architecture,
    likelihood: Likelihood,
    draws: Draws,
    inputs: Tensor,
    *,
    memory_mb: float = MEMORY_MB,
) -> Float[Tensor, "batch ..."]:
    """The predictive mean of the targets (class probabilities, rates) over the draws, in the network's dtype.

    The network, which stays as it is, runs in evaluation mode, at as many draws and cases at once as keep the tensors in work
    below `memory_mb` MiB, if two cases at one draw do.

    Raises:
        DataError: if the network does not run on the inputs.
        ConfigError: if the cap is not positive, there are no draws, or they have noise that the likelihood does not know.
    """
    engine = _engine(net, architecture, likelihood, draws, memory_mb)
    blocks = ((block, None) for block in inputs.split(_BLOCK))
    with evaluating(net), kept_generators(inputs.device):
        means = [parts["mean"][0] for parts, _ in _predictions(engine, blocks, halves=False, memory_mb=memory_mb)]
    return torch.cat(means).to(next(net.parameters()).dtype)


@torch.no_grad()
def evaluate_draws(
    net: nn.Module,
    architecture: Architecture,
    likelihood: Likelihood,
    draws: Draws,
    batches: Batches,
    *,
    memory_mb: float = MEMORY_MB,
) -> Evaluation:
    """Error, log predictive density and calibration of the mixture over the draws, over one pass; generators stay.

    Beyond the cap, which is as in `predict_draws`, it keeps about 250 bytes for every case and output (of several classes:
    for every case): the forecasts that calibration is made of.

    Raises:
        DataError: if the network does not run on the inputs.
        LabelError: if targets do not fit the likelihood and the network's outputs.
        ConfigError: as `predict_draws`.
    """
    engine, scores = _engine(net, architecture, likelihood, draws, memory_mb), Scores(likelihood)
    with evaluating(net), kept_generators(batches.device):
        for parts, targets in _predictions(engine, batches.sweep(), halves=True, memory_mb=memory_mb):
            assert targets is not None  # they come from the batches
            bounds = (parts["below"], parts["up_to"]) if "below" in parts else None
            scores.add(parts["mean"], parts["log_density"], bounds, targets)
    return scores.evaluation(len(draws))


def _engine(net: nn.Module, architecture: Architecture, likelihood: Likelihood, draws: Draws, memory_mb: float) -> DrawNetwork:
    if not memory_mb > 0:
        raise ConfigError(f"memory_mb={memory_mb}: give a positive number of MiB.")
    if len(draws) == 0:
        raise ConfigError("there are no draws to predict with; draw at least 1.")
    architecture.check(net)
    return DrawNetwork(net, architecture, likelihood, draws)


def _predictions(
    engine: DrawNetwork, blocks: Iterable[tuple[Tensor, Tensor | None]], *, halves: bool, memory_mb: float
) -> Iterator[tuple[Parts, Tensor | None]]:
    """What the mixtures predict for each block of cases, and its targets."""
    sizes, together = None, False
    for inputs, targets in blocks:
        outputs = first_outputs(engine.net, inputs)
        if targets is not None:
            engine.likelihood.check(targets, outputs)
        if sizes is None:
            together = engine.runs_together(inputs, targets)
            sizes = _sizes(engine, inputs, targets, halves, together, memory_mb * 2**20 / _SCRATCH)
        pieces = -(-len(inputs) // sizes[1])
        for part, wanted in _split(inputs, targets, pieces):
            mixture = Mixture(len(engine.draws), halves=halves)
            for start in range(0, len(engine.draws), sizes[0]):
                stop = min(start + sizes[0], len(engine.draws))
                mixture.add(start, engine.predict(start, stop, part, wanted, together=together))
            yield mixture.predictors(), wanted


def _sizes(
    engine: DrawNetwork, inputs: Tensor, targets: Tensor | None, halves: bool, together: bool, budget: float
) -> tuple[int, int]:
    """Draws and cases at once; one draw where they are computed one by one."""

    def run(draws: int, cases: int) -> None:
        mixture = Mixture(len(engine.draws), halves=halves)
        wanted = None if targets is None else targets[:cases]
        mixture.add(0, engine.predict(0, draws, inputs[:cases], wanted, together=together))
        mixture.predictors()

    return chunk_sizes(run, len(engine.draws) if together else 1, len(inputs), budget)


def _split(inputs: Tensor, targets: Tensor | None, pieces: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    parts = inputs.tensor_split(pieces)
    return zip(parts, [None] * pieces if targets is None else targets.tensor_split(pieces), strict=True)
