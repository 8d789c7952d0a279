r"""P22. The proximal operators of the guided penalties, and the residuals that certify them.

$\mathrm{prox}(a)=\arg\min_x\frac12\sum_jD_j(x_j-a_j)^2+P(x)$ with $D=1$ unless said; $\kappa$ is a step times a
rate. A metric that is constant over a row, $D_j=D$, is the Euclidean operator with $\kappa/D$.

* **L1**, $P=\kappa\|x\|_1$: $S(a,\kappa/D)=\mathrm{sign}(a)(|a|-\kappa/D)_+$. The coordinates separate.
* **Squared L2**, $P=\kappa\|x\|^2$: $D a/(D+2\kappa)$.
* **Group**, $P=\kappa\|x\|$: $(1-\kappa/\|a\|)_+a$. *Proof.* $a-x\in\kappa\partial\|x\|$: at $x=0$ this is
  $\|a\|\le\kappa$, otherwise $a=x(1+\kappa/\|x\|)$.
* **Sparse group**, $P=\kappa_1\|x\|_1+\kappa_2\|x\|$: soft threshold, then group. *Proof.* With
  $s=S(a,\kappa_1/D)$ and $x$ the group operator of $s$, $D(s-x)\in\kappa_2\partial\|x\|$ and
  $D(a-s)\in\kappa_1\partial\|s\|_1\subset \kappa_1\partial\|x\|_1$, because $x_j$ is zero or has the sign of
  $s_j$; add. (So it holds in every diagonal metric, with the group operator of P23. The other order is wrong.)
* **Group $L_{1/2}$**, $P=\kappa\|x\|^{1/2}$: zero iff $\|a\|\le\frac32\kappa^{2/3}$, otherwise the norm is
  $\rho=\frac23\|a\|\big(1+\cos(\frac{2\pi}3-\frac23\arccos(\frac\kappa4(\|a\|/3)^{-3/2}))\big)$; the norm jumps
  to $\kappa^{2/3}$. *Proof.* $x$ is along $a$ (rotations), and with $\rho=q^2$ the stationary points solve
  $q^3-\|a\|q+\frac\kappa2=0$, whose largest root is the trigonometric one, a local minimum. It beats $0$ iff
  $\frac12(\rho-\|a\|)^2+\kappa q<\frac12\|a\|^2$; equality together with stationarity gives
  $q=\kappa^{1/3}$, $\|a\|=\frac32\kappa^{2/3}$, and the difference is monotone in $\|a\|$.
* **L0 of a group**, $P=c\,1[x\ne0]$: keep $a$ iff $\frac12\sum_jD_ja_j^2>c$.
* **Spike and group slab**, $P=(\kappa\|x\|+c)1[x\ne0]$: the group operator iff $\|a\|>\kappa+\sqrt{2c}$, else
  zero. *Proof.* Keeping saves $\frac12(\|a\|-\kappa)_+^2-c$.
* **Nested groups**, $P=\sum_k\kappa_k\|x_{k:U}\|$ (a chain): apply the group operators from the innermost group
  $\{U\}$ outwards. *Proof.* Let $\xi_k$ be what step $k$ subtracts, so $x=a-\sum\xi_k$. Step $k$ makes
  $\xi_k\in\kappa_k\partial\|y\|$ at $y=$ its output; later steps only multiply the block $k\!:\!U$ by a factor in
  $[0,1]$, under which that subdifferential can only grow. Hence $a-x\in\partial P(x)$. $\square$ The zero set is
  a suffix for almost every $a$: $x_u$ is $a_u$ times the factors of
  the groups $k\le u$, so no unit outlives one that comes before it in the chain.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.arrays import FloatArray
from theory.checks import Check
from theory.scalar_search import minimum


def soft_threshold(a: ArrayLike, kappa: ArrayLike, metric: ArrayLike = 1.0) -> FloatArray:
    """Prox of kappa ||x||_1 in a diagonal metric, elementwise (arguments broadcast)."""
    return np.sign(a) * np.maximum(np.abs(a) - np.asarray(kappa) / np.asarray(metric), 0.0)


def ridge_prox(a: ArrayLike, kappa: ArrayLike, metric: ArrayLike = 1.0) -> FloatArray:
    """Prox of kappa ||x||_2^2 in a diagonal metric, elementwise."""
    weight = np.asarray(metric)
    return weight * np.asarray(a) / (weight + 2 * np.asarray(kappa))


def group_prox(a: ArrayLike, kappa: ArrayLike) -> FloatArray:
    """Prox of kappa ||x||_2 for rows (last axis); kappa broadcasts over the rows."""
    rows = np.asarray(a, dtype=float)
    norm = np.linalg.norm(rows, axis=-1)
    return _scaled(rows, np.maximum(norm - np.asarray(kappa), 0.0), norm)


def sparse_group_prox(a: ArrayLike, kappa: ArrayLike, group_kappa: ArrayLike) -> FloatArray:
    """Prox of kappa ||x||_1 + group_kappa ||x||_2 for rows (last axis)."""
    return group_prox(soft_threshold(a, np.expand_dims(kappa, -1)), group_kappa)


def group_sqrt_threshold(kappa: ArrayLike) -> FloatArray:
    """Norm at or below which the group L1/2 operator returns zero; the result's norm jumps to 2/3 of it."""
    return 1.5 * np.asarray(kappa) ** (2 / 3)


def group_sqrt_prox(a: ArrayLike, kappa: ArrayLike) -> FloatArray:
    """Prox of kappa sqrt(||x||_2) for rows (last axis): the global minimiser (zero at the tie)."""
    rows = np.asarray(a, dtype=float)
    norm = np.linalg.norm(rows, axis=-1)
    alive = norm > group_sqrt_threshold(kappa)
    safe = np.where(alive, norm, 1.0)
    angle = np.arccos(np.where(alive, np.asarray(kappa) / 4 * (safe / 3) ** -1.5, 0.0))
    kept = 2 / 3 * norm * (1 + np.cos(2 * np.pi / 3 - 2 / 3 * angle))
    return _scaled(rows, np.where(alive, kept, 0.0), norm)


def l0_prox(a: ArrayLike, cost: ArrayLike, metric: ArrayLike = 1.0) -> FloatArray:
    """Prox of cost * 1[x != 0] in a diagonal metric for rows (last axis): a row is kept whole or dropped."""
    rows = np.asarray(a, dtype=float)
    saved = 0.5 * (np.asarray(metric) * rows**2).sum(axis=-1)
    return np.where((saved > np.asarray(cost))[..., None], rows, 0.0)


def spike_slab_prox(a: ArrayLike, kappa: ArrayLike, cost: ArrayLike) -> FloatArray:
    """Prox of (kappa ||x||_2 + cost) 1[x != 0] for rows (last axis), cost >= 0."""
    rows = np.asarray(a, dtype=float)
    alive = np.linalg.norm(rows, axis=-1) > np.asarray(kappa) + np.sqrt(2 * np.asarray(cost))
    return np.where(alive[..., None], group_prox(rows, kappa), 0.0)


def tree_prox(a: ArrayLike, kappas: ArrayLike) -> FloatArray:
    """Prox of sum_k kappas[k] ||x[k:]||_F for units (first axis) with scalar or vector rows."""
    return _tree_pass(np.asarray(a, dtype=float), np.asarray(kappas))[0]


def group_residual(x: FloatArray, a: FloatArray, kappa: float, metric: ArrayLike = 1.0) -> float:
    """Distance of metric (a - x) to kappa times the subdifferential of ||x||_2, one row: 0 iff x is the prox."""
    pull = np.asarray(metric) * (a - x)
    norm = float(np.linalg.norm(x))
    if norm == 0:
        return max(float(np.linalg.norm(pull)) - kappa, 0.0)
    return float(np.linalg.norm(pull - kappa * x / norm))


def sparse_group_residual(x: FloatArray, a: FloatArray, kappa: float, group_kappa: float, metric: ArrayLike = 1.0) -> float:
    """Distance of metric (a - x) to the subdifferential of kappa ||x||_1 + group_kappa ||x||_2, one row."""
    pull = np.asarray(metric) * (a - x)
    norm = float(np.linalg.norm(x))
    if norm == 0:
        return max(float(np.linalg.norm(soft_threshold(pull, kappa))) - group_kappa, 0.0)
    left = pull - group_kappa * x / norm
    return float(np.linalg.norm(np.where(x == 0, soft_threshold(left, kappa), left - kappa * np.sign(x))))


def tree_duality_gap(a: FloatArray, kappas: FloatArray) -> float:
    """Objective of tree_prox minus the dual objective of its pulls, which bounds the minimum below: 0 certifies it.

    The pull of suffix k has norm at most kappas[k] by construction, so it is dual feasible.
    """
    x, pulls = _tree_pass(a, kappas)
    penalty = sum(kappa * float(np.linalg.norm(x[k:])) for k, kappa in enumerate(kappas))
    rest = a - np.sum(pulls, axis=0)
    primal = 0.5 * float(((x - a) ** 2).sum()) + penalty
    return primal - 0.5 * float((a**2).sum() - (rest**2).sum())


def _scaled(rows: FloatArray, kept: FloatArray, norm: FloatArray) -> FloatArray:
    """Rows of the given norms rescaled to the kept norms; a zero row stays zero."""
    return rows * (kept / np.where(norm == 0, 1.0, norm))[..., None]


def _tree_pass(units: FloatArray, kappas: FloatArray) -> tuple[FloatArray, list[FloatArray]]:
    """(prox, what the group operator of each suffix subtracted, in the order of the suffixes)."""
    x = units.copy()
    pulls: list[FloatArray] = []
    for k in reversed(range(len(kappas))):
        before = x.copy()
        x[k:] = group_prox(x[k:].ravel(), kappas[k]).reshape(x[k:].shape)
        pulls.append(before - x)
    return x, pulls[::-1]


def _elementwise_checks() -> list[Check]:
    _, soft = minimum(lambda x: 1.5 * (x - 0.8) ** 2 + 0.9 * abs(x), -2, 2)
    value = float(soft_threshold(0.8, 0.9, 3.0))
    ridge, _ = minimum(lambda x: 1.5 * (x - 0.8) ** 2 + 0.9 * x * x, -2, 2)
    return [
        Check("P22", "soft threshold, metric 3", 1.5 * (value - 0.8) ** 2 + 0.9 * abs(value), soft, 1e-12),
        Check("P22", "ridge, metric 3", float(ridge_prox(0.8, 0.9, 3.0)), ridge, 1e-7),
    ]


def _residual_checks() -> list[Check]:
    rng = np.random.default_rng(16)
    rows, kappa = 2 * rng.standard_normal((300, 5)), rng.exponential(size=300) * 3
    small = 0.4 * rng.exponential(size=300)
    group = group_prox(rows, kappa)
    both = sparse_group_prox(rows, small, kappa)
    reverse = soft_threshold(group, small[:, None])
    group_error = max(group_residual(x, a, k) for x, a, k in zip(group, rows, kappa, strict=True))
    both_error = max(sparse_group_residual(x, a, s, k) for x, a, s, k in zip(both, rows, small, kappa, strict=True))
    loss = _sparse_group_value(reverse, rows, small, kappa) - _sparse_group_value(both, rows, small, kappa)
    return [
        Check("P22", "group: KKT residual, 300 rows", group_error, 0.0, 1e-13),
        Check("P22", "sparse group: KKT residual, 300 rows", both_error, 0.0, 1e-13),
        Check("P22", "group before soft is never better", float(min(loss.min(), 0.0)), 0.0, 1e-12),
        Check("P22", "group before soft is sometimes worse", float(loss.max() > 1e-3), 1.0, 0.0),
    ]


def _sparse_group_value(x: FloatArray, a: FloatArray, kappa: FloatArray, group_kappa: FloatArray) -> FloatArray:
    penalty = kappa * np.abs(x).sum(axis=1) + group_kappa * np.linalg.norm(x, axis=1)
    return 0.5 * ((x - a) ** 2).sum(axis=1) + penalty


def _ray_minimum(norm: float, kappa: float, power: float, cost: float) -> float:
    """Norm of the best x along a, ||a|| = norm, for the penalty kappa ||x||^power + cost 1[x != 0]."""
    rho, value = minimum(lambda r: 0.5 * (r - norm) ** 2 + kappa * r**power + cost, 1e-9, 2 * norm)
    return rho if value < 0.5 * norm**2 else 0.0


def _nonconvex_checks() -> list[Check]:
    found: list[Check] = []
    for norm in (0.3, 1.1, 1.18, 1.2, 4.0):
        row = norm * np.array([0.6, 0.0, -0.8])
        root = float(np.linalg.norm(group_sqrt_prox(row, 0.7)))
        slab = float(np.linalg.norm(spike_slab_prox(row, 0.7, 0.12)))
        whole = float(np.linalg.norm(l0_prox(row, 0.7)))
        found += [
            Check("P22", f"group L1/2, ||a||={norm:g}", root, _ray_minimum(norm, 0.7, 0.5, 0.0), 1e-6),
            Check("P22", f"spike and slab, ||a||={norm:g}", slab, _ray_minimum(norm, 0.7, 1.0, 0.12), 1e-6),
            Check("P22", f"group L0, ||a||={norm:g}", whole, _ray_minimum(norm, 0.0, 1.0, 0.7), 1e-6),
        ]
    above = np.array([float(group_sqrt_threshold(0.7)) * (1 + 1e-12)])
    jump = float(group_sqrt_prox(above, 0.7)[0])
    return [*found, Check("P22", "group L1/2 jumps to kappa^(2/3)", jump, 0.7 ** (2 / 3), 1e-10)]


def _tree_checks() -> list[Check]:
    rng = np.random.default_rng(17)
    nested, gaps = 0, []
    for _ in range(60):
        units, kappas = rng.standard_normal((6, 4)), 0.6 * rng.exponential(size=6)
        zero = (tree_prox(units, kappas) == 0).all(axis=1)
        nested += bool(np.all(np.diff(zero.astype(int)) >= 0))
        gaps.append(abs(tree_duality_gap(units, kappas)))
    return [
        Check("P22", "tree: duality gap, 60 cases", max(gaps), 0.0, 1e-12),
        Check("P22", "tree: zeros nested, of 60", float(nested), 60.0, 0.0),
    ]


def checks() -> list[Check]:
    """KKT residuals and duality gaps where convex, brute-force minima along the ray where not."""
    return [*_elementwise_checks(), *_residual_checks(), *_nonconvex_checks(), *_tree_checks()]
