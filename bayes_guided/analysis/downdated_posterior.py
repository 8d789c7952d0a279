"""A Gaussian posterior whose precision loses some directions: what the curvature of a group norm needs.

The Hessian of r ||w|| is (r / ||w||) (I - u u'), u = w / ||w||: it does not press on a row's length. The identity goes into a
structured precision; the directions are taken off here, by Woodbury's identity, exactly.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.analysis.gaussian_posterior import Block, GaussianPosterior, Index, Vector, Vectors, noise
from bayes_guided.analysis.symmetric_matrix import SymmetricMatrix, Updated, cholesky, log_det


@dataclass(frozen=True, eq=False)
class DowndatedGaussian(GaussianPosterior):
    """Precision of `base` minus sum_k loss_k direction_k direction_k', with the base's mean.

    Raises:
        CovarianceError: if what is left is not positive definite, at its first use.
    """

    base: GaussianPosterior
    directions: Float[Tensor, "directions weights"]
    losses: Float[Tensor, "directions"]

    @property
    def mean(self) -> Vector:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The base's."""
        return self.base.mean

    @property
    def approximation(self) -> str:
        """The base's: the directions are taken off exactly."""
        return self.base.approximation

    def covariance_block(self, index: Index) -> Block:
        """The base's plus an update of low rank."""
        return self.covariance_matrix(index).dense()

    def precision_block(self, index: Index) -> Block:
        """The base's minus the directions."""
        return self.precision_matrix(index).dense()

    def covariance_matrix(self, index: Index) -> SymmetricMatrix:
        """The base's form, updated."""
        return Updated(self.base.covariance_matrix(index), self._spread[:, index].T, torch.cholesky_inverse(self._remaining))

    def precision_matrix(self, index: Index) -> SymmetricMatrix:
        """The base's form, updated with the directions that touch these weights."""
        touched = self.directions[:, index]
        touching = touched.any(dim=1)
        return Updated(self.base.precision_matrix(index), touched[touching].T, -self.losses[touching].diag())

    def times(self, vectors: Vectors) -> Vectors:
        """The base's plus what the directions add."""
        return self.base.times(vectors) + torch.cholesky_solve(self._spread @ vectors.T, self._remaining).T @ self._spread

    def draw(self, n: int, generator: torch.Generator) -> Vectors:
        """A draw of the base plus one along the directions."""
        extra = noise(n, self.losses, generator)
        along = torch.linalg.solve_triangular(self._remaining.T, extra.T, upper=True).T
        return self.base.draw(n, generator) + along @ self._spread

    def log_det_covariance(self) -> Float[Tensor, ""]:
        """By the matrix determinant lemma."""
        return self.base.log_det_covariance() - self.losses.log().sum() - log_det(self._remaining)

    @cached_property
    def _spread(self) -> Float[Tensor, "directions weights"]:
        """The base's covariance times every direction."""
        return self.base.times(self.directions)

    @cached_property
    def _remaining(self) -> Float[Tensor, "directions directions"]:
        """The Cholesky factor of diag(1 / losses) - directions covariance directions'."""
        inner = self.directions @ self._spread.T
        return cholesky(self.losses.reciprocal().diag() - (inner + inner.T) / 2, "the precision along the rows' lengths")
