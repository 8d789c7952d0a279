"""Every quantity of a model prior, by listing all masks: the independent truth up to 16 units."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import chisquare
from torch import Tensor, nn

from bayes_guided.architecture import Architecture
from bayes_guided.priors.models.model_prior import ModelPrior

TOLERANCE = 1e-12
DRAWS = 1_000_000


def mlp_architecture(*widths: int) -> Architecture:
    """Groups of the given widths along a multilayer perceptron with 3 inputs and 2 outputs, named "0", "2", ..."""
    layers: list[nn.Module] = []
    incoming = 3
    for width in widths:
        layers += [nn.Linear(incoming, width), nn.ReLU()]
        incoming = width
    layers.append(nn.Linear(incoming, 2))
    return Architecture.from_module(nn.Sequential(*layers), torch.zeros(2, 3))


@dataclass(frozen=True)
class EveryMask:
    """All masks (models, units) of an architecture's groups side by side, and their log probabilities."""

    sizes: Mapping[str, int]
    masks: NDArray[np.bool_]
    log_probs: NDArray[np.float64]

    @classmethod
    def of(cls, architecture: Architecture, log_weight: Callable[[dict[str, NDArray[np.bool_]]], float]) -> "EveryMask":
        """Masks weighted by an unnormalised log weight of {group: mask (units,)}."""
        sizes = {group.name: group.size for group in architecture.groups}
        total = sum(sizes.values())
        masks = (np.arange(2**total)[:, None] >> np.arange(total)) % 2 == 1
        weights = np.array([log_weight(_split(sizes, mask)) for mask in masks])
        return cls(sizes, masks, weights - logsumexp(weights))

    def given(self, minimums: Mapping[str, int]) -> "EveryMask":
        """The same, given at least these widths."""
        enough = np.ones(len(self.masks), dtype=bool)
        for name, minimum in minimums.items():
            enough &= self._part(name).sum(1) >= minimum
        weights = np.where(enough, self.log_probs, -np.inf)
        return EveryMask(self.sizes, self.masks, weights - logsumexp(weights))

    @property
    def probs(self) -> NDArray[np.float64]:
        return np.exp(self.log_probs)

    def tensors(self) -> dict[str, Tensor]:
        return {name: torch.from_numpy(self._part(name)) for name in self.sizes}

    def survival(self, name: str) -> NDArray[np.float64]:
        return self.probs @ self._part(name)

    def width_pmf(self, name: str) -> NDArray[np.float64]:
        return np.bincount(self._part(name).sum(1), weights=self.probs, minlength=self.sizes[name] + 1)

    def size_pmf(self) -> NDArray[np.float64]:
        return np.bincount(self.masks.sum(1), weights=self.probs, minlength=self.masks.shape[1] + 1)

    def entropy(self) -> float:
        possible = self.probs > 0
        return float(-(self.probs * self.log_probs)[possible].sum())

    def _part(self, name: str) -> NDArray[np.bool_]:
        start = sum(size for other, size in self.sizes.items() if list(self.sizes).index(other) < self._place(name))
        return self.masks[:, start : start + self.sizes[name]]

    def _place(self, name: str) -> int:
        return list(self.sizes).index(name)


def assert_matches(prior: ModelPrior, truth: EveryMask, tolerance: float = TOLERANCE) -> None:
    """Holds log probabilities, marginals, laws, entropy, mode and all ranks of a prior against every mask."""
    np.testing.assert_allclose(prior.log_prob_masks(truth.tensors()).numpy(), truth.log_probs, rtol=tolerance, atol=tolerance)
    for name in truth.sizes:
        np.testing.assert_allclose(prior.unit_survival()[name], truth.survival(name), atol=tolerance, rtol=0)
        np.testing.assert_allclose(prior.width_pmf(name), truth.width_pmf(name), atol=tolerance, rtol=0)
    np.testing.assert_allclose(prior.size_pmf(), truth.size_pmf(), atol=tolerance, rtol=0)
    np.testing.assert_allclose(prior.entropy(), truth.entropy(), atol=tolerance, rtol=tolerance)
    assert_ranks(prior, truth, 200, tolerance)


def assert_ranks(prior: ModelPrior, truth: EveryMask, k: int, tolerance: float = TOLERANCE) -> None:
    """Holds the k most probable models against the sorted truth; each model once, with its own probability."""
    ranked = prior.most_probable(k)
    best = np.sort(truth.log_probs[truth.log_probs > -np.inf])[::-1][:k]
    np.testing.assert_allclose([value for _, value in ranked], best, rtol=tolerance, atol=tolerance)
    rows = np.stack([np.concatenate([sub.masks[name].numpy() for name in truth.sizes]) for sub, _ in ranked])
    assert len(np.unique(rows, axis=0)) == len(ranked)
    codes = rows @ (2 ** np.arange(rows.shape[1]))
    np.testing.assert_allclose(truth.log_probs[codes], best, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(float(prior.log_prob(prior.mode())), best[0], rtol=tolerance, atol=tolerance)


def assert_samples(prior: ModelPrior, truth: EveryMask, draws: int = DRAWS) -> None:
    """A chi-square test of the draws against every mask; rare masks are pooled."""
    masks = prior.sample(draws, torch.Generator().manual_seed(7))
    rows = np.concatenate([masks[name].numpy() for name in truth.sizes], axis=1)
    counts = np.bincount(rows @ (2 ** np.arange(rows.shape[1])), minlength=len(truth.masks)).astype(float)
    assert not counts[truth.probs == 0].any()
    expected = truth.probs * draws
    common = expected >= 20
    observed = np.append(counts[common], counts[~common].sum())
    wanted = np.append(expected[common], expected[~common].sum())
    positive = wanted > 5
    assert chisquare(observed[positive], wanted[positive] * observed[positive].sum() / wanted[positive].sum()).pvalue > 1e-3


def _split(sizes: Mapping[str, int], mask: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    borders = np.cumsum(list(sizes.values()))[:-1]
    return dict(zip(sizes, np.split(mask, borders), strict=True))
