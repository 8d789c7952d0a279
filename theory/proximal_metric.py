r"""P24. An adaptive step needs its prox in the same metric, or its fixed point is another model.

A step of an adaptive method is $w\leftarrow w-D^{-1}\nabla L(w)$ with $D=\sqrt v/\mathrm{lr}$. Take $v$ as given
(with noisy gradients it settles at their second moment); $\Omega=\|\cdot\|$ per row, rate $r$.

**Proposition.** (i) The naive iteration $w\leftarrow\mathrm{prox}_{\mathrm{lr}\,r\,\Omega}\big(w-D^{-1}\nabla
L\big)$, prox in the Euclidean metric, has the fixed points $-\nabla_jL=\sqrt{v_j}\,r\,s_j$ with
$s\in\partial\Omega(w)$. (ii) With the prox in the metric $D$ (ProxGen) they are
$-\nabla L\in r\,\partial\Omega(w)$: the MAP, whatever $D$ is.

*Proof.* $w=\mathrm{prox}(w-u)$ in a metric $M$ with threshold $\kappa$ iff $-Mu\in\kappa\partial\Omega(w)$. (i)
$M=1$, $\kappa=\mathrm{lr}\,r$, $u=D^{-1}\nabla L$, and $D_j\,\mathrm{lr}=\sqrt{v_j}$. (ii) $M=D$, $\kappa=r$.
$\square$

The naive fixed point depends on the scale of the loss: multiplying loss and rate by $c$ leaves the MAP alone but
multiplies $\sqrt v$ too, so the effective rate is $c^2\sqrt v\,r$ against a loss of scale $c$. It is right for
SGD, and, if $v$ is constant within a row, with the threshold $\mathrm{lr}\,r/\sqrt v$, which *is* the prox in the
metric.

On an orthogonal quadratic $L=\frac h2\|w-b\|^2$ with $v$ constant per row the norms are $(\|b\|-r/h)_+$ (MAP) and
$(\|b\|-\sqrt v\,r/h)_+$ (naive). The data of the notes' table (3.04, 1.448, ...) are not recorded; the same
comparison is made here on a quadratic of its own.

**Trap.** At a stationary point (pretrained weights) $\nabla L\approx0$, so $v\approx0$,
$D\approx\epsilon/\mathrm{lr}$ and the first prox removes every row with $\|w\|\le r\,\mathrm{lr}/\epsilon$,
however well it is supported: the second moment has to be warmed up on noisy gradients first.
"""

import numpy as np

from theory.arrays import FloatArray
from theory.checks import Check
from theory.proximal import group_prox
from theory.weighted_prox import weighted_group_prox


def naive_step(w: FloatArray, gradient: FloatArray, moment: FloatArray, lr: float, rate: FloatArray) -> FloatArray:
    """Adaptive step on rows (units, D), then the Euclidean group prox with threshold lr * rate."""
    return group_prox(w - lr * gradient / np.sqrt(moment), lr * rate)


def metric_step(w: FloatArray, gradient: FloatArray, moment: FloatArray, lr: float, rate: FloatArray) -> FloatArray:
    """The same step, then the prox in the metric sqrt(moment) / lr with threshold rate (ProxGen)."""
    moved = w - lr * gradient / np.sqrt(moment)
    rows = zip(moved, rate, np.sqrt(moment) / lr, strict=True)
    return np.stack([weighted_group_prox(row, float(kappa), metric) for row, kappa, metric in rows])


def orthogonal_map_norm(norm: FloatArray, curvature: float, rate: FloatArray) -> FloatArray:
    """Norms of the MAP rows for the loss h/2 ||w - b||^2, ||b|| = norm."""
    return np.maximum(norm - rate / curvature, 0.0)


def orthogonal_naive_norm(norm: FloatArray, curvature: float, rate: FloatArray, moment: FloatArray) -> FloatArray:
    """Norms of the naive fixed point when the second moment is constant over each row."""
    return np.maximum(norm - np.sqrt(moment) * rate / curvature, 0.0)


def first_step_survivors(norm: FloatArray, rate: FloatArray, lr: float, epsilon: float) -> int:
    """Number of rows left by the first metric prox from an exactly stationary point (second moment 0)."""
    return int((norm * epsilon / lr > rate).sum())


def fixed_point_residual(w: FloatArray, gradient: FloatArray, rate: FloatArray, weight: FloatArray) -> float:
    """Largest distance over rows of -gradient / weight to rate * subdifferential of the norm; 0 at a fixed point."""
    pull = -gradient / weight
    norm = np.linalg.norm(w, axis=1)
    alive = norm > 0
    direction = w / np.where(alive, norm, 1.0)[:, None]
    off = np.linalg.norm(pull - rate[:, None] * direction, axis=1)
    dead = np.maximum(np.linalg.norm(pull, axis=1) - rate, 0.0)
    return float(np.where(alive, off, dead).max())


class _Quadratic:
    """L(w) = c/2 (w - b)' H (w - b) over six rows of three weights, H coupling all of them."""

    def __init__(self, scale: float = 1.0) -> None:
        rng = np.random.default_rng(20)
        root = rng.standard_normal((18, 30)) / 30**0.5
        self.hessian = scale * (root @ root.T + 0.5 * np.eye(18))
        sizes = np.array([3.2, 1.6, 0.9, 0.05, 0.4, 0.02])
        self.centre = (sizes[:, None] * rng.standard_normal((6, 3))).ravel()
        self.rate = scale * np.array([0.2, 0.4, 0.6, 0.8, 1.0, 1.2])
        self.moment = scale**2 * 10 ** rng.uniform(-1.5, 1.0, size=(6, 3))

    def gradient(self, w: FloatArray) -> FloatArray:
        return (self.hessian @ (w.ravel() - self.centre)).reshape(6, 3)


def _iterate(problem: _Quadratic, metric: bool, steps: int = 6000) -> FloatArray:
    """Fixed point of either iteration from the unpenalised minimum, at a step that both accept."""
    curvature = np.linalg.eigvalsh(problem.hessian).max()
    lr = float(0.9 * np.sqrt(problem.moment.min()) / curvature)
    step = metric_step if metric else naive_step
    w = problem.centre.reshape(6, 3)
    for _ in range(steps):
        following = step(w, problem.gradient(w), problem.moment, lr, problem.rate)
        if np.array_equal(following, w):
            break
        w = following
    return w


def _fixed_point_checks() -> list[Check]:
    problem, ones = _Quadratic(), np.ones((6, 3))
    exact, naive = _iterate(problem, metric=True), _iterate(problem, metric=False)
    roots = np.sqrt(problem.moment)
    exact_residual = fixed_point_residual(exact, problem.gradient(exact), problem.rate, ones)
    naive_residual = fixed_point_residual(naive, problem.gradient(naive), problem.rate, roots)
    naive_as_map = fixed_point_residual(naive, problem.gradient(naive), problem.rate, ones)
    return [
        Check("P24", "metric prox: residual of the MAP condition", exact_residual, 0.0, 1e-10),
        Check("P24", "naive: residual of its own condition", naive_residual, 0.0, 1e-10),
        Check("P24", "naive violates the MAP condition", float(naive_as_map > 0.1), 1.0, 0.0),
    ]


def _scale_checks() -> list[Check]:
    """The same problem with loss and rate multiplied by 100 or .01: the MAP stays, the naive point does not."""
    base = _iterate(_Quadratic(), metric=True)
    plain = np.linalg.norm(_Quadratic().centre.reshape(6, 3), axis=1)
    large, small = (_iterate(_Quadratic(scale), metric=False) for scale in (100.0, 0.01))
    drift = max(np.abs(_iterate(_Quadratic(scale), metric=True) - base).max() for scale in (100.0, 0.01))
    return [
        Check("P24", "metric prox: change of the fixed point", float(drift), 0.0, 1e-9),
        Check("P24", "naive, scale 100: rows left", float(np.any(large != 0, axis=1).sum()), 0.0, 0.0),
        Check("P24", "naive, scale .01: hardly shrunk", float(np.abs(np.linalg.norm(small, axis=1) - plain).max()), 0.0, 0.05),
    ]


def _orthogonal_checks() -> list[Check]:
    """h = 2, two rows: both closed forms against their iterations."""
    problem = _Quadratic()
    problem.hessian = 2.0 * np.eye(18)
    problem.moment = np.repeat(np.array([0.3, 0.5, 0.7, 1.5, 2.0, 3.0])[:, None], 3, axis=1)
    norm = np.linalg.norm(problem.centre.reshape(6, 3), axis=1)
    exact = np.linalg.norm(_iterate(problem, metric=True), axis=1)
    naive = np.linalg.norm(_iterate(problem, metric=False), axis=1)
    predicted = orthogonal_naive_norm(norm, 2.0, problem.rate, problem.moment[:, 0])
    found = [
        Check("P24", f"MAP norm, row {row}", float(orthogonal_map_norm(norm, 2.0, problem.rate)[row]), float(exact[row]), 1e-9)
        for row in range(6)
    ]
    return found + [Check("P24", f"naive norm, row {row}", float(predicted[row]), float(naive[row]), 1e-9) for row in range(6)]


def _trap_check() -> Check:
    norm, rate = np.array([3.0, 1.5, 0.8, 0.3, 2.0, 1.0]), np.full(6, 0.5)
    w = norm[:, None] * np.array([0.6, 0.8, 0.0])
    moved = metric_step(w, np.zeros((6, 3)), np.full((6, 3), 1e-16), 1e-3, rate)
    left = first_step_survivors(norm, rate, 1e-3, 1e-8)
    return Check("P24", "rows left by a first step at a stationary point", left, float(moved.any(axis=1).sum()), 0.0)


def checks() -> list[Check]:
    """Both iterations run to their fixed points on a quadratic with coupled rows and an uneven metric."""
    return [*_fixed_point_checks(), *_scale_checks(), *_orthogonal_checks(), _trap_check()]
