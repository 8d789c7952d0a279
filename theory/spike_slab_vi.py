r"""P29. Spike-and-slab variational inference: what factorising costs.

**One unit.** $L(w)=\frac h2\lVert w-a\rVert^2$ on $\mathbb R^d$ for the weight $\gamma w$, slab $N(0,sI)$,
$P(\gamma=1)=\sigma(-c)$, $x=hs$. Exactly, $\mathrm{logit}\,P(\gamma=1\mid D)=-c+\frac{h\lVert a\rVert^2}2\frac
x{1+x}-\frac d2\log(1+x)$.

**Proposition 1** ($q(w)q(\gamma)$). With $\rho=q(\gamma=1)$ the optimal $q(w)$ is normal with variance
$v=\frac s{1+\rho x}$ and mean $\frac{\rho x}{1+\rho x}a$, and coordinate ascent is
$\rho\leftarrow\sigma(\ell(\rho))$,
$$\ell(\rho)=-c+\tfrac{h\lVert a\rVert^2}2\Big(1-\frac1{(1+\rho x)^2}\Big)-\frac d2\,\frac x{1+\rho x}.$$
1. $\ell$ increases, so the ascent is monotone in $\rho$ and the answer depends on the start: from $0$ it ends in
   the smallest fixed point, from $1$ in the largest.
2. At $\rho=1$ the price of being present is $\frac d2\frac x{1+x}<\frac d2$ and not $\frac d2\log(1+x)$: the
   Occam factor is missing.
3. $\ell(0)=-c-\frac d2hs$. If $e\,(h\lVert a\rVert^2x+\frac d2x^2)\le e^{c+dx/2}$, every start
   $\rho\le e^{1-c-dx/2}$ stays below that bound: a dead unit stays dead, whatever the exact posterior. (The notes
   say that $\gamma=0$ is *always* locally stable; it is for $h\to\infty$ at fixed $a$, but not for few weights, a
   tight slab and a large effect: see the check.)

*Proof.* $E_q[L(0)-L(\gamma w)]=\rho\,(h\,a^\top m-\frac h2(\lVert m\rVert^2+dv))$ for $q(w)=N(m,vI)$: setting the
derivatives of the ELBO in $q(w)$ to zero gives precision $\rho h+\frac1s$ and mean $\rho hva$; that in $\rho$
gives $\mathrm{logit}\,\rho=-c+\frac h2(\lVert a\rVert^2-\lVert a-m\rVert^2-dv)$, with $a-m=a/(1+\rho x)$. (1)
$\ell'(\rho)=h\lVert a\rVert^2x(1+\rho x)^{-3}+\frac d2x^2(1+\rho x)^{-2}>0$. (2) $\rho=1$. (3)
$\ell'\le\ell'(0)$, so for $\rho\le\delta=e^{1+\ell(0)}$, $\sigma(\ell(\rho))\le e^{\ell(0)+\rho\ell'(0)}\le
e^{\ell(0)+1}=\delta$. $\square$

**Proposition 2** ($q(\gamma)q(w\mid\gamma)$). For one unit this family holds the posterior, so its optimum is
exact. For several, factorised over units, it is not: two equal columns $X^\top X=h\binom{1\ 1}{1\ 1}$,
$X^\top y=ha\binom11$, $d=1$, have log Bayes factors $\frac{ha^2}2\frac{nx}{1+nx}-\frac12\log(1+nx)$ for $n=1,2$
columns, symmetric, while the ascent $m_u=\frac{x}{1+x}(a-\rho_{u'}m_{u'})$,
$\mathrm{logit}\rho_u=-c_u-\frac12\log(1+x)+\frac{m_u^2}2\big(h+\frac1s\big)$ settles on one of them.
*Proof.* Given the other unit, each is the exact one-unit problem with the residual effect. $\square$

*Reproduced* (parameters found by matching): $.996$ from $.9$ where the exact value is $0$, and $0$ from $.01$
where it is $1$ ($h=100$, $d=10$, $s=1$, $c=2$, $\lVert a\rVert=.5$ and $1.5$); twins $.57,.57$ against
$1.00,.02$, and $.753,.329$ against $1.00,.009$ for costs $1,2$ ($h=220$, $a=.98$, $s=1$).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import entr, expit

from theory.arrays import FloatArray
from theory.checks import Check
from theory.enumeration import enumerate_models

SWEEPS = 2000


def exact_inclusion(effect: float, curvature: float, slab_variance: float, dim: int, cost: float) -> float:
    """Posterior P(gamma = 1 | D) of one unit."""
    x = curvature * slab_variance
    return float(expit(-cost + curvature * effect**2 / 2 * x / (1 + x) - dim / 2 * np.log1p(x)))


def factorised_step(inclusion: float, effect: float, curvature: float, slab_variance: float, dim: int, cost: float) -> float:
    """One coordinate ascent sweep of q(w) q(gamma): the new q(gamma = 1)."""
    x = curvature * slab_variance
    shrunk = 1 + inclusion * x
    gain = curvature * effect**2 / 2 * (1 - shrunk**-2)
    return float(expit(-cost + gain - dim / 2 * x / shrunk))


def factorised_inclusion(start: float, effect: float, curvature: float, slab_variance: float, dim: int, cost: float) -> float:
    """q(gamma = 1) after coordinate ascent of q(w) q(gamma) from `start`."""
    inclusion = start
    for _ in range(SWEEPS):
        inclusion = factorised_step(inclusion, effect, curvature, slab_variance, dim, cost)
    return inclusion


def twins_exact(effect: float, curvature: float, slab_variance: float, costs: ArrayLike) -> FloatArray:
    """Exact inclusion probabilities (2,) of two equal columns."""
    x = curvature * slab_variance * np.arange(3)
    log_factor = curvature * effect**2 / 2 * x / (1 + x) - 0.5 * np.log1p(x)
    models = enumerate_models(lambda masks: log_factor[masks.sum(axis=1)] - masks @ np.asarray(costs), 2)
    return models.unit_survival()


def twins_structured(effect: float, curvature: float, slab_variance: float, costs: ArrayLike) -> FloatArray:
    """Inclusion probabilities (2,) of two equal columns by coordinate ascent of prod_u q(gamma_u) q(w_u | gamma_u)."""
    x = curvature * slab_variance
    inclusion, means = np.zeros(2), np.zeros(2)
    for _ in range(SWEEPS):
        for unit, cost in enumerate(np.asarray(costs)):
            means[unit] = x / (1 + x) * (effect - inclusion[1 - unit] * means[1 - unit])
            fit = means[unit] ** 2 / 2 * (curvature + 1 / slab_variance)
            inclusion[unit] = expit(-cost - 0.5 * np.log1p(x) + fit)
    return inclusion


def _negative_elbo(parameters: FloatArray, effect: float, curvature: float, dim: int, cost: float) -> float:
    """Minus the ELBO of q(w) q(gamma), slab variance 1, in the mean along the effect, log variance, logit inclusion."""
    mean, variance, inclusion = parameters[0], np.exp(parameters[1]), expit(parameters[2])
    fit = curvature * (effect * mean - 0.5 * (mean**2 + dim * variance))
    divergence = 0.5 * (mean**2 + dim * (variance - 1 - np.log(variance)))
    return float(divergence - inclusion * (fit - cost) - np.sum(entr([inclusion, 1 - inclusion])))


def checks() -> list[Check]:
    """The exact value by quadrature, the fixed point by maximising the ELBO, and the printed failures."""
    bump, _ = quad(lambda w: np.exp(-10 * (w - 0.6) ** 2 + 10 * 0.36 - w * w / 1.4) / (1.4 * np.pi) ** 0.5, -9, 9)
    optimum = minimize(_negative_elbo, np.array([0.5, -1.0, 0.0]), args=(0.9, 3.0, 2, 0.2), tol=1e-12)
    fixed_point = factorised_inclusion(0.9, 0.9, 3.0, 1.0, 2, 0.2)
    toy = 100.0, 1.0, 10, 2.0
    bound = np.exp(1 - 2 - 10 * 100 / 2)
    one_cost, two_costs = (1.0, 1.0), (1.0, 2.0)
    return [
        Check("P29", "exact inclusion", exact_inclusion(0.6, 20.0, 0.7, 1, 1.0), float(expit(-1 + np.log(bump))), 1e-9),
        Check("P29", "fixed point maximises the ELBO", fixed_point, float(expit(optimum.x[2])), 1e-5),
        Check("P29", "a=.5: exact, printed 0", exact_inclusion(0.5, *toy), 0.0, 5e-4),
        Check("P29", "a=.5: from .9, printed .996", factorised_inclusion(0.9, 0.5, *toy), 0.996, 5e-4),
        Check("P29", "a=1.5: exact, printed 1", exact_inclusion(1.5, *toy), 1.0, 5e-4),
        Check("P29", "a=1.5: from .01, printed 0", factorised_inclusion(0.01, 1.5, *toy), 0.0, 5e-4),
        Check("P29", "dead stays below the bound", float(factorised_inclusion(bound, 1.5, *toy) <= bound), 1.0, 0.0),
        Check("P29", "not always stable: from 0", factorised_inclusion(0.0, 20.0, 1.0, 0.1, 1, 0.0), 1.0, 1e-6),
        Check("P21", "twins: exact, printed .57", float(twins_exact(0.98, 220, 1, one_cost)[1]), 0.57, 5e-3),
        Check("P21", "twins: structured, printed 1.00", float(twins_structured(0.98, 220, 1, one_cost)[0]), 1.0, 5e-3),
        Check("P21", "twins: structured, printed .02", float(twins_structured(0.98, 220, 1, one_cost)[1]), 0.02, 5e-3),
        Check("P21", "costs 1, 2: exact, printed .753", float(twins_exact(0.98, 220, 1, two_costs)[0]), 0.753, 1e-3),
        Check("P21", "costs 1, 2: exact, printed .329", float(twins_exact(0.98, 220, 1, two_costs)[1]), 0.329, 1e-3),
        Check("P21", "costs 1, 2: printed .009", float(twins_structured(0.98, 220, 1, two_costs)[1]), 0.009, 5e-4),
    ]
