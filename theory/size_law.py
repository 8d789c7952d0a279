r"""P15. The size law of independent inclusion, its entropy, and the most probable models.

Units are independent with log odds $o_u$: $\pi_u=\sigma(o_u)$, $K=\sum_u m_u$.

**Proposition.**
1. *(Poisson-binomial.)* The law of $K$ over the first $n$ units satisfies
   $p_n(k)=p_{n-1}(k)(1-\pi_n)+p_{n-1}(k-1)\pi_n$. With $\log\pi=-\log(1+e^{-o})$ and $\log(1-\pi)=-\log(1+e^{o})$
   every operation is an addition or a log-sum of two terms, so each $\log p_n(k)$ is accurate, in $O(U^2)$,
   however small the probability. In particular $\log P(K=0)=-\sum_u\log(1+e^{o_u})$.
2. $E K=\sum\pi_u$, $\mathrm{Var}K=\sum\pi_u(1-\pi_u)\le EK$, and
   $H(m)=\sum_u[\log(1+e^{-|o_u|})+|o_u|\sigma(-|o_u|)]$.
3. *(Search.)* With $a_1\le\dots\le a_U$ the sorted $|o_u|$, flipping a set $F$ of units of the mode costs
   $\sum_{i\in F}a_i$ nats. Start a heap with $\{1\}$; when $F$ with largest element $i<U$ is popped, push
   $F\cup\{i+1\}$ and $(F\setminus\{i\})\cup\{i+1\}$. The pops, after the empty set, are all sets in order of cost:
   the $k$ best models take $O(k)$ heap operations, $O(k\log k)$ comparisons, after the sort.

*Proof.* (1) Condition on $m_n$. Nothing is subtracted, so nothing cancels. (2) Sums over independent variables;
the binary entropy is even in $o$, and for $o\ge0$ it is $\log(1+e^{-o})+o\,\sigma(-o)$, as
$-\log\sigma(o)=\log(1+e^{-o})$ and $-\log\sigma(-o)=o-\log\sigma(o)$. (3) Every set $F$ with largest element
$i+1\ge2$ has exactly one parent: $F\setminus\{i+1\}$ if $i\in F$, else $(F\setminus\{i+1\})\cup\{i\}$. Both have
largest element $i$ and cost no more than $F$, since $0\le a_i\le a_{i+1}$. So the sets form a tree
rooted at $\{1\}$ along which cost never falls, and a heap over the frontier of such a tree pops its nodes in
order of cost. $\square$

The linear recursion is exact too, until it underflows. Inverting the characteristic function by the FFT has an
absolute error near $10^{-16}$: negative "probabilities", and no accuracy in the tails.
The notes' $-3391.3$ at $U=2048$ is for log odds that they do not state; the check below uses its own.
"""

import heapq

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from scipy.stats import poisson_binom

from theory.arrays import BoolArray, FloatArray
from theory.checks import Check
from theory.enumeration import enumerate_models


def poisson_binomial_log_pmf(log_odds: ArrayLike) -> FloatArray:
    """log P(K = k) in nats for k = 0..U, shape (U + 1,), from the units' log odds (U,)."""
    odds = np.asarray(log_odds, dtype=np.float64)
    log_pmf = np.full(len(odds) + 1, -np.inf)
    log_pmf[0] = 0.0
    for n, (present, absent) in enumerate(zip(-np.logaddexp(0, -odds), -np.logaddexp(0, odds), strict=True)):
        log_pmf[1 : n + 2] = np.logaddexp(log_pmf[1 : n + 2] + absent, log_pmf[: n + 1] + present)
        log_pmf[0] += absent
    return log_pmf


def entropy(log_odds: ArrayLike) -> float:
    """Entropy of the mask in nats: the sum of the units' binary entropies."""
    size = np.abs(np.asarray(log_odds, dtype=np.float64))
    return float((np.log1p(np.exp(-size)) + size * expit(-size)).sum())


def log_prob(masks: BoolArray, log_odds: ArrayLike) -> FloatArray:
    """log p(m) in nats of masks (n, U), shape (n,)."""
    odds = np.asarray(log_odds, dtype=np.float64)
    return masks @ odds - np.logaddexp(0, odds).sum()


def most_probable(log_odds: ArrayLike, count: int) -> tuple[BoolArray, FloatArray]:
    """The `count` most probable masks (or all, if fewer), best first: (count, U) and log probabilities (count,)."""
    odds = np.asarray(log_odds, dtype=np.float64)
    order = np.argsort(np.abs(odds))
    mode = odds > 0
    flips = _cheapest_flips(np.abs(odds)[order].tolist(), count)
    masks = np.repeat(mode[None], len(flips), axis=0)
    for mask, flipped in zip(masks, flips, strict=True):
        mask[order[list(flipped)]] ^= True
    return masks, log_prob(masks, odds)


def _cheapest_flips(costs: list[float], count: int) -> list[tuple[int, ...]]:
    """The `count` cheapest sets of positions of the ascending `costs`, cheapest first, the empty set included."""
    found: list[tuple[int, ...]] = [()]
    heap: list[tuple[float, tuple[int, ...]]] = [(costs[0], (0,))] if costs else []
    while heap and len(found) < count:
        total, flips = heapq.heappop(heap)
        found.append(flips)
        last = flips[-1] + 1
        if last < len(costs):
            heapq.heappush(heap, (total + costs[last], (*flips, last)))
            heapq.heappush(heap, (total - costs[last - 1] + costs[last], (*flips[:-1], last)))
    return found


def _fourier_pmf(probabilities: FloatArray) -> FloatArray:
    """The size law from its characteristic function: what not to do in the tails."""
    size = len(probabilities) + 1
    roots = np.exp(-2j * np.pi * np.arange(size) / size)
    values = np.prod(1 + probabilities * (roots[:, None] - 1), axis=1)
    return np.real(np.fft.ifft(values))


def checks() -> list[Check]:
    """Against scipy, enumeration, and the underflow that the log domain avoids."""
    rng = np.random.default_rng(15)
    odds = rng.normal(0.3, 1.5, size=12)
    exact = enumerate_models(lambda masks: masks @ odds, 12)
    masks, log_probs = most_probable(odds, 200)
    brute_masks, brute_log_probs = exact.most_probable(200)
    medium, wide = rng.normal(-0.5, 1.0, size=200), rng.normal(1.2, 1.0, size=2048)
    scipy_pmf = poisson_binom(expit(medium)).pmf(np.arange(201))
    wide_log_pmf = poisson_binomial_log_pmf(wide)
    return [
        Check("P15", "size law, U=12, max error", _distance(odds, exact.width_pmf()), 0.0, 1e-14),
        Check("P15", "size law, U=200, max error to scipy", _distance(medium, scipy_pmf), 0.0, 1e-14),
        Check("P15", "log P(K=0), U=2048", wide_log_pmf[0], -float(np.logaddexp(0, wide).sum()), 1e-8),
        Check("P15", "P(K=0) in linear floats, U=2048", float(np.prod(expit(-wide))), 0.0, 0.0),
        Check("P15", "FFT gives a negative probability", float(_fourier_pmf(expit(medium)).min() < 0), 1.0, 0.0),
        Check("P15", "variance, U=2048", _variance(wide_log_pmf), float((expit(wide) * expit(-wide)).sum()), 1e-6),
        Check("P15", "entropy, U=12", entropy(odds), exact.entropy(), 1e-11),
        Check("P15", "top 200 of 4096, max error", np.abs(log_probs - brute_log_probs).max(), 0.0, 4e-14),
        Check("P15", "top 200, masks that differ", float((masks != brute_masks).any(axis=1).sum()), 0.0, 0.0),
    ]


def _distance(log_odds: FloatArray, pmf: FloatArray) -> float:
    return float(np.abs(np.exp(poisson_binomial_log_pmf(log_odds)) - pmf).max())


def _variance(log_pmf: FloatArray) -> float:
    sizes, pmf = np.arange(len(log_pmf)), np.exp(log_pmf)
    return float(pmf @ (sizes - pmf @ sizes) ** 2)
