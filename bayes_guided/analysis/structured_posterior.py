"""Gaussian posteriors of layers: Kronecker-factored precisions, and independent blocks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.analysis.gaussian_posterior import Block, GaussianPosterior, Index, Vector, Vectors, checked, noise
from bayes_guided.analysis.symmetric_matrix import Spectral, SymmetricMatrix
from bayes_guided.exceptions import CovarianceError, ImproperPriorError, PosteriorError


@dataclass(frozen=True, eq=False)
class KroneckerGaussian(GaussianPosterior):
    """A layer's weights (outputs, inputs), flattened by rows, with precision outputs (x) inputs + diag(prior) (x) identity.

    `outputs` and `inputs` are the curvature's Kronecker factors; `prior_precision` holds one precision per output, so that
    units may be guided differently. The covariance is exact for this precision: with B~ = prior^(-1/2) B prior^(-1/2) both
    factors are diagonalised at once.

    Raises:
        PosteriorError: if the shapes do not fit together.
        CovarianceError: if a factor has a negative eigenvalue, at its first use.
        ImproperPriorError: if a prior precision is not positive and finite.
    """

    mean: Vector
    outputs: Float[Tensor, "out out"]
    inputs: Float[Tensor, "in in"]
    prior_precision: Float[Tensor, "out"]

    def __post_init__(self) -> None:
        for name in ("mean", "outputs", "inputs", "prior_precision"):
            object.__setattr__(self, name, getattr(self, name).double())
        outputs, inputs = len(self.outputs), len(self.inputs)
        if len(self.mean) != outputs * inputs or len(self.prior_precision) != outputs:
            raise PosteriorError(
                f"factors of sizes {outputs} and {inputs} need {outputs * inputs} means and {outputs} prior precisions; "
                f"got {len(self.mean)} and {len(self.prior_precision)}."
            )
        if not bool((torch.isfinite(self.prior_precision) & (self.prior_precision > 0)).all()):
            raise ImproperPriorError("a prior precision is not positive and finite; protected units need a base prior (P6).")

    @property
    def approximation(self) -> str:
        """Inputs and output gradients uncorrelated."""
        return "Kronecker factors"

    def covariance_block(self, index: Index) -> Block:
        """Assembled from one block per pair of outputs that the index touches."""
        vectors, _, basis, _ = self._eigen
        output, column = self._places(index)
        block = torch.empty(len(index), len(index), dtype=self.mean.dtype, device=self.mean.device)
        for first in output.unique().tolist():
            rows = (output == first).nonzero()[:, 0]
            for second in output.unique().tolist():
                columns = (output == second).nonzero()[:, 0]
                weight = (vectors[first] * vectors[second]) @ self._shrinkage
                block[rows[:, None], columns] = (basis[column[rows]] * weight) @ basis[column[columns]].T
        return block

    def precision_block(self, index: Index) -> Block:
        """The entries themselves."""
        output, column = self._places(index)
        curvature = self.outputs[output][:, output] * self.inputs[column][:, column]
        return curvature + self.prior_precision[output].diag()

    def covariance_matrix(self, index: Index) -> SymmetricMatrix:
        """Of one output's whole row: diagonal in the eigenvectors of the input factor."""
        output = self._whole_row(index)
        if output is None:
            return super().covariance_matrix(index)
        vectors, _, basis, _ = self._eigen
        return Spectral(basis, vectors[output].square() @ self._shrinkage)

    def precision_matrix(self, index: Index) -> SymmetricMatrix:
        """Of one output's whole row: diagonal in the eigenvectors of the input factor."""
        output = self._whole_row(index)
        if output is None:
            return super().precision_matrix(index)
        _, _, basis, rates = self._eigen
        return Spectral(basis, self.outputs[output, output] * rates + self.prior_precision[output])

    def times(self, vectors: Vectors) -> Vectors:
        """In the eigenvectors."""
        outer, _, basis, _ = self._eigen
        layers = vectors.reshape(-1, len(self.outputs), len(self.inputs))
        return (outer @ ((outer.T @ layers @ basis) * self._shrinkage) @ basis.T).flatten(1)

    def draw(self, n: int, generator: torch.Generator) -> Vectors:
        """In the eigenvectors."""
        outer, _, basis, _ = self._eigen
        normal = noise(n, self.mean, generator).reshape(n, len(self.outputs), len(self.inputs))
        return self.mean + (outer @ (normal * self._shrinkage.sqrt()) @ basis.T).flatten(1)

    def log_det_covariance(self) -> Float[Tensor, ""]:
        """From the eigenvalues."""
        _, values, _, rates = self._eigen
        return -(len(self.inputs) * self.prior_precision.log().sum() + torch.log1p(values[:, None] * rates).sum())

    def _places(self, index: Index) -> tuple[Index, Index]:
        width = len(self.inputs)
        return checked(index, self) // width, index % width

    def _whole_row(self, index: Index) -> int | None:
        """The output whose inputs the index runs over in order."""
        width = len(self.inputs)
        if len(index) != width or width == 0:
            return None
        checked(index, self)
        start = int(index[0])
        whole = start % width == 0 and torch.equal(index, torch.arange(start, start + width, device=index.device))
        return start // width if whole else None

    @cached_property
    def _shrinkage(self) -> Float[Tensor, "out in"]:
        """The covariance in the eigenvectors of both factors."""
        _, values, _, rates = self._eigen
        return 1 / (1 + values[:, None] * rates)

    @cached_property
    def _eigen(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """prior^(-1/2) times the eigenvectors of B~, its eigenvalues, eigenvectors and eigenvalues of the input factor."""
        root = self.prior_precision.rsqrt()
        values, vectors = _eigen(self.outputs * root[:, None] * root, "output")
        rates, basis = _eigen(self.inputs, "input")
        return vectors * root[:, None], values, basis, rates


@dataclass(frozen=True, eq=False)
class BlockGaussian(GaussianPosterior):
    """Independent posteriors of consecutive pieces of the weights, such as the layers of a network.

    Raises:
        PosteriorError: if there is no block.
    """

    blocks: Sequence[GaussianPosterior]

    def __post_init__(self) -> None:
        if len(self.blocks) == 0:
            raise PosteriorError("a posterior of independent blocks needs at least one block.")

    @cached_property
    def mean(self) -> Vector:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The pieces' means in order."""
        return torch.cat([block.mean for block in self.blocks])

    @property
    def approximation(self) -> str:
        """Independent blocks, and what each of them leaves out."""
        return f"independent blocks ({', '.join(sorted({block.approximation for block in self.blocks}))})"

    def covariance_block(self, index: Index) -> Block:
        """Zero between blocks."""
        return self._assembled(index, lambda block, part: block.covariance_block(part))

    def precision_block(self, index: Index) -> Block:
        """Zero between blocks."""
        return self._assembled(index, lambda block, part: block.precision_block(part))

    def covariance_matrix(self, index: Index) -> SymmetricMatrix:
        """The block's own form where the index lies in one block."""
        block, part = self._only_block(index)
        return super().covariance_matrix(index) if block is None else block.covariance_matrix(part)

    def precision_matrix(self, index: Index) -> SymmetricMatrix:
        """The block's own form where the index lies in one block."""
        block, part = self._only_block(index)
        return super().precision_matrix(index) if block is None else block.precision_matrix(part)

    def times(self, vectors: Vectors) -> Vectors:
        """Block by block."""
        parts = vectors.split([len(block) for block in self.blocks], dim=1)
        return torch.cat([block.times(part) for block, part in zip(self.blocks, parts, strict=True)], dim=1)

    def draw(self, n: int, generator: torch.Generator) -> Vectors:
        """Block by block."""
        return torch.cat([block.draw(n, generator) for block in self.blocks], dim=1)

    def log_det_covariance(self) -> Float[Tensor, ""]:
        """The sum over blocks."""
        return torch.stack([block.log_det_covariance() for block in self.blocks]).sum()

    def _only_block(self, index: Index) -> tuple[GaussianPosterior | None, Index]:
        checked(index, self)
        start = 0
        for block in self.blocks:
            if len(index) > 0 and int(index.min()) >= start and int(index.max()) < start + len(block):
                return block, index - start
            start += len(block)
        return None, index

    def _assembled(self, index: Index, piece: Callable[[GaussianPosterior, Index], Block]) -> Block:
        checked(index, self)
        whole = torch.zeros(len(index), len(index), dtype=torch.float64, device=index.device)
        start = 0
        for block in self.blocks:
            inside = ((index >= start) & (index < start + len(block))).nonzero()[:, 0]
            whole[inside[:, None], inside] = piece(block, index[inside] - start)
            start += len(block)
        return whole


def _eigen(matrix: Float[Tensor, "side side"], name: str) -> tuple[Float[Tensor, "side"], Float[Tensor, "side side"]]:
    """Eigenvalues, those that rounding made negative set to 0, and eigenvectors."""
    if not bool(torch.isfinite(matrix).all()):
        raise CovarianceError(f"the {name} factor holds NaN or infinite values.")
    values, vectors = torch.linalg.eigh(matrix)
    if len(values) > 0 and float(values[0]) < -1e-6 * float(values.abs().max()):
        raise CovarianceError(
            f"the {name} factor has the eigenvalue {float(values[0]):.3g}; a curvature factor has none below 0."
        )
    return values.clamp(min=0), vectors
