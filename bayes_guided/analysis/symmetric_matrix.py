"""Positive definite matrices by what evidence asks of them: quadratic forms of the matrix and its inverse, and a determinant.

The covariance of one row under Kronecker factors is diagonal in a basis that all rows share, up to an update of low rank:
its evidence then costs a few products, not a factorisation of its own.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.exceptions import CovarianceError

Columns = Float[Tensor, "some columns"]
Gram = Float[Tensor, "columns columns"]


class SymmetricMatrix(ABC):
    """A positive definite matrix A, float64."""

    @abstractmethod
    def gram(self, columns: Columns) -> Gram:
        """C' A C."""

    @abstractmethod
    def inverse_gram(self, columns: Columns) -> tuple[Gram, Float[Tensor, ""]]:
        """(C' A^-1 C, log |A|).

        Raises:
            CovarianceError: if A is not positive definite.
        """

    @abstractmethod
    def dense(self) -> Float[Tensor, "some some"]:
        """The matrix."""


@dataclass(frozen=True, eq=False)
class Dense(SymmetricMatrix):
    """Any matrix; `name` says in errors what it is."""

    matrix: Float[Tensor, "some some"]
    name: str

    def gram(self, columns: Columns) -> Gram:
        """By products."""
        return columns.T @ self.matrix @ columns

    def inverse_gram(self, columns: Columns) -> tuple[Gram, Float[Tensor, ""]]:
        """By Cholesky."""
        factor = cholesky(self.matrix, self.name)
        half = torch.linalg.solve_triangular(factor, columns, upper=False)
        return half.T @ half, log_det(factor)

    def dense(self) -> Float[Tensor, "some some"]:
        """Itself."""
        return self.matrix


@dataclass(frozen=True, eq=False)
class Spectral(SymmetricMatrix):
    """basis diag(values) basis' with an orthogonal basis and positive values."""

    basis: Float[Tensor, "some some"]
    values: Float[Tensor, "some"]

    def gram(self, columns: Columns) -> Gram:
        """In the basis."""
        rotated = self.basis.T @ columns
        return rotated.T @ (self.values[:, None] * rotated)

    def inverse_gram(self, columns: Columns) -> tuple[Gram, Float[Tensor, ""]]:
        """In the basis."""
        rotated = self.basis.T @ columns
        return rotated.T @ (rotated / self.values[:, None]), self.values.log().sum()

    def dense(self) -> Float[Tensor, "some some"]:
        """The product."""
        return (self.basis * self.values) @ self.basis.T


@dataclass(frozen=True, eq=False)
class Updated(SymmetricMatrix):
    """base + columns weight columns', a weight that may be negative, by the lemmas of Woodbury and of the determinant."""

    base: SymmetricMatrix
    columns: Float[Tensor, "some rank"]
    weight: Float[Tensor, "rank rank"]

    def gram(self, columns: Columns) -> Gram:
        """The sum of two."""
        across = self.columns.T @ columns
        return self.base.gram(columns) + across.T @ self.weight @ across

    def inverse_gram(self, columns: Columns) -> tuple[Gram, Float[Tensor, ""]]:
        """From the base's inverse alone."""
        rank = self.columns.shape[1]
        gram, base_log_det = self.base.inverse_gram(torch.cat([self.columns, columns], dim=1))
        inner, across, outer = gram[:rank, :rank], gram[:rank, rank:], gram[rank:, rank:]
        capacitance = torch.eye(rank, dtype=gram.dtype, device=gram.device) + self.weight @ inner
        sign, log_abs_det = torch.linalg.slogdet(capacitance)
        if float(sign) <= 0:
            raise CovarianceError(
                "a matrix is not positive definite after the prior's curvature along the rows was taken off: the data say "
                "nothing of some row's length; raise the strength until its unit leaves, or use another weight prior."
            )
        change = across.T @ torch.linalg.solve(capacitance, self.weight @ across)
        return outer - (change + change.T) / 2, base_log_det + log_abs_det

    def dense(self) -> Float[Tensor, "some some"]:
        """The sum."""
        return self.base.dense() + self.columns @ self.weight @ self.columns.T


def cholesky(matrix: Float[Tensor, "some some"], name: str) -> Float[Tensor, "some some"]:
    """The lower Cholesky factor in float64.

    Raises:
        CovarianceError: if the matrix is not positive definite to double precision, with its `name` and smallest eigenvalue.
    """
    factor, info = torch.linalg.cholesky_ex(matrix.double())
    if int(info) == 0 and bool(torch.isfinite(factor).all()):
        return factor
    detail = "it holds NaN or infinite values"
    if bool(torch.isfinite(matrix).all()):
        detail = f"its smallest eigenvalue is {float(torch.linalg.eigvalsh(matrix.double())[0]):.3g}"
    raise CovarianceError(
        f"{name} is not positive definite: {detail}. Add the prior's precision, fit to a minimum, or use the GGN, which has "
        "no negative eigenvalue."
    )


def log_det(factor: Float[Tensor, "some some"]) -> Float[Tensor, ""]:
    """log determinant of a matrix from its Cholesky factor."""
    return 2 * factor.diagonal().log().sum()
