"""How far the MAP is from deciding otherwise about a unit: a margin without any probability (P17).

With J = L + sum_u (penalty of unit u) convex and the other units at their MAP *without* unit u, the unit is zero at the MAP
iff its penalty's subdifferential at 0 holds -grad_u L there. For the group norm that reads ||grad_u L|| <= r_u, so that the
critical rate is r_crit = ||grad_u L||. r_crit / r_u says how much more guidance would remove the unit (above 1, it is alive)
or how much less would keep it (below 1, it is gone). For a unit that is gone the gradient at the MAP itself is the right one;
for one that is alive, the others have to be fitted again without it. In a network J is not convex, and the margin is local.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.exceptions import PosteriorError, StrengthError

PerUnit = Float[Tensor, "units"]
Rows = Float[Tensor, "units row"]

_MAX_NEWTON = 200


def critical_rates(gradients: Rows) -> PerUnit:
    """The group norm's rate above which each unit is removed: ||grad_u L|| with the unit removed, L the summed NLL."""
    _check(gradients)
    return gradients.norm(dim=1)


def removal_margins(
    gradients: Rows, norm_rates: Float[Tensor, "norms"] | None = None, l1_rates: Float[Tensor, "l1"] | None = None
) -> PerUnit:
    """The factor on all of a unit's rates at which it is just removed; above 1 the MAP keeps the unit.

    The penalty is norm_rates_u ||row||_2 + l1_rates_u ||row||_1, of which either may be left out: the group Laplace, Laplace
    and sparse group families. `gradients` are those of the summed NLL, in the row's penalised weights, with the unit removed
    and the others at their MAP. The factor solves ||(|g| - k l1)_+||_2 = k norm. It is infinite for protected units, whose
    rates are 0, and else 0 where the gradient is.

    Raises:
        StrengthError: if no rate is given, or one is negative or not finite.
        PosteriorError: if a gradient is not finite, or there are not as many rates as units.
    """
    _check(gradients)
    norm, l1 = _rates(gradients, norm_rates), _rates(gradients, l1_rates)
    if norm_rates is None and l1_rates is None:
        raise StrengthError("a margin compares a gradient with the present rates; give norm_rates, l1_rates or both.")
    return _critical_factor(gradients.abs().double(), norm, l1).to(gradients.dtype)


def _critical_factor(absolute: Rows, norm: PerUnit, l1: PerUnit) -> PerUnit:
    """The root of ||(|g| - k l1)_+|| - k norm, convex and falling in k: Newton's method from 0 rises to it monotonically."""
    factor = torch.zeros_like(norm)
    for _ in range(_MAX_NEWTON):
        excess = (absolute - factor[:, None] * l1[:, None]).clamp(min=0)
        length = excess.norm(dim=1)
        inside = length > 0
        slope = norm + l1 * excess.sum(dim=1) / torch.where(inside, length, 1.0)
        step = torch.where(inside & (slope > 0), (length - factor * norm).clamp(min=0) / slope, 0.0)
        if bool((step <= 1e-15 * factor).all()):
            break
        factor = factor + step
    return torch.where(norm + l1 > 0, factor, torch.inf)


def _rates(gradients: Rows, rates: Tensor | None) -> PerUnit:
    if rates is None:
        return torch.zeros(len(gradients), dtype=torch.float64, device=gradients.device)
    if len(rates) != len(gradients):
        raise PosteriorError(f"{len(gradients)} units need {len(gradients)} rates; got {len(rates)}.")
    if not bool((torch.isfinite(rates) & (rates >= 0)).all()):
        raise StrengthError("a rate is negative or not finite.")
    return rates.detach().double()


def _check(gradients: Rows) -> None:
    if not bool(torch.isfinite(gradients).all()):
        raise PosteriorError("a gradient is NaN or infinite.")
