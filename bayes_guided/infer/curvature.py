"""The curvature of the data per weight: the one number that the readings "shrinkage" and "evidence" need (P11, P16)."""

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from bayes_guided.exceptions import ConfigError, DivergedError
from bayes_guided.infer.fit import Fit
from bayes_guided.infer.prediction.evaluation import evaluating
from bayes_guided.infer.training.batches import Batches, Data, as_batches
from bayes_guided.infer.training.generators import seeded_generators

_CASES_AT_ONCE = 16


def mean_curvature(fit: Fit, data: Data, *, cases: int = 512) -> float:
    """The mean over all weights in rows of the curvature of the summed negative log likelihood at the fit's `net`.

    It is the mean diagonal entry of the Fisher matrix (which is the GGN for these likelihoods), nats per squared weight,
    estimated without bias from `cases` cases drawn at random and one target drawn for each from the likelihood, and scaled to
    all N. Of a DataLoader the cases are its first ones: let it shuffle. Draws come from the fit's seed, so that the number
    repeats.

    Raises:
        DataError: for data that cannot be used.
        ConfigError: if `cases` is not positive.
        DivergedError: if the network's outputs are not finite.
    """
    if cases < 1:
        raise ConfigError(f"cases={cases}: give at least 1.")
    net, architecture = fit.net, fit.architecture
    like = next(net.parameters())
    batches = as_batches(data, cases, like.device, like.dtype)
    weights = {name: parameter.detach() for name, parameter in net.named_parameters()}
    rows = {name: values.detach() for name, values in architecture.rows(weights).items()}
    rest = architecture.rest_vector(weights)
    buffers = dict(net.named_buffers())

    def log_prob(rows: dict[str, Tensor], case: Tensor, target: Tensor) -> Tensor:
        outputs = functional_call(net, {**architecture.parameters(rows, rest), **buffers}, (case[None],))
        return fit.likelihood.log_prob(outputs, target[None])[0]

    def squared_gradient(case: Tensor, target: Tensor) -> Tensor:
        gradients = grad(log_prob)(rows, case, target)
        return torch.stack([gradient.square().sum() for gradient in gradients.values()]).sum()

    with evaluating(net), seeded_generators(fit.seed, like.device):
        inputs = _drawn_cases(batches, cases)
        targets = _drawn_targets(net, fit, inputs)
        squares = vmap(squared_gradient, chunk_size=_CASES_AT_ONCE)(inputs, targets)
    count = sum(values.numel() for values in rows.values())
    return float(squares.detach().double().mean()) * batches.size / count


def _drawn_cases(batches: Batches, cases: int) -> Tensor:
    """The first inputs of an epoch, whose order is random: data that are sorted begin with cases that are all alike."""
    parts, count = [], 0
    for part, _ in batches.epoch():
        parts.append(part)
        count += len(part)
        if count >= cases:
            break
    return torch.cat(parts)[:cases]


@torch.no_grad()
def _drawn_targets(net: nn.Module, fit: Fit, inputs: Tensor) -> Tensor:
    outputs = torch.cat([net(part) for part in inputs.split(1024)])
    if not bool(outputs.isfinite().all()):
        raise DivergedError("the fitted network's outputs are not finite, so the data have no curvature there; lower lr.")
    return fit.likelihood.distribution(outputs).sample()
