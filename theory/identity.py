r"""P11. Which prior over models is the guided regulariser?

**Setting.** Spike and slab: $p(m)\propto e^{-\sum_uc_um_u}$ (log odds $o_u=-c_u$), $w_u=0$ if $m_u=0$, and
$w_u\sim e^{-r_u\Omega(w_u)}/Z_u$, $Z_u=Z_u(r_u)$, if $m_u=1$. A joint MAP needs a density, hence a measure: take
$\prod_u(\delta_0+\alpha_u\,\mathrm{Leb})$, where $\alpha_u>0$ says how much volume of weight space counts as one
atom. $L=N\cdot$ mean NLL, $J=L+\sum_ur_u\Omega(w_u)$.

**Proposition.**
1. Up to a constant, the joint MAP minimises
   $$L(w)+\sum_um_u\big[k_u+r_u\Omega(w_u)\big],\qquad k_u=c_u+\log\alpha_uZ_u(r_u).$$
   (a) If $k_u=0$ for all $u$, its minimum over $m$ is $J(w)$ for every $w$, attained at $m_u=1[w_u\ne0]$: guided
   regularisation *is* joint MAP under the prior odds $e^{o_u}=\alpha_uZ_u(r_u)$ ($=\alpha_uC_dr_u^{-d}$ for the
   group Laplace). This is the *evidence reading*.
   (b) If $k_u>0$, present units pay $k_u$ more than in $J$: a mixture with $L_0$ that removes more.
   (c) If $k_u<0$, $\hat w$ is that of $J$ but $m_u=1$ even where $\hat w_u=0$: the mask no longer says anything.
   So $J$ with the mask read off the zeros is the joint MAP for every $L$ iff $c_u=-\log(\alpha_uZ_u)$.
2. A slab that is constant, with $c_u=\lambda g_u$ and its constant absorbed, gives guided $L_0$:
   $L+\lambda\sum_ug_um_u$.
3. With $c_u=0$ and $\alpha_u=1$ the bracket is $\log C_d-d\log r_u+r_u\Omega$: the normaliser *rewards* strong
   guidance.
   Changing the unit of weights by a factor $s$ changes $\log Z_u$ by $d\log s$: without $\alpha$ there is no
   joint MAP.
4. Take $\alpha_u=|H_u/2\pi|^{1/2}$, $H_u$ the Hessian of $L$ at $\hat w_u$. Under the odds of (1) the Laplace
   approximation (of $L$; the penalty is taken at $\hat w_u$) of the *marginal* posterior log odds is
   $J(w_u=0)-J(\hat w_u)$. So differences of $J$ are posterior log odds under the prior log odds
   $$o_u=\log C_d+\tfrac d2\log\tfrac h{2\pi}-d\log r_u\qquad(H_u=hI),$$
   dimensionless and a function of $r_u/\sqrt h$. They vanish at $r^*=\sqrt
   h\,C_d^{1/d}/\sqrt{2\pi}\sim\sqrt{hd/e}$, and doubling the guidance costs $d\log2$ nats.
5. In an orthogonal design the group lasso removes $u$ iff $\lVert a_u\rVert\le r/h$ and $L_0$ iff
   $\lVert a_u\rVert\le\sqrt{2c/h}$: equal selection means $c=r^2/(2h)$, quadratic in the guidance.
6. The marginal evidence has the Occam term $\frac d2\log\frac{2\pi}h$ per unit that a joint MAP with fixed
   $\alpha$ lacks.

*Proof.* (1) Against that measure the joint prior has density $(1-\pi_u)$ at $m_u=0$ and
$\pi_ue^{-r_u\Omega}/(\alpha_uZ_u)$ at $m_u=1$ (a density against $\alpha\,\mathrm{Leb}$ is the Lebesgue density
over $\alpha$), and $\log\frac{1-\pi_u}{\pi_u}=c_u$. For given $w$, a unit with $w_u\ne0$ has $m_u=1$ and one with
$w_u=0$ costs $\min(0,k_u)$. So the minimum over $m$ is $J+\sum_uk_u1[w_u\ne0]$ for $k\ge0$ and $J+\sum_uk_u$ for
$k\le0$, and where $k_u<0$ the choice $m_u=1$ is strict. In (b) a likelihood that gains less than $k_u$ from unit
$u$ separates the two. (2), (3) insert; $Z_u$ has the
dimension of a volume.
(4) $\int e^{-L}\frac{e^{-r\Omega}}{Z}dw_u\approx e^{-J(\hat w_u)}|H_u/2\pi|^{-1/2}/Z_u$; multiply by
$e^{o_u}=\alpha_uZ_u$ and divide by $e^{-J(w_u=0)}$. $o_u=0$ solved for $r$; Stirling. (5) P22. (6) The factor
$|H_u/2\pi|^{-1/2}$ in (4). $\square$

The error in (4) is $\log(1+\frac{r}{h\lVert\hat w\rVert})^{-(d-1)/2}$ to leading order, from the curvature of the
norm across $\hat w$. The notes' errors at $N=h=10^2,\dots,10^5$ are those of $d=10$, $r=4$,
$\lVert a\rVert=\frac12$ (found by matching), but for their $-0.0037$ at $10^4$: it is $-0.0036$.
"""

import numpy as np
from numpy.typing import ArrayLike

from theory.arrays import BoolArray, FloatArray
from theory.checks import Check
from theory.enumeration import all_masks
from theory.group_lasso import objective, solve
from theory.orthogonal_unit import log_group_laplace_constant, log_marginal, map_norm

TIE = 1e-9  # nats


def log_slab_normalizer(rates: ArrayLike, dim: int) -> FloatArray:
    """log Z_u of the group Laplace slab in nats, shape of the rates."""
    return log_group_laplace_constant(dim) - dim * np.log(rates)


def evidence_log_odds(rates: ArrayLike, dim: int, curvature: ArrayLike) -> FloatArray:
    """Prior log odds o_u in nats under which J's differences are posterior log odds (the evidence reading)."""
    return log_slab_normalizer(rates, dim) + dim / 2 * np.log(np.divide(curvature, 2 * np.pi))


def neutral_rate(dim: int, curvature: float) -> float:
    """The rate at which the evidence reading has prior odds 1."""
    return float((curvature / (2 * np.pi)) ** 0.5 * np.exp(log_group_laplace_constant(dim) / dim))


def equal_selection_cost(rate: ArrayLike, curvature: ArrayLike) -> FloatArray:
    """The L0 cost in nats that removes the same orthogonal units as the group lasso of this rate."""
    return np.square(rate) / np.multiply(2, curvature)


def joint_map(
    gram: FloatArray, linear: FloatArray, rates: FloatArray, costs: FloatArray, log_volumes: FloatArray, dim: int
) -> tuple[BoolArray, float]:
    """(mask, value in nats) of the spike-and-slab joint MAP of L = w'Gw/2 - b'w, over all 2^U masks.

    `log_volumes` (U,) are the log alpha_u. Of masks that tie (k_u = 0 with a row at zero) the smallest is returned.
    """
    fixed = costs + log_slab_normalizer(rates, dim) + log_volumes
    masks = all_masks(len(rates))
    values = np.array([_best_given(mask, gram, linear, rates, dim) + fixed[mask].sum() for mask in masks])
    tied = np.flatnonzero(values < values.min() + TIE)
    best = tied[masks[tied].sum(axis=1).argmin()]
    return masks[best], float(values[best])


def _best_given(mask: BoolArray, gram: FloatArray, linear: FloatArray, rates: FloatArray, dim: int) -> float:
    """Minimum of J over the rows that are present."""
    if not mask.any():
        return 0.0
    kept = np.repeat(mask, dim)
    reduced = gram[np.ix_(kept, kept)], linear[kept], rates[mask]
    return objective(solve(*reduced, dim), *reduced)


def checks() -> list[Check]:
    """The identity over all 2^5 models of a correlated design, and the printed numbers."""
    return [*_identity_checks(), *_odds_checks(), *_dictionary_checks()]


def _identity_checks() -> list[Check]:
    rng = np.random.default_rng(11)
    design = np.linalg.qr(rng.normal(size=(60, 15)))[0] * 10 + 0.2 * rng.normal(size=(60, 15))
    directions = rng.normal(size=(5, 3))
    sizes = np.array([0.5, 0.32, 0.29, 0.15, 0.1])
    truth = sizes[:, None] * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    gram = np.asarray(design.T @ design, dtype=np.float64)
    linear, rates = gram @ truth.ravel(), np.arange(6.0, 36.0, 6.0)
    guided = solve(gram, linear, rates, 3)
    log_z = log_slab_normalizer(rates, 3)
    mask, value = joint_map(gram, linear, rates, -log_z, np.zeros(5), 3)
    severe, _ = joint_map(gram, linear, rates, 3 - log_z, np.zeros(5), 3)
    neutral, _ = joint_map(gram, linear, rates, np.zeros(5), np.zeros(5), 3)
    rescaled = log_slab_normalizer(rates / 10, 3) - log_z
    support = np.linalg.norm(guided, axis=1) > 0
    return [
        Check("P11", "(i) guided support, printed 11100", _as_number(support), 11100, 0),
        Check("P11", "(i) support, c=-log Z", _as_number(mask), _as_number(support), 0),
        Check("P11", "(i) minimum, c=-log Z", value, objective(guided, gram, linear, rates), 1e-9),
        Check("P11", "(i) c=-log Z+3, printed 10000", _as_number(severe), 10000, 0),
        Check("P11", "(iii) c=0: the mask, printed 11111", _as_number(neutral), 11111, 0),
        Check("P11", "(iii) weights in other units, printed 6.9", float(rescaled[0]), 6.9, 0.05),
    ]


def _as_number(mask: BoolArray) -> float:
    """The mask's digits read as a decimal number, so that a table can print it."""
    return float("".join("1" if present else "0" for present in mask))


def _laplace_error(size: float, dim: int, rate: float, effect: float) -> float:
    """Exact minus Laplace log odds in nats, at curvature h = N."""
    norm = map_norm(effect, size, rate)
    gain = size / 2 * effect**2 - size / 2 * (norm - effect) ** 2 - rate * norm
    log_odds = evidence_log_odds(rate, dim, size) - log_slab_normalizer(rate, dim)
    exact = log_marginal(effect, size, rate, dim) + size / 2 * effect**2
    return float(exact + log_odds - gain)


def _odds_checks() -> list[Check]:
    printed = zip((1e2, 1e3, 1e5), (-0.349, -0.036, -0.00036), (5e-4, 5e-4, 5e-6), strict=True)
    neutral = zip((1, 5, 20, 100, 500), (0.80, 1.45, 2.76, 6.09, 13.6), (5e-3, 5e-3, 5e-3, 5e-3, 5e-2), strict=True)
    leading = -4.5 * np.log1p(4 / (1e4 * 0.5 - 4))
    doubled = evidence_log_odds(1.0, 100, 3.0) - evidence_log_odds(2.0, 100, 3.0)
    return [
        *(
            Check("P11", f"(iv) exact - Laplace, N={size:g}, printed", _laplace_error(size, 10, 4.0, 0.5), value, digit)
            for size, value, digit in printed
        ),
        Check("P11", "(iv) leading error, N=1e4", leading, _laplace_error(1e4, 10, 4.0, 0.5), 2e-5),
        *(
            Check("P11", f"(iv) neutral r/sqrt h, d={dim}, printed", neutral_rate(dim, 1.0), value, digit)
            for dim, value, digit in neutral
        ),
        Check("P11", "(iv) odds at the neutral rate", float(evidence_log_odds(neutral_rate(7, 3), 7, 3)), 0, 1e-12),
        Check("P11", "(iv) doubling at d=100, printed 69", float(doubled), 69, 0.5),
    ]


def _dictionary_checks() -> list[Check]:
    rate, curvature = 12.0, 100.0
    cost = float(equal_selection_cost(rate, curvature))
    grid = np.linspace(0, 0.3, 30_001)
    threshold = grid[curvature / 2 * grid**2 > cost].min()
    volume, wide = (5.0 * np.log(2 * np.pi / size) for size in (1e2, 1e5))
    log_integral = log_marginal(0.5, 1e5, 1e-9, 10)
    return [
        Check("P11", "(v) thresholds agree", float(threshold), rate / curvature, 1.1e-5),
        Check("P11", "(vi) Occam term, d=10, N=100, printed -13.8", float(volume), -13.8, 0.05),
        Check("P11", "(vi) Occam term, N=1e5, printed -48", float(wide), -48, 0.5),
        Check("P11", "(vi) evidence - maximum, N=1e5", log_integral, float(wide), 1e-7),
    ]
