r"""P8. A MAP estimate depends on the coordinates it is taken in.

**Proposition.** Let $w=f(\xi)$ with $f$ a diffeomorphism. The MAP in $\xi$ maximises
$p(f(\xi))\,|\det f'(\xi)|$; it maps to the MAP in $w$ only by accident (unless $|\det f'|$ is constant).

*Proof.* That product is the density of $\xi$. $\square$

For Gamma$(a,b)$ the mode is $(a-1)/b$ in $w$ and, with $w=e^\xi$, $a/b$: 1.0 and 1.5 for Gamma(3, 2). Software
differs in the coordinates it picks (constrained or unconstrained), so a MAP must say which.

**Proposition (non-centred scale mixture).** Let $w=\sigma z$, $z\sim N(0,I_d)$, $\sigma$ half-normal with scale
$s$. The joint MAP over $(\sigma,z)$, seen as a function of $w$, has the penalty
$$\min_\sigma\Big(\frac{\|w\|^2}{2\sigma^2}+\frac{\sigma^2}{2s^2}\Big)=\frac{\|w\|}s,$$
the group lasso with rate $1/s$, attained at $\sigma^2=s\|w\|$. *Proof.* Arithmetic-geometric mean. $\square$

The *marginal* of $w$ is another density,
$$p(w)=(2\pi)^{-d/2}\sqrt{\tfrac2\pi}\,\tfrac1s\,(s\|w\|)^{(1-d)/2}K_{(d-1)/2}(\|w\|/s),$$
unbounded at $0$. *Proof.* With $v=\sigma^2$ it is $(2\pi)^{-d/2}\sqrt{2/\pi}\,\frac1{2s}\int v^{\nu-1}
e^{-\|w\|^2/2v-v/2s^2}dv$, $\nu=\frac{1-d}2$, and $\int_0^\infty v^{\nu-1}e^{-A/v-Bv}dv
=2(A/B)^{\nu/2}K_\nu(2\sqrt{AB})$. $\square$

**Proposition (centred).** In the coordinates $(\sigma,w)$ the joint penalty
$\frac{\|w\|^2}{2\sigma^2}+d\log\sigma+\frac{\sigma^2}{2s^2}$ is unbounded below: on $\|w\|=\sigma=\epsilon$ it is
$\frac12+d\log\epsilon+O(\epsilon^2)$. So a scale is marginalised, or left to variational inference or MCMC, and
never put into a centred joint MAP.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import kve

from theory.arrays import FloatArray
from theory.checks import Check
from theory.quadrature import log_integral
from theory.scalar_search import minimum


def gamma_mode(shape: float, rate: float) -> float:
    """MAP of a Gamma variable in its own (constrained) coordinate; 0 if shape <= 1."""
    return max(shape - 1, 0.0) / rate


def gamma_mode_in_log(shape: float, rate: float) -> float:
    """MAP of a Gamma variable in its logarithm (the unconstrained coordinate), mapped back."""
    return shape / rate


def non_centred_penalty(norm: ArrayLike, scale: float) -> FloatArray:
    """min over sigma of the joint penalty of z = w / sigma and a half-normal sigma: ||w|| / s, in nats."""
    return np.asarray(norm) / scale


def centred_penalty(norm: ArrayLike, sigma: ArrayLike, scale: float, dim: int) -> FloatArray:
    """-log p(w, sigma) up to a constant, in nats: unbounded below near (0, 0)."""
    variance = np.asarray(sigma) ** 2
    return np.asarray(norm) ** 2 / (2 * variance) + dim * np.log(sigma) + variance / (2 * scale**2)


def scale_mixture_log_density(norm: ArrayLike, scale: float, dim: int) -> FloatArray:
    """log p(w) in nats of a Gaussian row whose standard deviation is half-normal(scale)."""
    size = np.asarray(norm)
    bessel = np.log(kve((dim - 1) / 2, size / scale)) - size / scale
    constant = -dim / 2 * np.log(2 * np.pi) + 0.5 * np.log(2 / np.pi) - np.log(scale)
    return constant + (1 - dim) / 2 * np.log(scale * size) + bessel


def _gamma_checks() -> list[Check]:
    constrained, _ = minimum(lambda w: -float(stats.gamma.logpdf(w, 3, scale=0.5)), 1e-6, 6.0)
    log_mode, _ = minimum(lambda x: -float(stats.gamma.logpdf(np.exp(x), 3, scale=0.5)) - x, -6.0, 3.0)
    return [
        Check("P8", "Gamma(3,2): MAP in w", gamma_mode(3, 2), constrained, 1e-6),
        Check("P8", "Gamma(3,2): MAP in log w", gamma_mode_in_log(3, 2), float(np.exp(log_mode)), 1e-6),
    ]


def _scale_checks() -> list[Check]:
    """||w|| = 1.7, s = 0.6: the notes' 2.8333."""
    _, profile = minimum(lambda sigma: 1.7**2 / (2 * sigma**2) + sigma**2 / 0.72, 0.05, 10.0)
    found = [
        Check("P8", "non-centred joint MAP = ||w||/s", float(non_centred_penalty(1.7, 0.6)), profile, 1e-10),
        Check("P8", "the same as printed", float(non_centred_penalty(1.7, 0.6)), 2.8333, 5e-5),
        Check("P8", "centred, ||w||=sigma=1e-8, d=5", float(centred_penalty(1e-8, 1e-8, 0.6, 5)), 0.5 - 40 * np.log(10), 1e-9),
    ]
    joint = stats.norm.logpdf(1.7, scale=0.9) + 4 * stats.norm.logpdf(0.0, scale=0.9)
    joint += stats.halfnorm.logpdf(0.9, scale=0.6)
    constant = 2.5 * np.log(2 * np.pi) - 0.5 * np.log(2 / np.pi) + np.log(0.6)
    value = float(centred_penalty(1.7, 0.9, 0.6, 5))
    found.append(Check("P8", "centred penalty, sigma=.9, d=5", value, -float(joint) - constant, 1e-12))
    for dim in (1, 2, 9):
        value = float(scale_mixture_log_density(1.7, 0.6, dim))
        found.append(Check("P8", f"marginal of w, d={dim}", value, _marginal(1.7, 0.6, dim), 1e-10))
    return found


def _marginal(norm: float, scale: float, dim: int) -> float:
    """log of the integral of N(w; 0, sigma^2 I) against the half-normal density, over log sigma."""
    kernel = log_integral(lambda u: (1 - dim) * u - norm**2 / 2 * np.exp(-2 * u) - np.exp(2 * u) / (2 * scale**2), -6.0, 6.0)
    return kernel - dim / 2 * np.log(2 * np.pi) + 0.5 * np.log(2 / np.pi) - np.log(scale)


def checks() -> list[Check]:
    """Modes and profiles by brute-force minimisation, the marginal by quadrature."""
    return [*_gamma_checks(), *_scale_checks()]
