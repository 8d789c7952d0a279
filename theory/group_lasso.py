r"""The guided group lasso for a quadratic likelihood: the MAP that other files need as a number.

$$J(w)=\tfrac12w^\top Gw-b^\top w+\sum_ur_u\lVert w_u\rVert ,\qquad w=(w_1,\dots,w_U),\ w_u\in\mathbb R^D.$$

**Proposition.** Let $G$ be positive definite. $J$ has one minimiser $\hat w$, and $w=\hat w$ iff for every unit
$\nabla_uL(w)=-r_uw_u/\lVert w_u\rVert$ where $w_u\ne0$ and $\lVert\nabla_uL(w)\rVert\le r_u$ where $w_u=0$, with
$L=\tfrac12w^\top Gw-b^\top w$.

*Proof.* $J$ is strictly convex and coercive. $0\in\partial J(w)$, and the subdifferential of $\lVert\cdot\rVert$
is the unit ball at $0$ and $\{w_u/\lVert w_u\rVert\}$ elsewhere. $\square$

Solved by accelerated proximal gradient steps (the momentum restarts when it points uphill) until the condition
holds to $10^{-12}$ of the largest rate.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.arrays import FloatArray
from theory.checks import Check

MAX_STEPS = 200_000
TOLERANCE = 1e-12


def objective(rows: FloatArray, gram: FloatArray, linear: FloatArray, rates: ArrayLike) -> float:
    """J in nats at the rows (U, D), for G of shape (U D, U D) and b of shape (U D,)."""
    w = rows.ravel()
    return float(0.5 * w @ gram @ w - linear @ w + np.asarray(rates) @ np.linalg.norm(rows, axis=1))


def solve(gram: FloatArray, linear: FloatArray, rates: ArrayLike, dim: int) -> FloatArray:
    """The minimiser of J as rows (U, D), with exact zeros.

    Raises: RuntimeError: if the optimality condition is not reached.
    """
    rate = np.asarray(rates, dtype=np.float64)
    step = 1 / np.linalg.eigvalsh(gram)[-1]
    rows = np.zeros((len(rate), dim))
    point, momentum = rows, 1.0
    for _ in range(MAX_STEPS):
        new_rows = _shrink(point - step * _gradient(point, gram, linear), step * rate)
        restart = np.sum((point - new_rows) * (new_rows - rows)) > 0
        new_momentum = 1.0 if restart else (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        weight = 0.0 if restart else (momentum - 1) / new_momentum
        point, rows, momentum = new_rows + weight * (new_rows - rows), new_rows, new_momentum
        if optimality_gap(rows, gram, linear, rate) <= TOLERANCE * rate.max():
            return rows
    raise RuntimeError(f"the group lasso was not solved to {TOLERANCE} in {MAX_STEPS} steps")


def optimality_gap(rows: FloatArray, gram: FloatArray, linear: FloatArray, rates: FloatArray) -> float:
    """Largest violation of the optimality condition over the units, in the units of the rates."""
    gradient = _gradient(rows, gram, linear)
    norm = np.linalg.norm(rows, axis=1)
    direction = rows / np.where(norm > 0, norm, 1)[:, None]
    alive = np.linalg.norm(gradient + rates[:, None] * direction, axis=1)
    dead = np.maximum(np.linalg.norm(gradient, axis=1) - rates, 0)
    return float(np.where(norm > 0, alive, dead).max())


def _gradient(rows: FloatArray, gram: FloatArray, linear: FloatArray) -> FloatArray:
    return (gram @ rows.ravel() - linear).reshape(rows.shape)


def _shrink(rows: FloatArray, thresholds: FloatArray) -> FloatArray:
    norm = np.linalg.norm(rows, axis=1)
    factor = np.maximum(1 - thresholds / np.where(norm > 0, norm, 1), 0)
    return rows * factor[:, None]


def checks() -> list[Check]:
    """The orthogonal case, where each row is soft thresholded, and no neighbour is better."""
    rng = np.random.default_rng(5)
    targets, rates = rng.normal(size=(4, 3)), np.array([1.0, 3.0, 8.0, 2.0])
    orthogonal = solve(4 * np.eye(12), 4 * targets.ravel(), rates, 3)
    design = rng.normal(size=(40, 12))
    gram, linear = design.T @ design, design.T @ rng.normal(size=40)
    best = solve(gram, linear, rates, 3)
    nearby = best + 1e-3 * rng.normal(size=(2000, 4, 3))
    lowest = min(objective(rows, gram, linear, rates) for rows in nearby)
    soft = np.abs(orthogonal - _shrink(targets, rates / 4)).max()
    return [
        Check("P5", "group lasso, orthogonal, max error", float(soft), 0.0, 1e-12),
        Check("P5", "no better neighbour", float(lowest > objective(best, gram, linear, rates)), 1.0, 0.0),
    ]
