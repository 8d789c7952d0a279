r"""P30. Learning the rate of a homogeneous prior: joint MAP collapses, a Gamma hyperprior does not.

Prior $e^{-r\phi(w)}r^{d/k}/Z(1)$ with $\phi$ homogeneous of degree $k$ (P1); $n=d/k$ (group Laplace: $n=d$).

**Proposition.** (i) With the normaliser but no hyperprior, $\min_r\{r\phi-n\log r\}=n+n\log(\phi/n)\to-\infty$ as
$\phi\to0$: joint MAP of $(w,r)$ sends $w\to0$, $r\to\infty$, whatever the data say.
(ii) With $r\sim\mathrm{Gamma}(a,b)$, $a,b>0$, the marginal prior is
$$p(w)=\frac{\Gamma(a+n)\,b^a}{\Gamma(a)\,Z(1)}\,(b+\phi(w))^{-(a+n)},$$
proper, bounded, with penalty $(a+n)\log(b+\phi)$.
(iii) The slope of that penalty in $\phi$ is $(a+n)/(b+\phi)=E[r\mid w]$: majorise-minimise (equivalently EM in
$r$) is the reweighted group lasso with $r\leftarrow(a+n)/(b+\phi(w))$.
(iv) Joint MAP with the hyperprior has the profile $(a+n-1)\log(b+\phi)$ in the coordinate $r$ and
$(a+n)\log(b+\phi)$, the marginal penalty, in $\log r$ (cf. P8).

*Proof.* (i) The minimum is at $r=n/\phi$. (ii) $\int r^{n+a-1}e^{-r(b+\phi)}dr=\Gamma(a+n)(b+\phi)^{-(a+n)}$;
proper because it is a mixture of proper densities. (iii) Differentiate; $r\mid w\sim\mathrm{Gamma}(a+n,b+\phi)$
by P1, and the logarithm is concave, so its tangent majorises. (iv) Maximise $r^{n+a-1}e^{-r(b+\phi)}$, in
$\log r$ with one more factor $r$. $\square$
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from theory.arrays import FloatArray
from theory.checks import Check
from theory.densities import group_laplace_log_normalizer, log_sphere_area
from theory.quadrature import log_integral
from theory.scalar_search import minimum


def profile_penalty(penalty: ArrayLike, order: float) -> FloatArray:
    """min over r of r phi - n log r, in nats: unbounded below as phi -> 0. `order` is n = d / k."""
    return order + order * np.log(np.asarray(penalty) / order)


def marginal_log_density(
    penalty: ArrayLike, shape: float, inverse_scale: float, order: float, log_unit_normalizer: float
) -> FloatArray:
    """log p(w) in nats with the rate integrated out; log_unit_normalizer is log Z at rate 1."""
    constant = gammaln(shape + order) - gammaln(shape) + shape * np.log(inverse_scale) - log_unit_normalizer
    return constant - (shape + order) * np.log(inverse_scale + np.asarray(penalty))


def expected_rate(penalty: ArrayLike, shape: float, inverse_scale: float, order: float) -> FloatArray:
    """E[r | w], the weight of the next step of the reweighted group lasso."""
    return (shape + order) / (inverse_scale + np.asarray(penalty))


A, B, DIM, NORM = 1.5, 0.4, 5, 2.2


def _log_conditional(log_rate: FloatArray) -> FloatArray:
    """log p(w, r) of a group Laplace row of norm 2.2 with r ~ Gamma(1.5, 0.4), at each log r."""
    density = -np.exp(log_rate) * NORM - group_laplace_log_normalizer(np.exp(log_rate), DIM)
    return density + A * np.log(B) - gammaln(A) + (A - 1) * log_rate - B * np.exp(log_rate)


def _marginal_checks() -> list[Check]:
    unit = float(group_laplace_log_normalizer(1.0, DIM))
    value = float(marginal_log_density(NORM, A, B, DIM, unit))
    numeric = log_integral(lambda u: _log_conditional(u) + u, -40.0, 12.0)
    mean = np.exp(log_integral(lambda u: _log_conditional(u) + 2 * u, -40.0, 12.0) - numeric)
    mass = log_sphere_area(DIM) + log_integral(
        lambda u: DIM * u + marginal_log_density(np.exp(u), A, B, DIM, unit), -60.0, 60.0
    )
    step = 1e-5
    slope = (
        float(marginal_log_density(NORM - step, A, B, DIM, unit) - marginal_log_density(NORM + step, A, B, DIM, unit))
        / 2
        / step
    )
    return [
        Check("P30", "marginal log density", value, numeric, 1e-11),
        Check("P30", "E[r | w]", float(expected_rate(NORM, A, B, DIM)), float(mean), 1e-10),
        Check("P30", "slope of the penalty = E[r | w]", float(expected_rate(NORM, A, B, DIM)), slope, 1e-7),
        Check("P30", "the marginal is proper", float(np.exp(mass)), 1.0, 1e-10),
    ]


def _profile_checks() -> list[Check]:
    _, free = minimum(lambda u: float(np.exp(u) * NORM - DIM * u), -8.0, 8.0)
    tiny = float(profile_penalty(1e-10, DIM))
    natural = [minimum(lambda u, p=p: float((B + p) * np.exp(u) - (A + DIM - 1) * u), -8.0, 8.0)[1] for p in (NORM, 0.1)]
    in_log = [minimum(lambda u, p=p: float((B + p) * np.exp(u) - (A + DIM) * u), -8.0, 8.0)[1] for p in (NORM, 0.1)]
    gap = np.log((B + NORM) / (B + 0.1))
    return [
        Check("P30", "no hyperprior: profile", float(profile_penalty(NORM, DIM)), free, 1e-11),
        Check(
            "P30",
            "no hyperprior: falls by d log 10 per decade",
            float(profile_penalty(1e-9, DIM)) - tiny,
            DIM * np.log(10),
            1e-9,
        ),
        Check("P30", "joint MAP in r: (a+d-1) log(b+phi)", float((A + DIM - 1) * gap), natural[0] - natural[1], 1e-10),
        Check("P30", "joint MAP in log r: (a+d) log(b+phi)", float((A + DIM) * gap), in_log[0] - in_log[1], 1e-10),
    ]


def checks() -> list[Check]:
    """The mixture by quadrature over log r, the profiles by search."""
    return [*_marginal_checks(), *_profile_checks()]
