r"""P2. Normalisers, moments, entropies, divergences and norm laws of the four elementary families.

Each density on $\mathbb R^d$ is $e^{-r\phi(w)}/Z$, with $\phi$ homogeneous of degree $k$, so by P1 one
number per family, $\log Z$, gives the entropy $\log Z+d/k$, the divergence between two rates and the law of
$\phi(w)$.

**Proposition.** With $S_{d-1}=2\pi^{d/2}/\Gamma(d/2)$ the area of the unit sphere,

* Laplace, $\phi=\|w\|_1$: $Z=(2/r)^d$, variance $2/r^2$ per coordinate;
* Gaussian, $\phi=\|w\|_2^2$: $Z=(\pi/r)^{d/2}$, variance $1/(2r)$;
* group Laplace, $\phi=\|w\|_2$: $Z=C_d r^{-d}$,
  $\log C_d=d\log2+\frac{d-1}2\log\pi+\log\Gamma(\frac{d+1}2)$, covariance $\frac{d+1}{r^2}I$, characteristic
  function $(1+\|t\|^2/r^2)^{-(d+1)/2}$;
* group $L_{1/2}$, $\phi=\|w\|_2^{1/2}$: $Z=2S_{d-1}\Gamma(2d)r^{-2d}$,
  covariance $\frac{\Gamma(2d+4)}{d\,\Gamma(2d)}r^{-4}I$.

*Proof.* The first two are products of $d$ one-dimensional integrals. For $\phi=\|w\|^k$ polar coordinates
give $Z=S_{d-1}\int_0^\infty\rho^{d-1}e^{-r\rho^k}d\rho=S_{d-1}\Gamma(d/k)/(k r^{d/k})$; with $k=1$ the
duplication formula $\Gamma(d)=2^{d-1}\pi^{-1/2}\Gamma(\frac d2)\Gamma(\frac{d+1}2)$ turns
$S_{d-1}\Gamma(d)$ into $C_d$. By P1 $r\|w\|^k\sim\mathrm{Gamma}(d/k,1)$ with a uniform direction, so
$E\|w\|^m=r^{-m/k}\Gamma((d+m)/k)/\Gamma(d/k)$ and $\mathrm{Cov}=\frac1d E\|w\|^2 I$. $\square$

**Proposition (mixture).** $w\mid s\sim N(0,sI)$, $s\sim\mathrm{Gamma}(\frac{d+1}2,\ \mathrm{rate}\
\frac{r^2}2)$ is the group Laplace with rate $r$.

*Proof.* In $\int s^{-d/2}e^{-\|w\|^2/2s}\,s^{(d+1)/2-1}e^{-r^2s/2}ds$ the powers of $s$ combine to
$s^{-1/2}$ and $\int_0^\infty s^{-1/2}e^{-y^2/2s-r^2s/2}ds=\frac{\sqrt{2\pi}}r e^{-ry}$. So the marginal is
proportional to $e^{-r\|w\|}$. The characteristic function is $E_s e^{-s\|t\|^2/2}$, a Gamma Laplace
transform. $\square$

**Scaling.** With $r=r_0\sqrt d$ the variance $(d+1)/(d r_0^2)$ of a weight hardly depends on $d$; with
constant $r$ it grows like $d$. The survival $P(\|w\|>\tau\sqrt d)=Q(d, r\tau\sqrt d)$ tends to $1/2$ in the
first case (at $r_0\tau=1$) and to $1$ in the second: this is why the rate of a group family
carries $\sqrt D$.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.integrate import quad
from scipy.special import gammaincc, gammaln

from theory.arrays import FloatArray
from theory.checks import Check
from theory.homogeneity import entropy, kl_divergence
from theory.monte_carlo import against_mean
from theory.quadrature import integral, log_integral


def log_sphere_area(dim: int) -> float:
    """log of the area of the unit sphere of R^dim."""
    return float(np.log(2) + dim / 2 * np.log(np.pi) - gammaln(dim / 2))


def laplace_log_normalizer(rate: ArrayLike, dim: int) -> FloatArray:
    """log Z of exp(-rate ||w||_1), in nats."""
    return dim * np.log(2 / np.asarray(rate))


def gaussian_log_normalizer(rate: ArrayLike, dim: int) -> FloatArray:
    """log Z of exp(-rate ||w||_2^2), in nats; the variance is 1 / (2 rate)."""
    return dim / 2 * np.log(np.pi / np.asarray(rate))


def group_laplace_log_normalizer(rate: ArrayLike, dim: int) -> FloatArray:
    """log Z of exp(-rate ||w||_2), in nats: log C_d - d log rate."""
    log_constant = dim * np.log(2) + (dim - 1) / 2 * np.log(np.pi) + gammaln((dim + 1) / 2)
    return log_constant - dim * np.log(rate)


def group_sqrt_log_normalizer(rate: ArrayLike, dim: int) -> FloatArray:
    """log Z of exp(-rate sqrt(||w||_2)), in nats."""
    return np.log(2) + log_sphere_area(dim) + gammaln(2 * dim) - 2 * dim * np.log(rate)


def laplace_log_density(weights: ArrayLike, rate: ArrayLike) -> FloatArray:
    """log p of rows (last axis) under independent Laplace weights."""
    w = np.asarray(weights)
    return -np.asarray(rate) * np.abs(w).sum(axis=-1) - laplace_log_normalizer(rate, w.shape[-1])


def gaussian_log_density(weights: ArrayLike, rate: ArrayLike) -> FloatArray:
    """log p of rows (last axis) under exp(-rate ||w||^2) / Z."""
    w = np.asarray(weights)
    return -np.asarray(rate) * (w**2).sum(axis=-1) - gaussian_log_normalizer(rate, w.shape[-1])


def group_laplace_log_density(weights: ArrayLike, rate: ArrayLike) -> FloatArray:
    """log p of rows (last axis) under exp(-rate ||w||) / Z."""
    w = np.asarray(weights)
    return -np.asarray(rate) * np.linalg.norm(w, axis=-1) - group_laplace_log_normalizer(rate, w.shape[-1])


def group_sqrt_log_density(weights: ArrayLike, rate: ArrayLike) -> FloatArray:
    """log p of rows (last axis) under exp(-rate sqrt ||w||) / Z."""
    w = np.asarray(weights)
    return -np.asarray(rate) * np.sqrt(np.linalg.norm(w, axis=-1)) - group_sqrt_log_normalizer(rate, w.shape[-1])


def norm_power_mean(power: float, rate: ArrayLike, dim: int, degree: float) -> FloatArray:
    """E ||w||_2^power when the density is proportional to exp(-rate ||w||_2^degree)."""
    log_ratio = gammaln((dim + power) / degree) - gammaln(dim / degree)
    return np.exp(log_ratio - power / degree * np.log(rate))


def laplace_variance(rate: ArrayLike) -> FloatArray:
    """Variance of one weight under independent Laplace weights."""
    return 2 / np.asarray(rate) ** 2


def gaussian_variance(rate: ArrayLike) -> FloatArray:
    """Variance of one weight under exp(-rate ||w||^2)."""
    return 0.5 / np.asarray(rate)


def group_laplace_variance(rate: ArrayLike, dim: int) -> FloatArray:
    """Variance of one weight under exp(-rate ||w||): (d + 1) / rate^2."""
    return (dim + 1) / np.asarray(rate) ** 2


def group_sqrt_variance(rate: ArrayLike, dim: int) -> FloatArray:
    """Variance of one weight under exp(-rate sqrt ||w||)."""
    return norm_power_mean(2, rate, dim, 0.5) / dim


def norm_survival(threshold: ArrayLike, rate: ArrayLike, dim: int, degree: float) -> FloatArray:
    """P(||w||_2 > threshold) under exp(-rate ||w||_2^degree): degree 1 group Laplace, 2 Gaussian, 1/2 group sqrt."""
    return gammaincc(dim / degree, np.asarray(rate) * np.asarray(threshold) ** degree)


def group_laplace_characteristic(frequency_norm: ArrayLike, rate: float, dim: int) -> FloatArray:
    """E exp(i <t, w>) as a function of ||t||: real, because the law is symmetric."""
    return (1 + (np.asarray(frequency_norm) / rate) ** 2) ** (-(dim + 1) / 2)


def sample_by_norm(rate: float, dim: int, degree: float, size: int, rng: np.random.Generator) -> FloatArray:
    """Exact draws (size, dim) of exp(-rate ||w||_2^degree): a Gamma penalty and a uniform direction."""
    direction = rng.standard_normal((size, dim))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    norm = (rng.gamma(dim / degree, size=size) / rate) ** (1 / degree)
    return norm[:, None] * direction


def sample_scale_mixture(rate: float, dim: int, size: int, rng: np.random.Generator) -> FloatArray:
    """Draws (size, dim) of the group Laplace as a Gaussian with a Gamma variance."""
    variance = rng.gamma((dim + 1) / 2, 2 / rate**2, size=size)
    return np.sqrt(variance)[:, None] * rng.standard_normal((size, dim))


def _radial_log_normalizer(rate: float, dim: int, degree: float) -> float:
    """log Z by quadrature over log ||w||."""
    log_radius = log_integral(lambda u: dim * u - rate * np.exp(degree * u), -60 / dim - 5, 40)
    return log_sphere_area(dim) + log_radius


def _normalizer_checks() -> list[Check]:
    found: list[Check] = []
    for dim in (1, 2, 3, 10, 784):
        closed = (
            ("Gaussian", 2.0, gaussian_log_normalizer(1.7, dim)),
            ("group Laplace", 1.0, group_laplace_log_normalizer(1.7, dim)),
            ("group sqrt", 0.5, group_sqrt_log_normalizer(1.7, dim)),
        )
        for name, degree, value in closed:
            reference = _radial_log_normalizer(1.7, dim, degree)
            tolerance = 1e-13 * abs(reference) + 1e-11
            found.append(Check("P2", f"log Z {name}, d={dim}", float(value), reference, tolerance))
    one_dimensional = np.log(2 * integral(lambda x: np.exp(-1.7 * x), 0, 40))
    return [*found, Check("P2", "log Z Laplace, d=7", float(laplace_log_normalizer(1.7, 7)), 7 * one_dimensional, 1e-9)]


def _moment_checks() -> list[Check]:
    rng = np.random.default_rng(2)
    mixed = sample_scale_mixture(2.0, 3, 400_000, rng)
    norm = np.linalg.norm(mixed, axis=1)
    value = entropy(group_laplace_log_normalizer(2.0, 3), 3, 1)
    survival = norm_survival(1.3, 2.0, 3, 1.0)
    heavy = sample_by_norm(4.0, 3, 0.5, 400_000, rng)
    return [
        against_mean("P2", "mixture: variance", group_laplace_variance(2.0, 3), mixed[:, 0] ** 2),
        against_mean("P2", "mixture: P(||w|| > 1.3)", survival, (norm > 1.3).astype(float)),
        against_mean("P2", "entropy, d=3, r=2", value, -group_laplace_log_density(mixed, 2.0)),
        Check("P2", "entropy as printed", float(value), 4.1447, 5e-5),
        against_mean("P2", "group sqrt: variance", group_sqrt_variance(4.0, 3), heavy[:, 0] ** 2),
    ]


def _density_checks() -> list[Check]:
    """Log densities and variances at rate 1.7 against scipy.stats; radial families through the law of their norm."""
    row = np.array([0.3, -1.1, 0.4])
    norm = float(np.linalg.norm(row))
    root = stats.gamma.logpdf(np.sqrt(norm), 6, scale=1 / 1.7) - np.log(2 * np.sqrt(norm))
    on_sphere = log_sphere_area(3) + 2 * np.log(norm)
    laplace = float(stats.laplace.logpdf(row, scale=1 / 1.7).sum())
    gaussian = float(stats.norm.logpdf(row, scale=np.sqrt(0.5 / 1.7)).sum())
    two_sided = 2 * integral(lambda x: x * x * np.exp(-1.7 * x), 0, 40) * 1.7 / 2
    bell = integral(lambda x: x * x * np.exp(-1.7 * x * x), -8, 8) * np.sqrt(1.7 / np.pi)
    group = stats.gamma.logpdf(norm, 3, scale=1 / 1.7)
    return [
        Check("P2", "log p Laplace", float(laplace_log_density(row, 1.7)), laplace, 1e-13),
        Check("P2", "log p Gaussian", float(gaussian_log_density(row, 1.7)), gaussian, 1e-13),
        Check("P2", "log p group Laplace", float(group_laplace_log_density(row, 1.7)), float(group) - on_sphere, 1e-13),
        Check("P2", "log p group sqrt", float(group_sqrt_log_density(row, 1.7)), float(root) - on_sphere, 1e-13),
        Check("P2", "variance Laplace", float(laplace_variance(1.7)), two_sided, 1e-11),
        Check("P2", "variance Gaussian", float(gaussian_variance(1.7)), bell, 1e-11),
    ]


def _mixture_check() -> Check:
    """The mixture's density at one point by quadrature over log s, d = 4."""
    square, dim, rate = 2.3, 4, 1.4
    shape = (dim + 1) / 2
    log_kernel = log_integral(lambda u: (shape - dim / 2) * u - square / 2 * np.exp(-u) - rate**2 / 2 * np.exp(u), -20, 20)
    constant = -dim / 2 * np.log(2 * np.pi) + shape * np.log(rate**2 / 2) - gammaln(shape)
    point = np.array([np.sqrt(square), 0, 0, 0])
    value = float(group_laplace_log_density(point, rate))
    return Check("P2", "mixture: log density", value, float(log_kernel + constant), 1e-11)


def _divergence_checks() -> list[Check]:
    value = float(kl_divergence(1.2, 0.5, 5, 1))
    norm = np.random.default_rng(3).gamma(5, 1 / 1.2, size=400_000)
    difference = group_laplace_log_normalizer(0.5, 5) - group_laplace_log_normalizer(1.2, 5) - 0.7 * norm
    return [
        against_mean("P2", "KL, d=5, rates 1.2|0.5", value, difference),
        Check("P2", "KL as printed", value, 1.46068, 5e-6),
    ]


def _characteristic_check() -> Check:
    """d = 3, where the average of exp(i <t, w>) over directions is sin(x) / x."""

    def integrand(radius: float) -> float:
        return radius * np.exp(-1.4 * radius) / 0.9

    sine_transform = quad(integrand, 0, np.inf, weight="sin", wvar=0.9)[0] * 1.4**3 / 2
    return Check("P2", "characteristic function", float(group_laplace_characteristic(0.9, 1.4, 3)), sine_transform, 1e-9)


def _scaling_checks() -> list[Check]:
    printed_scaled = {4: 0.434, 9: 0.456, 25: 0.473, 100: 0.487, 400: 0.493}
    printed_constant = {4: 0.15, 9: 0.46, 25: 0.99, 100: 1.0, 400: 1.0}
    scaled = [
        Check("P2", f"P(rms>1), r=sqrt d, d={dim}", float(norm_survival(dim**0.5, dim**0.5, dim, 1)), printed, 1e-3)
        for dim, printed in printed_scaled.items()
    ]
    constant = [
        Check("P2", f"P(rms>1), r=3, d={dim}", float(norm_survival(dim**0.5, 3.0, dim, 1)), printed, 5.1e-3)
        for dim, printed in printed_constant.items()
    ]
    return scaled + constant


def checks() -> list[Check]:
    """Normalisers and the mixture by quadrature, laws by exact sampling, and the notes' printed numbers."""
    return [
        *_normalizer_checks(),
        *_density_checks(),
        *_moment_checks(),
        _mixture_check(),
        *_divergence_checks(),
        _characteristic_check(),
        *_scaling_checks(),
    ]
