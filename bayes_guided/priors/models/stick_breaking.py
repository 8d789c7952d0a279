"""Exact probabilities of masks under stick breaking with the sticks integrated out.

With sticks v_l ~ Beta(1, alpha_l) and S_u = prod_{l <= u} (1 - v_l), unit u is present with probability S_u, independently
given the sticks [LegramantiDuranteDunson2020]. The probability of what units u, u + 1, ... do, given S_{u-1} = s, is a
polynomial in s. In the Bernstein basis b_{i,N}(s) = binom(N, i) s^i (1 - s)^(N - i) its coefficients are non-negative and
stay so, so nothing cancels however long the mask:

* times s: coefficient i becomes i / (N + 1) times coefficient i - 1, times 1 - s: (N + 1 - i) / (N + 1) times coefficient i;
* averaging over the stick, g(s) = E f(s x) with x = 1 - v ~ Beta(alpha, 1), solves s g'(s) = alpha (f - g). As s d/ds has
  Bernstein coefficients i (g_i - g_{i-1}), this is g_i = (i g_{i-1} + alpha f_i) / (i + alpha): a running weighted mean.

The value at s = 1 is the last coefficient. One mask of n units costs O(n^2), its law of widths O(n^3).
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

ZERO = -1e30  # the logarithm of zero: finite, so that derivatives stay finite


def log_mask_probability(
    concentrations: Float[Tensor, "units"], masks: Bool[Tensor, "samples units"]
) -> Float[Tensor, "samples"]:
    """Log probabilities of masks, nats, given the sticks' concentrations alpha_u."""
    state = torch.zeros(len(masks), 1, dtype=torch.float64)
    for unit in range(len(concentrations) - 1, -1, -1):
        present = masks[:, unit : unit + 1]
        state = torch.where(present, _times_s(state), _times_one_minus_s(state))
        state = _average_over_stick(state, concentrations[unit])
    return _as_zero(state[:, -1])


def log_count_law(
    concentrations: Float[Tensor, "units"], most: int, log_weights: Float[Tensor, "units"] | None = None
) -> Float[Tensor, "counts"]:
    """Log probabilities of 0, 1, ..., most - 1, and of `most` or more units present; O(most * units^2).

    With `log_weights` every mask counts exp(sum of the weights of its present units) times: the derivative of the log of an
    entry at zero weights is the units' survival given that count.
    """
    units = len(concentrations)
    weights = torch.zeros(units, dtype=torch.float64) if log_weights is None else log_weights
    state = torch.full((most + 1, 1), ZERO, dtype=torch.float64)
    state = torch.cat([torch.zeros(1, 1, dtype=torch.float64), state[1:]])
    for unit in range(units - 1, -1, -1):
        present = _times_s(state) + weights[unit]
        absent = _times_one_minus_s(state)
        raised = torch.cat([torch.full_like(present[:1], ZERO), present[:-1]])
        # The last row counts `most` or more: it keeps the models that have a further unit.
        stayed = torch.cat([absent[:-1], torch.logaddexp(absent[-1:], present[-1:])])
        state = _average_over_stick(torch.logaddexp(raised, stayed), concentrations[unit])
    return state[:, -1]


def _times_s(state: Float[Tensor, "rows degree"]) -> Float[Tensor, "rows _"]:
    degree = state.shape[1]
    factor = torch.arange(1, degree + 1, dtype=torch.float64).log() - float(torch.tensor(degree).double().log())
    return torch.cat([state.new_full((len(state), 1), ZERO), state + factor], dim=1)


def _times_one_minus_s(state: Float[Tensor, "rows degree"]) -> Float[Tensor, "rows _"]:
    degree = state.shape[1]
    factor = torch.arange(degree, 0, -1, dtype=torch.float64).log() - float(torch.tensor(degree).double().log())
    return torch.cat([state + factor, state.new_full((len(state), 1), ZERO)], dim=1)


def _average_over_stick(state: Float[Tensor, "rows degree"], concentration: Float[Tensor, ""]) -> Float[Tensor, "rows degree"]:
    """The running weighted mean, W_i sum_{j <= i} (alpha f_j / (j + alpha)) / W_j with W_i = prod_{l <= i} l / (l + alpha)."""
    index = torch.arange(state.shape[1], dtype=torch.float64)
    log_running = torch.cat([index.new_zeros(1), -torch.log1p(concentration / index[1:]).cumsum(0)])
    log_share = -torch.log1p(index / concentration)
    return log_running + torch.logcumsumexp(state + (log_share - log_running), dim=1)


def _as_zero(values: Float[Tensor, "samples"]) -> Float[Tensor, "samples"]:
    return torch.where(values < ZERO / 2, -torch.inf, values)
