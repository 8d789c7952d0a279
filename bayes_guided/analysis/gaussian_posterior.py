"""Gaussian posteriors over all weights that give the marginal of any few of them without forming the whole covariance.

Weights are one flat vector; a set of them is an index tensor. Everything is float64.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bayes_guided.analysis.symmetric_matrix import Dense, SymmetricMatrix, cholesky, log_det
from bayes_guided.exceptions import CovarianceError, PosteriorError

Index = Int[Tensor, "some"]
Vector = Float[Tensor, "weights"]
Vectors = Float[Tensor, "vectors weights"]
Block = Float[Tensor, "some some"]


class GaussianPosterior(ABC):
    """N(mean, covariance) over the flat weights; `approximation` names what the covariance leaves out."""

    mean: Vector

    @property
    @abstractmethod
    def approximation(self) -> str:
        """The covariance's form in words, to stand beside every number that comes from it."""

    @abstractmethod
    def covariance_block(self, index: Index) -> Block:
        """The marginal covariance of these weights."""

    @abstractmethod
    def precision_block(self, index: Index) -> Block:
        """The block of the precision matrix: the precision of these weights given all others."""

    @abstractmethod
    def log_det_covariance(self) -> Float[Tensor, ""]:
        """log |covariance| of all weights, in nats; 0 if there are none."""

    @abstractmethod
    def times(self, vectors: Vectors) -> Vectors:
        """The covariance times each vector."""

    @abstractmethod
    def draw(self, n: int, generator: torch.Generator) -> Vectors:
        """`n` draws of all weights; the generator lives on the CPU."""

    def covariance_matrix(self, index: Index) -> SymmetricMatrix:
        """The marginal covariance of these weights in the form that is cheapest to invert."""
        return Dense(self.covariance_block(index), "the weights' covariance")

    def precision_matrix(self, index: Index) -> SymmetricMatrix:
        """The block of the precision in the form that is cheapest to invert."""
        return Dense(self.precision_block(index), "the weights' precision")

    def __len__(self) -> int:
        return len(self.mean)


@dataclass(frozen=True, eq=False)
class FullGaussian(GaussianPosterior):
    """A full covariance with its inverse; made by `from_covariance` or `from_precision`."""

    mean: Vector
    covariance: Float[Tensor, "weights weights"]
    precision: Float[Tensor, "weights weights"]

    @classmethod
    def from_covariance(cls, mean: Vector, covariance: Float[Tensor, "weights weights"]) -> "FullGaussian":
        """From the covariance.

        Raises:
            CovarianceError: if it is not positive definite.
        """
        return cls(mean.double(), covariance.double(), torch.cholesky_inverse(cholesky(covariance, "the covariance")))

    @classmethod
    def from_precision(cls, mean: Vector, precision: Float[Tensor, "weights weights"]) -> "FullGaussian":
        """From the precision, such as a GGN plus the prior's.

        Raises:
            CovarianceError: if it is not positive definite.
        """
        return cls(mean.double(), torch.cholesky_inverse(cholesky(precision, "the precision")), precision.double())

    @property
    def approximation(self) -> str:
        """Nothing is left out but what is not Gaussian."""
        return "full covariance"

    def covariance_block(self, index: Index) -> Block:
        """The block."""
        return self.covariance[checked(index, self)][:, index]

    def precision_block(self, index: Index) -> Block:
        """The block of the inverse."""
        return self.precision[checked(index, self)][:, index]

    def times(self, vectors: Vectors) -> Vectors:
        """By a product."""
        return vectors @ self.covariance

    def draw(self, n: int, generator: torch.Generator) -> Vectors:
        """By Cholesky."""
        return self.mean + noise(n, self.mean, generator) @ cholesky(self.covariance, "the covariance").T

    def log_det_covariance(self) -> Float[Tensor, ""]:
        """By Cholesky."""
        return log_det(cholesky(self.covariance, "the covariance"))


@dataclass(frozen=True, eq=False)
class DiagonalGaussian(GaussianPosterior):
    """Independent weights.

    Raises:
        CovarianceError: if a standard deviation is not positive and finite.
    """

    mean: Vector
    sd: Vector

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", self.mean.double())
        object.__setattr__(self, "sd", self.sd.double())
        _require_positive(self.sd, "standard deviation")

    @property
    def approximation(self) -> str:
        """No correlation between weights."""
        return "mean field"

    def covariance_block(self, index: Index) -> Block:
        """A diagonal matrix."""
        return self.sd[checked(index, self)].square().diag()

    def precision_block(self, index: Index) -> Block:
        """A diagonal matrix."""
        return self.sd[checked(index, self)].pow(-2).diag()

    def times(self, vectors: Vectors) -> Vectors:
        """Weight by weight."""
        return vectors * self.sd.square()

    def draw(self, n: int, generator: torch.Generator) -> Vectors:
        """Weight by weight."""
        return self.mean + noise(n, self.mean, generator) * self.sd

    def log_det_covariance(self) -> Float[Tensor, ""]:
        """A sum of logarithms."""
        return 2 * self.sd.log().sum()


@dataclass(frozen=True, eq=False)
class LowRankGaussian(GaussianPosterior):
    """Covariance diag(diagonal) + factor factor'.

    Raises:
        CovarianceError: if an entry of the diagonal is not positive and finite.
    """

    mean: Vector
    diagonal: Vector
    factor: Float[Tensor, "weights rank"]

    def __post_init__(self) -> None:
        for name in ("mean", "diagonal", "factor"):
            object.__setattr__(self, name, getattr(self, name).double())
        _require_positive(self.diagonal, "entry of the diagonal")

    @property
    def approximation(self) -> str:
        """Correlations of this rank only."""
        return f"low rank ({self.factor.shape[1]}) plus diagonal"

    def covariance_block(self, index: Index) -> Block:
        """From the rows of the factor."""
        rows = self.factor[checked(index, self)]
        return rows @ rows.T + self.diagonal[index].diag()

    def precision_block(self, index: Index) -> Block:
        """By Woodbury's identity."""
        scaled = self.factor[checked(index, self)] / self.diagonal[index, None]
        half = torch.linalg.solve_triangular(self._capacitance(), scaled.T, upper=False)
        return self.diagonal[index].reciprocal().diag() - half.T @ half

    def times(self, vectors: Vectors) -> Vectors:
        """Through the factor."""
        return vectors * self.diagonal + (vectors @ self.factor) @ self.factor.T

    def draw(self, n: int, generator: torch.Generator) -> Vectors:
        """The diagonal's and the factor's parts by themselves."""
        shared = noise(n, self.factor[0], generator) @ self.factor.T
        return self.mean + noise(n, self.mean, generator) * self.diagonal.sqrt() + shared

    def log_det_covariance(self) -> Float[Tensor, ""]:
        """By the matrix determinant lemma."""
        return self.diagonal.log().sum() + log_det(self._capacitance())

    def _capacitance(self) -> Float[Tensor, "rank rank"]:
        inner = self.factor.T @ (self.factor / self.diagonal[:, None])
        return cholesky(inner + torch.eye(len(inner), dtype=inner.dtype, device=inner.device), "the capacitance matrix")


def checked(index: Index, posterior: GaussianPosterior) -> Index:
    """The index itself.

    Raises:
        PosteriorError: if it leaves the posterior's weights.
    """
    size = len(posterior)
    if len(index) > 0 and (int(index.min()) < 0 or int(index.max()) >= size):
        raise PosteriorError(
            f"the posterior has weights 0 to {size - 1}; the index runs from {int(index.min())} to {int(index.max())}."
        )
    return index


def noise(n: int, like: Vector, generator: torch.Generator) -> Vectors:
    """`n` vectors of standard normal draws, as long as `like`, on its device."""
    return torch.randn(n, len(like), dtype=torch.float64, generator=generator).to(like.device)


def _require_positive(values: Tensor, name: str) -> None:
    bad = ~(torch.isfinite(values) & (values > 0))
    if bool(bad.any()):
        raise CovarianceError(f"a {name} is {float(values[bad][0]):g}; it must be positive and finite.")
