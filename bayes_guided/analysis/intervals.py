"""Survival from counts: how often a unit is there among runs, and how well that is known (P20)."""

import torch
from jaxtyping import Float, Int
from scipy.special import betaincinv
from torch import Tensor

from bayes_guided.exceptions import PosteriorError


def jeffreys_interval(
    survivals: Int[Tensor, "*units"], runs: int, level: float = 0.95
) -> tuple[Float[Tensor, "*units"], Float[Tensor, "*units"]]:
    """Lower and upper ends of the central `level` interval of Beta(1/2 + k, 1/2 + n - k), fractions in float64.

    That is the posterior of a frequency under Jeffreys' prior after `survivals` k of `runs` n independent runs [Brown2001]. At
    k = 0 the lower end is 0 and at k = n the upper end is 1, as is usual: there the data do not bound that side.

    Raises:
        PosteriorError: if a count is not from 0 to `runs`, or `level` not between 0 and 1.
    """
    _check(survivals, runs)
    if not 0 < level < 1:
        raise PosteriorError(f"level={level}: give a probability between 0 and 1.")
    counts = survivals.detach().double().cpu()
    a, b = (0.5 + counts).numpy(), (0.5 + runs - counts).numpy()
    lower = torch.as_tensor(betaincinv(a, b, (1 - level) / 2), dtype=torch.float64)
    upper = torch.as_tensor(betaincinv(a, b, (1 + level) / 2), dtype=torch.float64)
    return lower.masked_fill(counts == 0, 0.0), upper.masked_fill(counts == runs, 1.0)


def frequency_log_odds(survivals: Int[Tensor, "*units"], runs: int) -> Float[Tensor, "*units"]:
    """log((k + 1/2) / (n - k + 1/2)), nats, float64: the empirical logit, finite where all runs agree [Anscombe1956].

    Its bias is of order 1/n^2; it stays within log(2n + 1) of 0, so it cannot tell frequencies beyond 1/n.

    Raises:
        PosteriorError: if a count is not from 0 to `runs`.
    """
    _check(survivals, runs)
    counts = survivals.detach().double().cpu()
    return (counts + 0.5).log() - (runs - counts + 0.5).log()


def _check(survivals: Tensor, runs: int) -> None:
    if runs < 1 or (survivals.numel() and not 0 <= int(survivals.min()) <= int(survivals.max()) <= runs):
        raise PosteriorError(f"counts of survivals must lie from 0 to runs={runs}, and there must be a run.")
