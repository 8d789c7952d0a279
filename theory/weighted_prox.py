r"""P23 (and the weighted operators of P22). Group penalties in a diagonal metric $D$, one row at a time.

**Proposition.** $\min_x\frac12\sum_jD_j(x_j-a_j)^2+\kappa\|x\|$ has $x=0$ iff $\|Da\|\le\kappa$; otherwise
$x_j=\frac{D_ja_j\rho}{D_j\rho+\kappa}$, $\rho=\|x\|$ being the only root of
$$\varphi(\rho)=\Big\|\frac{Da}{D\rho+\kappa}\Big\|^{-1}=1.$$
$\varphi$ is concave and increasing, so Newton from $\rho_0=(\|Da\|-\kappa)/\max_jD_j$ increases to the root
without overshooting; with a constant metric $\varphi$ is affine and one step is exact.

*Proof.* Optimality is $D(a-x)\in\kappa\partial\|x\|$: at $0$ that is $\|Da\|\le\kappa$, and off $0$
$x_j(D_j+\kappa/\rho)=D_ja_j$; taking norms gives $\varphi(\rho)=1$. $\varphi$ is the function
$(\sum_j\ell_j^{-2})^{-1/2}$ of the increasing affine $\ell_j=(D_j\rho+\kappa)/(D_j|a_j|)$; that function is
concave and increasing on the positive orthant, so $\varphi$ is too. $\varphi(0)=\kappa/\|Da\|<1$ and
$\varphi\to\infty$ give the root; $D_j\rho_0+\kappa\le\|Da\|$ gives $\varphi(\rho_0)\le1$. A tangent of a concave
function lies above it, so it reaches 1 before $\varphi$ does. $\square$

In floating point the iteration is stopped at the first step that does not increase $\rho$: a fixed tolerance
can stagnate above it.

**Sparse group** in a metric: $S(a,\kappa_1/D)$, then the operator above (proof in P22, `proximal.py`).

**Group $L_{1/2}$** in a metric. Stationarity off $0$ is $x_j=D_ja_j/(D_j+\frac\kappa2\rho^{-3/2})$, so
$\psi(\rho)=\|Da/(D\rho+\frac\kappa2\rho^{-1/2})\|=1$, and every root lies in
$[(\kappa/2\|Da\|)^2,\|a\|]$ because $\psi\le2\|Da\|\sqrt\rho/\kappa$ and $|x_j|\le|a_j|$. The operator is the
best of all roots and $0$. The notes take the root to the right of the maximum of $\psi$; that is *wrong* when the
metric is very uneven, since $\psi$ then has several humps: with $D=(1,500)$, $a=(1.6,.045)$, $\kappa=1.3$ it has
two local minima and the better one is not the one next to the maximum (a check below).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize

from theory.arrays import FloatArray
from theory.checks import Check
from theory.proximal import group_residual, group_sqrt_prox, soft_threshold, sparse_group_residual
from theory.scalar_search import root

SCAN = 2001


def newton_norm(a: FloatArray, kappa: float, metric: FloatArray) -> tuple[float, int]:
    """(norm of the weighted group prox of one row, Newton steps taken); (0, 0) if the row is removed."""
    pull = metric * a
    norm = float(np.linalg.norm(pull))
    if norm <= kappa:
        return 0.0, 0
    rho, steps = (norm - kappa) / float(metric.max()), 0
    while True:
        denominator = metric * rho + kappa
        square = float(((pull / denominator) ** 2).sum())
        slope = float((metric * (pull / denominator) ** 2 / denominator).sum())
        following = rho + square * (np.sqrt(square) - 1) / slope
        steps += 1
        if not following > rho:
            return rho, steps
        rho = float(following)


def weighted_group_prox(a: FloatArray, kappa: float, metric: FloatArray) -> FloatArray:
    """Prox of kappa ||x||_2 in a positive diagonal metric (D,), for one row (D,)."""
    rho, _ = newton_norm(a, kappa, metric)
    return metric * a * rho / (metric * rho + kappa)


def weighted_sparse_group_prox(a: FloatArray, kappa: float, group_kappa: float, metric: FloatArray) -> FloatArray:
    """Prox of kappa ||x||_1 + group_kappa ||x||_2 in a positive diagonal metric, for one row."""
    return weighted_group_prox(soft_threshold(a, kappa, metric), group_kappa, metric)


def weighted_group_sqrt_prox(a: FloatArray, kappa: float, metric: FloatArray) -> FloatArray:
    """Prox of kappa sqrt(||x||_2) in a positive diagonal metric, for one row: the global minimiser."""
    candidates = [np.zeros_like(a), *(_stationary(a, kappa, metric, rho) for rho in _sqrt_roots(a, kappa, metric))]
    return min(candidates, key=lambda x: sqrt_objective(x, a, kappa, metric))


def sqrt_objective(x: FloatArray, a: FloatArray, kappa: float, metric: FloatArray) -> float:
    """1/2 sum D (x - a)^2 + kappa sqrt(||x||)."""
    return float(0.5 * (metric * (x - a) ** 2).sum() + kappa * np.sqrt(np.linalg.norm(x)))


def _stationary(a: FloatArray, kappa: float, metric: FloatArray, rho: float) -> FloatArray:
    return metric * a / (metric + kappa / 2 * rho**-1.5)


def _sqrt_excess(rho: ArrayLike, a: FloatArray, kappa: float, metric: FloatArray) -> FloatArray:
    """psi(rho) - 1."""
    radius = np.asarray(rho)[..., None]
    return np.linalg.norm(metric * a / (metric * radius + kappa / 2 / np.sqrt(radius)), axis=-1) - 1


def _sqrt_roots(a: FloatArray, kappa: float, metric: FloatArray) -> list[float]:
    """All norms of stationary points, from the sign changes of psi - 1 on a logarithmic grid."""
    pull, high = float(np.linalg.norm(metric * a)), float(np.linalg.norm(a))
    low = (kappa / (2 * pull)) ** 2 if pull > 0 else high
    if low >= high:
        return []
    grid = np.geomspace(low / 2, 2 * high, SCAN)
    sign = _sqrt_excess(grid, a, kappa, metric) > 0
    return [
        root(lambda rho: float(_sqrt_excess(rho, a, kappa, metric)), float(grid[i]), float(grid[i + 1]))
        for i in np.flatnonzero(sign[1:] != sign[:-1])
    ]


def _newton_checks() -> list[Check]:
    """6000 rows with metrics that spread up to thirteen decades."""
    rng = np.random.default_rng(18)
    residuals, steps, increase = [], [], []
    for _ in range(6000):
        dim = int(rng.integers(1, 40))
        metric = 10 ** rng.uniform(-6.5, 6.5, size=dim)
        a = rng.standard_normal(dim) * 10 ** rng.uniform(-3, 3)
        kappa = float(np.linalg.norm(metric * a) * rng.uniform(0, 1.1))
        x = weighted_group_prox(a, kappa, metric)
        residuals.append(group_residual(x, a, kappa, metric) / (kappa + float(np.linalg.norm(metric * a))))
        steps.append(newton_norm(a, kappa, metric)[1])
        increase.append(float(np.linalg.norm(x) / np.linalg.norm(a)))
    return [
        Check("P23", "relative KKT residual, 6000 rows", max(residuals), 0.0, 1e-14),
        Check("P23", "median Newton steps, printed 4", float(np.median(steps)), 4.0, 1.0),
        Check("P23", "largest Newton steps, printed 7", float(max(steps)), 7.0, 3.0),
        Check("P23", "never longer than a", max(0.0, max(increase) - 1), 0.0, 1e-14),
    ]


def _special_checks() -> list[Check]:
    rng = np.random.default_rng(19)
    a, metric = rng.standard_normal(6), 10 ** rng.uniform(-2, 2, size=6)
    bisected = root(lambda rho: float(np.linalg.norm(metric * a / (metric * rho + 1.1)) - 1), 1e-12, 10.0)
    constant = newton_norm(a, 1.1, np.full(6, 3.0))
    both = weighted_sparse_group_prox(a, 0.4, 1.1, metric)
    boundary = float(np.linalg.norm(metric * a))
    above = np.linalg.norm(weighted_group_prox(a, boundary * (1 - 1e-9), metric))
    return [
        Check("P23", "root of phi by bisection", newton_norm(a, 1.1, metric)[0], bisected, 1e-12),
        Check("P23", "constant metric is Euclid", constant[0], float(np.linalg.norm(a)) - 1.1 / 3, 1e-14),
        Check("P23", "sparse group: KKT residual", sparse_group_residual(both, a, 0.4, 1.1, metric), 0.0, 1e-13),
        Check("P23", "zero at ||Da|| = kappa", newton_norm(a, boundary, metric)[0], 0.0, 0.0),
        Check("P23", "alive just above", float(above > 0), 1.0, 0.0),
    ]


def _numeric_sqrt_minimum(a: FloatArray, kappa: float, metric: FloatArray) -> float:
    """Least objective over Nelder-Mead runs from a grid of starts, and zero; two weights."""
    starts = [np.array([s * a[0], t * a[1]]) for s in (0.05, 0.5, 1.0) for t in (0.05, 0.5, 1.0)]
    options = {"xatol": 1e-10, "fatol": 1e-14, "maxiter": 4000}
    values = [
        minimize(sqrt_objective, start, (a, kappa, metric), method="Nelder-Mead", options=options).fun for start in starts
    ]
    return min(*values, sqrt_objective(np.zeros(2), a, kappa, metric))


def _sqrt_checks() -> list[Check]:
    found: list[Check] = []
    cases = (
        (np.array([1.6, 0.045]), 1.3, np.array([1.0, 500.0])),
        (np.array([1.6, 0.4]), 1.3, np.array([1.0, 9.0])),
        (np.array([0.6, 0.1]), 1.3, np.array([1.0, 9.0])),
    )
    for number, (a, kappa, metric) in enumerate(cases):
        value = sqrt_objective(weighted_group_sqrt_prox(a, kappa, metric), a, kappa, metric)
        found.append(Check("P22", f"metric L1/2, case {number}", value, _numeric_sqrt_minimum(a, kappa, metric), 1e-9))
    a, kappa, metric = cases[0]
    hump = np.geomspace(1e-4, 1.6, 20_001)
    top = float(hump[np.argmax(_sqrt_excess(hump, a, kappa, metric))])
    beside = min(rho for rho in _sqrt_roots(a, kappa, metric) if rho > top)
    best = weighted_group_sqrt_prox(a, kappa, metric)
    loss = sqrt_objective(_stationary(a, kappa, metric, beside), a, kappa, metric)
    worse = loss > sqrt_objective(best, a, kappa, metric) + 1e-3
    row = np.array([0.5, -1.7, 0.2])
    euclid = np.abs(weighted_group_sqrt_prox(row, 0.6, np.full(3, 2.0)) - group_sqrt_prox(row, 0.3)).max()
    return [
        *found,
        Check("P22", "metric L1/2: the root by the maximum loses", float(worse), 1.0, 0.0),
        Check("P22", "metric L1/2, constant metric is Euclid", float(euclid), 0.0, 1e-12),
    ]


def checks() -> list[Check]:
    """KKT residuals and bisection for the convex operators, Nelder-Mead from many starts for the other."""
    return [*_newton_checks(), *_special_checks(), *_sqrt_checks()]
