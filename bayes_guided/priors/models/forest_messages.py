"""Messages between neighbouring widths that are coupled by exp(-w K_parent K_child)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

HALF_RANGE = 300.0  # nats by which a factor may differ from that of its tile's centre: safe in float64
ROWS = 48  # receivers per tile: about the square root of a wide layer, where the number of exponentials is least

NARROW = 8  # half-width of a tile below which direct sums over few senders are faster
NEGLIGIBLE = 60.0  # nats below another sender at which one no longer changes a float64, even two thousand of them


@dataclass(frozen=True, eq=False)
class Message:
    """log sum_c exp(h_c - w p c) for each receiver value p, and the mean of c under these weights."""

    log_sum: Float[Tensor, "receivers"]
    mean: Float[Tensor, "receivers"]


def bilinear_message(
    log_weights: Float[Tensor, "senders"],
    senders: Float[Tensor, "senders"],
    receivers: Float[Tensor, "receivers"],
    coupling: float,
) -> Message:
    """The message from values `senders` with log weights to the consecutive values `receivers`.

    Receivers are taken in tiles around centres p0: exp(-w p c) = exp(-w p0 c) exp(-w (p - p0) c). The second factor is one
    table for all tiles, so n senders and m receivers take a product of matrices and about n sqrt(m) exponentials instead of
    n m. The tiles are so narrow that no term that matters underflows.
    """
    steepest = abs(coupling) * max(float(senders.abs().max()), 1.0)
    reach = min(ROWS // 2, int(HALF_RANGE / steepest)) if steepest > 0 else ROWS // 2
    if reach < NARROW:
        return _pruned_message(log_weights, senders, receivers, coupling)
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float64)
    tiles = -(-len(receivers) // len(offsets))
    centres = receivers[0] + reach + len(offsets) * torch.arange(tiles, dtype=torch.float64)
    exponents = log_weights[:, None] - coupling * senders[:, None] * centres
    top = exponents.amax(dim=0)
    at_centres = (exponents - top).exp_()
    table = torch.exp(-coupling * offsets[:, None] * senders)
    sums, moments = table @ at_centres, table @ (at_centres * senders[:, None])
    log_sum = (sums.log() + top).T.reshape(-1)[: len(receivers)]
    return Message(log_sum, (moments / sums).T.reshape(-1)[: len(receivers)])


def _pruned_message(
    log_weights: Float[Tensor, "senders"],
    senders: Float[Tensor, "senders"],
    receivers: Float[Tensor, "receivers"],
    coupling: float,
) -> Message:
    """The message by direct sums over the senders that are not negligible.

    How far a sender lies below a reference sender is linear in the receiver's value, so what is negligible at both ends of a
    block of receivers is negligible throughout.
    """
    sums, means = [], []
    for part in receivers.split(ROWS):
        first, middle, last = (log_weights - coupling * p * senders for p in (part[0], part[len(part) // 2], part[-1]))
        best = middle.argmax()
        kept = (first > first[best] - NEGLIGIBLE) | (last > last[best] - NEGLIGIBLE)
        exponents = log_weights[kept] - coupling * part[:, None] * senders[kept]
        log_sum = torch.logsumexp(exponents, dim=1)
        sums.append(log_sum)
        means.append((exponents - log_sum[:, None]).exp_() @ senders[kept])
    return Message(torch.cat(sums), torch.cat(means))


def best_message(
    log_weights: Float[Tensor, "senders"],
    senders: Float[Tensor, "senders"],
    receivers: Float[Tensor, "receivers"],
    coupling: float,
) -> Float[Tensor, "receivers"]:
    """max_c (h_c - w p c) for each receiver value p."""
    best = [(log_weights - coupling * part[:, None] * senders).amax(dim=1) for part in receivers.split(256)]
    return torch.cat(best)
