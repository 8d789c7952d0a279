r"""P18. $P(\lVert w\rVert^2>t)$ when the coordinates of $w$ are independent Gaussians.

**Setting.** $w_j\sim N(\mu_j,\sigma_j^2)$, $Q=\lVert w\rVert^2$ (a generalised noncentral $\chi^2$), for
$s<\frac1{2\max\sigma^2}$
$$K(s)=\log Ee^{sQ}=\sum_j\Big[-\tfrac12\log(1-2\sigma_j^2s)+\frac{\mu_j^2s}{1-2\sigma_j^2s}\Big].$$

**Proposition.**
1. Equal $\sigma_j=\sigma$: $Q/\sigma^2\sim\chi'^2_d(\lVert\mu\rVert^2/\sigma^2)$.
2. *(Imhof.)* With $\theta(u)=\mathrm{Im}K(\frac{iu}2)-\frac{tu}2$ and $\log\rho(u)=-\mathrm{Re}K(\frac{iu}2)$,
   $P(Q>t)=\frac12+\frac1\pi\int_0^\infty\frac{\sin\theta(u)}{u\rho(u)}du$.
3. *(Contour.)* For $0<c<\frac1{2\max\sigma^2}$, $P(Q>t)=\frac1{2\pi i}\int\frac{e^{K(s)-st}}sds$ over any path
   from $c-i\infty$ to $c+i\infty$ that may be bent to the right off the real axis; for $c<0$ the same integral is
   $-P(Q\le t)$. On the hyperbola $s=c+iu+2au^2/(1+\sqrt{1+(2au/\beta)^2})$, $\beta=0.8$, through the saddle point
   $K'(c)=t$, $a=K'''/(6K'')$, the integrand neither oscillates at its peak nor grows away from it: full *relative*
   accuracy in both tails, in the log domain.
4. *(Lugannani-Rice.)* With $K'(c)=t$, $\omega=\mathrm{sign}(c)\sqrt{2(ct-K(c))}$, $v=c\sqrt{K''(c)}$:
   $P(Q>t)\approx\bar\Phi(\omega)+\varphi(\omega)(\frac1v-\frac1\omega)$, an approximation whose relative error
   stays small in the tails.

*Proof.* (1) Definition. (2) Gil-Pelaez inversion of the characteristic function $e^{K(iu)}$, with $u\to u/2$. (3)
Inversion of the two-sided Laplace transform of $1[q>t]$; the pole at $0$ has residue $1$, which is the step from
$c>0$ to $c<0$. $K$ is analytic off $[\frac1{2\max\sigma^2},\infty)$, and as $\mathrm{Re}\,s\to\infty$ off the
axis $e^{K}$ stays bounded by a power while $e^{-st}$ falls, so the path may bend. At a saddle the exponent is
$-\frac12K''u^2+i(aK''-\frac16K''')u^3+O(u^4)$, real to third order for this $a$. The path's slope against the
vertical stays below $\beta<1$: along rays less than 45 degrees from it the modulus of each weight's factor falls, because
with $z=2\sigma_j^2(s-c)/(1-2\sigma_j^2c)$ both $\mathrm{Re}[z^2/(1-z)]$ and $\mathrm{Re}[-\log(1-z)-z]$ do. A parabola
with the same $a$ bends further, and where one scale dominates its integrand overflows (checked below).
(4) is not proved here: it is
the classical uniform saddle-point expansion (references in README.md), measured below. $\square$

A fixed grid for (2) fails silently with one dominant $\sigma$ (the notes: by $5\cdot10^{-3}$), Ruben's series
fails silently for sharp posteriors; (3) replaces both as the oracle. The notes' worst cases ($.368$ for $.385$,
$.887$ for $.893$) are for unstated $\sigma$.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import erfcx, gammainc
from scipy.stats import ncx2

from theory.arrays import FloatArray
from theory.checks import Check
from theory.monte_carlo import against_mean

SLOPE = 0.8  # of the path's ends, against the vertical


def cumulant(s: complex, mean: FloatArray, sd: FloatArray) -> complex:
    """K(s), for s off the real half-line from 1 / (2 max sd^2) on."""
    remaining = 1 - 2 * sd**2 * s
    return complex(np.sum(-0.5 * np.log(remaining) + mean**2 * s / remaining))


def cumulant_derivatives(s: float, mean: FloatArray, sd: FloatArray) -> tuple[float, float, float]:
    """K'(s), K''(s) and K'''(s) on the real axis below 1 / (2 max sd^2)."""
    remaining, variance, square = 1 - 2 * sd**2 * s, sd**2, mean**2
    first = np.sum(variance / remaining + square / remaining**2)
    second = np.sum(2 * (variance / remaining) ** 2 + 4 * variance * square / remaining**3)
    third = np.sum(8 * (variance / remaining) ** 3 + 24 * variance**2 * square / remaining**4)
    return float(first), float(second), float(third)


def saddle_point(threshold: float, mean: FloatArray, sd: FloatArray) -> float:
    """The s with K'(s) = threshold > 0: positive iff the threshold is above the mean of Q."""
    pole = 1 / (2 * float(np.max(sd)) ** 2)

    def excess(log_distance: float) -> float:
        return cumulant_derivatives(pole - np.exp(log_distance), mean, sd)[0] - threshold

    near = far = np.log(pole)
    while excess(near) < 0:
        near -= 1.0
    while excess(far) > 0:
        far += 1.0
    return pole - float(np.exp(np.asarray(brentq(excess, near, far, xtol=1e-14))))


def log_tails(threshold: float, mean: ArrayLike, sd: ArrayLike) -> tuple[float, float]:
    """(log P(Q > threshold), log P(Q <= threshold)) in nats; the smaller one has full relative accuracy."""
    mu, sigma = np.asarray(mean, dtype=np.float64), np.asarray(sd, dtype=np.float64)
    crossing = _away_from_the_pole(saddle_point(threshold, mu, sigma), mu, sigma)
    computed = _log_contour_integral(threshold, crossing, mu, sigma)
    other = float(np.log1p(-np.exp(computed)))
    return (computed, other) if crossing > 0 else (other, computed)


def imhof_survival(threshold: float, mean: ArrayLike, sd: ArrayLike) -> float:
    """P(Q > threshold) by Imhof's integral on the real line; practical from about ten coordinates on."""
    mu, sigma = np.asarray(mean, dtype=np.float64), np.asarray(sd, dtype=np.float64)
    end = 1 / float(np.max(sigma)) ** 2
    while np.log(end) - cumulant(0.5j * end, mu, sigma).real < 30:
        end *= 1.5

    def integrand(u: float) -> float:
        value = cumulant(0.5j * u, mu, sigma)
        return float(np.sin(value.imag - threshold * u / 2) * np.exp(value.real) / u)

    return 0.5 + quad(integrand, 0.0, end, epsabs=1e-12, epsrel=1e-12, limit=5000)[0] / np.pi


def lugannani_rice_log_tails(threshold: float, mean: ArrayLike, sd: ArrayLike) -> tuple[float, float]:
    """The saddle-point approximation of `log_tails`; the threshold must not be the mean of Q."""
    mu, sigma = np.asarray(mean, dtype=np.float64), np.asarray(sd, dtype=np.float64)
    s = saddle_point(threshold, mu, sigma)
    depth = s * threshold - cumulant(s, mu, sigma).real
    omega = (2 * depth) ** 0.5
    v = abs(s) * cumulant_derivatives(s, mu, sigma)[1] ** 0.5
    mills = float(erfcx(omega / 2**0.5)) * (np.pi / 2) ** 0.5
    small = -depth - 0.5 * np.log(2 * np.pi) + np.log(mills + 1 / v - 1 / omega)
    other = float(np.log1p(-np.exp(small)))
    return (float(small), other) if s > 0 else (other, float(small))


def _away_from_the_pole(saddle: float, mean: FloatArray, sd: FloatArray) -> float:
    """A crossing of the real axis near the saddle point but not at 0, where the integrand has its pole."""
    width = 0.5 / cumulant_derivatives(0.0, mean, sd)[1] ** 0.5
    limit = 1 / (4 * float(np.max(sd)) ** 2)
    return saddle if abs(saddle) > min(width, limit) else min(width, limit)


def _log_contour_integral(threshold: float, crossing: float, mean: FloatArray, sd: FloatArray) -> float:
    """log of |(1 / 2 pi i) integral of exp(K(s) - s t) / s| on the hyperbola through `crossing`."""
    _, second, third = cumulant_derivatives(crossing, mean, sd)
    bend = third / (6 * second)
    peak = cumulant(crossing, mean, sd).real - crossing * threshold

    def integrand(scaled: float) -> float:
        u = scaled / second**0.5
        curve = (1 + (2 * bend * u / SLOPE) ** 2) ** 0.5
        s = crossing + 1j * u + 2 * bend * u**2 / (1 + curve)
        value = np.exp(cumulant(s, mean, sd) - s * threshold - peak) / s * (1j + 2 * bend * u / curve)
        return float(value.imag)

    total, _ = quad(integrand, 0.0, np.inf, epsabs=0, epsrel=1e-11, limit=500)
    return peak + float(np.log(abs(total) / (np.pi * second**0.5)))


def checks() -> list[Check]:
    """Four routes to one number, in the body and in both tails."""
    rng = np.random.default_rng(18)
    mean, sd = rng.normal(size=16), np.geomspace(0.2, 2.0, 16)
    draws = ((mean + sd * rng.normal(size=(200_000, 16))) ** 2).sum(axis=1)
    body = (10.0, 25.0, 45.0)
    return [
        *(Check("P18", f"Imhof = contour, t={t:g}", imhof_survival(t, mean, sd), _upper(t, mean, sd), 1e-9) for t in body),
        against_mean("P18", "contour, Monte Carlo", _upper(25.0, mean, sd), draws > 25),
        *_equal_checks(),
        *_dominant_checks(),
        *_tail_checks(mean, sd),
    ]


def _upper(threshold: float, mean: FloatArray, sd: FloatArray) -> float:
    return float(np.exp(log_tails(threshold, mean, sd)[0]))


def _equal_checks() -> list[Check]:
    mean, sd = np.array([0.3, -1.0, 0.5]), np.full(3, 0.7)
    exact = ncx2.sf(2.2 / 0.49, 3, float(mean @ mean) / 0.49)
    lower = np.log(gammainc(10, 0.005))
    sharp = log_tails(25.0, np.full(300, 0.3), np.full(300, 1e-2))
    return [
        Check("P18", "equal sigma, d=3: ncx2", _upper(2.2, mean, sd), float(exact), 1e-12),
        Check("P18", "one coordinate", _upper(0.6, np.zeros(1), np.ones(1)), float(ncx2.sf(0.6, 1, 0)), 1e-12),
        Check("P18", "log P(Q<=.01), central, d=20", log_tails(0.01, np.zeros(20), np.ones(20))[1], float(lower), 1e-9),
        Check("P18", "sharp, d=300: log P by ncx2", sharp[1], _sharp_reference(), 1e-6),
    ]


def _sharp_reference() -> float:
    return float(ncx2.logcdf(25.0 / 1e-4, 300, 27.0 / 1e-4))


def _dominant_checks() -> list[Check]:
    """One scale a thousand times the others: log P(Q <= t) by a quadrature over its coordinate."""
    small, large = 1e-3, 1.0
    mean, sd = np.append(np.full(299, 0.1), 0.05), np.append(np.full(299, small), large)

    def below(threshold: float) -> float:
        def density(x: float) -> float:
            rest = ncx2.cdf((threshold - x**2) / small**2, 299, 2.99 / small**2)
            return float(rest * np.exp(-0.5 * ((x - 0.05) / large) ** 2) / (2 * np.pi) ** 0.5)

        # The other 299 sum to 2.99 within 0.02, so that the dominant square fits or not but between these.
        edges = [np.sqrt(max(0.0, threshold - 2.99 + shift)) for shift in (-0.02, 0.02)]
        points = np.unique([-edges[1], -edges[0], edges[0], edges[1]])
        parts = [quad(density, *ends, epsabs=0, epsrel=1e-11, limit=500)[0] for ends in pairwise(points)]
        return float(np.log(sum(parts)))

    return [
        Check("P18", f"one dominant sigma, t={t:g}: log P(Q<=t)", log_tails(t, mean, sd)[1], below(t), 1e-8)
        for t in (2.99, 3.1, 3.6, 4.2, 8.0)
    ]


def _tail_checks(mean: FloatArray, sd: FloatArray) -> list[Check]:
    deep = log_tails(0.02, mean, sd)[1], lugannani_rice_log_tails(0.02, mean, sd)[1]
    high = log_tails(200.0, mean, sd)[0], lugannani_rice_log_tails(200.0, mean, sd)[0]
    centred, dominant = np.zeros(16), np.append(np.full(15, 0.1), 2.0)
    body = np.exp(lugannani_rice_log_tails(0.3, centred, dominant)[0])
    return [
        Check("P18", "Lugannani-Rice, lower tail (nats)", deep[1], deep[0], 0.01),
        Check("P18", "Lugannani-Rice, upper tail (nats)", high[1], high[0], 0.1),
        Check("P18", "Lugannani-Rice, one large sigma", float(body), _upper(0.3, centred, dominant), 0.02),
    ]
