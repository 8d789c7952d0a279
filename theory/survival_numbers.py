r"""P17 and P20. Four survival numbers of one unit, what each estimates, and that they disagree.

**Proposition 1 (margin).** Let $J=L+\sum_ur_u\lVert w_u\rVert$ be strictly convex, $\hat w^{-u}$ its minimiser
with unit $u$ removed, and $r_u^{\rm crit}=\lVert\nabla_uL(\hat w^{-u})\rVert$. Then $\hat w_u=0$ iff
$r_u\ge r_u^{\rm crit}$: $r_u^{\rm crit}/r_u$ is a margin of the MAP's decision, without any probability.
*Proof.* At $(\hat w^{-u},0)$ the conditions of the other units hold, and that of unit $u$ is
$\lVert\nabla_uL\rVert\le r_u$; the minimiser is unique. $\square$

**Proposition 2 (bootstrap).** In an orthogonal design with true effect $a\in\mathbb R^d$ and curvature $h$, over
repetitions of the data $P(\hat w_u\ne0)=P\big(\chi'^2_d(h\lVert a\rVert^2)>r^2/h\big)$. *Proof.* The estimate is
$N(a,h^{-1}I)$ and the MAP is not zero iff its norm exceeds $r/h$. $\square$ This is a property of repetitions,
not a posterior probability. The frequency over $n$ optimiser seeds measures optimiser noise only; of $k$
survivals report $\mathrm{Beta}(\frac12+k,\frac12+n-k)$.

**Proposition 3 (hard concrete gate).** $s=\sigma\big((\mathrm{logit}\,v+\log\alpha)/\beta\big)$, $v$ uniform,
stretched to $(\gamma,\zeta)$ with $\gamma<0<1<\zeta$ and clipped, is positive with probability
$\sigma(\log\alpha-\beta\log(-\gamma/\zeta))$. *Proof.* Positive iff $s>-\gamma/(\zeta-\gamma)$, whose logit is
$\log(-\gamma/\zeta)$, and $P(\mathrm{logit}\,v>t)=\sigma(-t)$. $\square$

**Proposition 4 (Rao-Blackwell).** In MCMC over $(m,\text{rest})$ the mean of $P(m_u=1\mid\text{rest},D)$ is
unbiased for the posterior inclusion probability and, for independent draws, has no more variance than the mean of
$m_u$. *Proof.* A conditional expectation; $\mathrm{Var}E[m\mid\cdot]\le\mathrm{Var}\,m$. $\square$

**P20, the disagreement.** One orthogonal group Laplace unit, $d=5$, $h=100$, $r=12$, prior odds $1$, $\tau=0.05$;
all numbers of the notes are reproduced, the exact posterior by the radial integral of `orthogonal_unit`:

| $\lVert a\rVert$ | MAP norm | bootstrap $P(\hat w\ne0)$ | $P(\lVert w\rVert>\tau\mid D)$ (prior) | inclusion |
|---|---|---|---|---|
| 0.1 | 0 | .946 | .993 (.9996) | .053 |
| 0.2 | .08 | .984 | .997 (.9996) | .127 |

The MAP keeps from $\lVert a\rVert>r/h=.12$ on; the evidence is in favour of the unit only from $.31$ on.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import beta as beta_function
from scipy.special import expit, gammaincc
from scipy.stats import beta as beta_law
from scipy.stats import ncx2

from theory.arrays import FloatArray
from theory.checks import Check
from theory.group_lasso import solve
from theory.monte_carlo import against_mean
from theory.orthogonal_unit import log_bayes_factor, map_norm, posterior_survival


def critical_rate(gram: FloatArray, linear: FloatArray, rates: FloatArray, dim: int, unit: int) -> float:
    """Smallest rate of `unit` at which the guided group lasso removes it, the other rates (U,) unchanged."""
    removed = np.repeat(np.arange(len(rates)) == unit, dim)
    others = solve(gram[np.ix_(~removed, ~removed)], linear[~removed], np.delete(rates, unit), dim)
    return float(np.linalg.norm(gram[np.ix_(removed, ~removed)] @ others.ravel() - linear[removed]))


def bootstrap_survival(effect: float, curvature: float, rate: float, dim: int) -> float:
    """P(MAP row is not zero) over repetitions of the data; `effect` is the norm of the true row."""
    return float(ncx2.sf(rate**2 / curvature, dim, curvature * effect**2))


def jeffreys_interval(survivals: int, runs: int, level: float) -> tuple[float, float]:
    """Central interval of Beta(1/2 + survivals, 1/2 + runs - survivals)."""
    law = beta_law(0.5 + survivals, 0.5 + runs - survivals)
    return float(law.ppf((1 - level) / 2)), float(law.ppf((1 + level) / 2))


def hard_concrete_survival(log_alpha: float, temperature: float, low: float, high: float) -> float:
    """P(gate > 0) of a hard concrete gate stretched to (low, high), low < 0 < 1 < high."""
    return float(expit(log_alpha - temperature * np.log(-low / high)))


def inclusion_probability(effect: float, curvature: float, rate: float, dim: int, prior_log_odds: float) -> float:
    """Posterior P(m = 1 | D) of one orthogonal unit; `effect` is the norm of the least-squares row."""
    return float(expit(prior_log_odds + log_bayes_factor(effect, curvature, rate, dim)))


def evidence_threshold(curvature: float, rate: float, dim: int) -> float:
    """The effect above which the evidence is in favour of the unit."""
    high = 2 * rate / curvature + 20 * (dim / curvature) ** 0.5
    return float(np.asarray(brentq(lambda effect: log_bayes_factor(effect, curvature, rate, dim), 1e-3 * high, high)))


def checks() -> list[Check]:
    """The margin by solving again, the frequencies by simulation, and the table of P20."""
    return [*_margin_checks(), *_frequency_checks(), *_disagreement_checks()]


def _margin_checks() -> list[Check]:
    rng = np.random.default_rng(17)
    design = rng.normal(size=(50, 12)) + 0.5 * rng.normal(size=(50, 1))
    gram, rates = np.asarray(design.T @ design), np.full(4, 6.0)
    linear = design.T @ (design @ np.repeat([0.5, 0.0, 0.2, 0.0], 3) + rng.normal(size=50))
    critical = critical_rate(gram, linear, rates, 3, 2)
    below, above = (solve(gram, linear, np.where(np.arange(4) == 2, f * critical, rates), 3)[2] for f in (0.999, 1.001))
    return [
        Check("P17", "alive at 0.999 r_crit", float(np.linalg.norm(below) > 0), 1.0, 0.0),
        Check("P17", "norm at 1.001 r_crit", float(np.linalg.norm(above)), 0.0, 0.0),
    ]


def _frequency_checks() -> list[Check]:
    rng = np.random.default_rng(18)
    estimates = 0.1 * rng.normal(size=(400_000, 5)) + np.array([0.2, 0, 0, 0, 0])
    kept = np.linalg.norm(estimates, axis=1) > 0.12
    uniform = rng.random(400_000)
    stretched = expit((np.log(uniform / (1 - uniform)) - 0.4) / (2 / 3)) * 1.2 - 0.1
    low, high = jeffreys_interval(3, 10, 0.9)
    grid = np.linspace(low, high, 200_001)
    density = grid**2.5 * (1 - grid) ** 6.5 / beta_function(3.5, 7.5)
    return [
        against_mean("P17", "bootstrap MAP survives", bootstrap_survival(0.2, 100.0, 12.0, 5), kept),
        Check("P17", "bootstrap, printed .98419", bootstrap_survival(0.2, 100.0, 12.0, 5), 0.98419, 5.1e-6),
        against_mean("P17", "hard concrete", hard_concrete_survival(-0.4, 2 / 3, -0.1, 1.1), stretched > 0),
        Check("P17", "mass of the Jeffreys interval", float(np.trapezoid(density, grid)), 0.9, 1e-9),
    ]


def _disagreement_checks() -> list[Check]:
    unit = 100.0, 12.0, 5
    return [
        Check("P20", "a=.1: MAP, printed 0", map_norm(0.1, 100.0, 12.0), 0.0, 0.0),
        Check("P20", "a=.1: bootstrap, printed .946", bootstrap_survival(0.1, *unit), 0.946, 5e-4),
        Check("P20", "a=.1: P(>.05|D), printed .993", posterior_survival(0.05, 0.1, *unit), 0.993, 5e-4),
        Check("P20", "prior P(>.05), printed .9996", float(gammaincc(5, 0.6)), 0.9996, 5e-5),
        Check("P20", "a=.1: inclusion, printed .053", inclusion_probability(0.1, *unit, 0.0), 0.053, 5e-4),
        Check("P20", "a=.2: MAP, printed .08", map_norm(0.2, 100.0, 12.0), 0.08, 1e-12),
        Check("P20", "a=.2: inclusion, printed .127", inclusion_probability(0.2, *unit, 0.0), 0.127, 5e-4),
        Check("P20", "evidence threshold, printed .31", evidence_threshold(*unit), 0.31, 5e-3),
    ]
