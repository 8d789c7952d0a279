r"""P28. When is a zeroed unit lost for good? Gradients of a network at a zero row.

Unit: $b\,h(a^\top x)$ in $f(x)=\sum_ub_uh(a_u^\top x)$, loss $L=\sum_n\ell(f(x_n),y_n)$,
$\delta_n=\partial\ell/\partial f(x_n)$; a bias is the weight of a constant feature.

**Proposition.** At $a=0$
$$\nabla_aL=b\,h'(0)\sum_n\delta_nx_n,\qquad\partial_bL=h(0)\sum_n\delta_n.$$
Hence (i) ReLU with the convention $h'(0)=0$: both vanish even for $b\ne0$, and no gradient
reaches the unit again; (ii) GELU, tanh ($h(0)=0$, $h'(0)=\frac12,1$): a gradient method revives $a$ if
$b\ne0$ and $\sum\delta_nx_n\ne0$; (iii) $a=0,b=0$ is absorbing for every $h$ with $h(0)=0$, and *not* for sigmoid
or softplus, whose $h(0)\ne0$ moves $b$ (the notes say "for all"); (iv) under a group norm with rate $r$, a prox
leaves $a=0$ iff $\|\nabla_aL\|\le r$.

*Proof.* The chain rule at $a^\top x_n=0$; (iv) is $0\in\nabla_aL+r\partial\|0\|$. $\square$

**Remark.** For ReLU the zero is absorbing for the *algorithm*, not stationary for the loss: the one-sided
derivative along $v$ is $b\sum_n\delta_n(v^\top x_n)_+$, in general not zero, and it may be negative. So a
strength that is too large early on is irreversible although a better point is next door.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtr

from theory.arrays import FloatArray
from theory.checks import Check
from theory.proximal import group_prox


@dataclass(frozen=True)
class Activation:
    """An activation and the derivative that automatic differentiation uses (0 at ReLU's kink)."""

    value: Callable[[FloatArray], FloatArray]
    slope: Callable[[FloatArray], FloatArray]


def _gelu_slope(x: FloatArray) -> FloatArray:
    return ndtr(x) + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


ACTIVATIONS = {
    "relu": Activation(lambda x: np.maximum(x, 0.0), lambda x: (x > 0).astype(float)),
    "gelu": Activation(lambda x: x * ndtr(x), _gelu_slope),
    "tanh": Activation(np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "sigmoid": Activation(expit, lambda x: expit(x) * expit(-x)),
}


def loss(inner: FloatArray, outer: FloatArray, inputs: FloatArray, targets: FloatArray, name: str) -> float:
    """Half the summed squared error of sum_u outer[u] h(inner[u] . x)."""
    outputs = ACTIVATIONS[name].value(inputs @ inner.T) @ outer
    return float(0.5 * ((outputs - targets) ** 2).sum())


def gradients(
    inner: FloatArray, outer: FloatArray, inputs: FloatArray, targets: FloatArray, name: str
) -> tuple[FloatArray, FloatArray]:
    """(gradient (units, features) in inner, gradient (units,) in outer) by backpropagation."""
    activation, before = ACTIVATIONS[name], inputs @ inner.T
    after = activation.value(before)
    delta = after @ outer - targets
    return (delta[:, None] * activation.slope(before) * outer).T @ inputs, after.T @ delta


def one_sided_slope(direction: FloatArray, outer_weight: float, delta: FloatArray, inputs: FloatArray) -> float:
    """One-sided derivative of the loss when a zero ReLU row moves along `direction`."""
    return float(outer_weight * (delta * np.maximum(inputs @ direction, 0.0)).sum())


def _setting() -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Three units on 12 samples of 4 features; the first row is zero."""
    rng = np.random.default_rng(23)
    inner, outer = rng.standard_normal((3, 4)), rng.standard_normal(3)
    inner[0] = 0.0
    return inner, outer, rng.standard_normal((12, 4)), rng.standard_normal(12)


def _difference(function: Callable[[float], float], step: float = 1e-5) -> float:
    return (function(step) - function(-step)) / (2 * step)


def _backpropagation_checks() -> list[Check]:
    """Slopes in a row and in its outgoing weight against central differences, at the zero row and at another."""
    inner, outer, inputs, targets = _setting()
    direction = np.array([0.5, -1.0, 0.3, 0.7])
    found: list[Check] = []
    for name, unit in (("gelu", 0), ("tanh", 0), ("sigmoid", 0), ("relu", 1), ("gelu", 1), ("tanh", 1)):
        in_row, out = gradients(inner, outer, inputs, targets, name)
        one = np.eye(3)[unit]

        def along_row(t: float, name: str = name, one: FloatArray = one) -> float:
            return loss(inner + t * np.outer(one, direction), outer, inputs, targets, name)

        def along_outer(t: float, name: str = name, one: FloatArray = one) -> float:
            return loss(inner, outer + t * one, inputs, targets, name)

        at = "a=0" if unit == 0 else "a!=0"
        found += [
            Check("P28", f"{name}: slope in a at {at}", float(in_row[unit] @ direction), _difference(along_row), 1e-7),
            Check("P28", f"{name}: slope in b at {at}", float(out[unit]), _difference(along_outer), 1e-7),
        ]
    return found


def _alive(name: str, outer_weight: float) -> float:
    """1 if the backpropagated gradient at the zero row, or at its outgoing weight, is not exactly zero."""
    inner, outer, inputs, targets = _setting()
    outer[0] = outer_weight
    in_row, out = gradients(inner, outer, inputs, targets, name)
    return float(bool(np.any(in_row[0] != 0)) or out[0] != 0)


def _absorbing_checks() -> list[Check]:
    expected = {"relu": (0.0, 0.0), "gelu": (1.0, 0.0), "tanh": (1.0, 0.0), "sigmoid": (1.0, 1.0)}
    found: list[Check] = []
    for name, (with_outer, without) in expected.items():
        found += [
            Check("P28", f"{name}: a=0, b!=0 gets a gradient", _alive(name, 0.8), with_outer, 0.0),
            Check("P28", f"{name}: a=0, b=0 gets a gradient", _alive(name, 0.0), without, 0.0),
        ]
    return found


def _one_sided_check() -> list[Check]:
    inner, outer, inputs, targets = _setting()
    delta = np.maximum(inputs @ inner.T, 0.0) @ outer - targets
    direction = -np.sign(outer[0]) * delta @ inputs

    def along(t: float) -> float:
        moved = inner.copy()
        moved[0] = t * direction
        return loss(moved, outer, inputs, targets, "relu")

    value = one_sided_slope(direction, float(outer[0]), delta, inputs)
    numeric = (along(1e-7) - along(0.0)) / 1e-7
    return [
        Check("P28", "relu: one-sided slope at a=0", value, numeric, 1e-4),
        Check("P28", "relu: the loss falls next to the absorbing zero", float(value < -1e-2), 1.0, 0.0),
    ]


def _threshold_checks() -> list[Check]:
    inner, outer, inputs, targets = _setting()
    gradient = gradients(inner, outer, inputs, targets, "tanh")[0][0]
    norm = float(np.linalg.norm(gradient))
    stays, leaves = (float(np.linalg.norm(group_prox(-0.1 * gradient, 0.1 * norm * c))) for c in (1.001, 0.999))
    return [
        Check("P28", "prox keeps zero at rate > ||grad||", stays, 0.0, 0.0),
        Check("P28", "prox leaves zero at rate < ||grad||", leaves, 0.1 * norm * 0.001, 1e-12),
    ]


def checks() -> list[Check]:
    """Backpropagation by hand against finite differences, and which zeros get a gradient."""
    return [*_backpropagation_checks(), *_absorbing_checks(), *_one_sided_check(), *_threshold_checks()]
