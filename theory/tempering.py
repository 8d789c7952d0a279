r"""P27. Tempering: one MAP, every survival probability.

**Proposition.** Let $p_T(w\mid D)\propto e^{-J(w)/T}$ be the posterior at temperature $T$.
1. Every $p_T$ has the MAP of $J$, and $p_T$ is the posterior of the problem with $L/T$ and rates $r_u/T$.
2. If $J$ is continuous, grows at least linearly and has one minimiser $\hat w$, $p_T\to\delta_{\hat w}$ as
   $T\to0$: survival $P_T(\lVert w_u\rVert>\tau)\to1[\lVert\hat w_u\rVert>\tau]$ (for
   $\lVert\hat w_u\rVert\ne\tau$).
3. For one unit, if $J(w)\le A+B\lVert w\rVert^2$, then $P_T(\lVert w\rVert>\tau)\to1$ as $T\to\infty$ for every
   $\tau$.
4. Training on *mean* NLL plus a penalty and reading $e^{-\text{loss}}$ as a posterior is $T=N$ for the objective
   with $N\times$ the penalty: the MAP is right and the spread is $N$ times too wide.

*Proof.* (1) $J/T$. (2) For open $A\ni\hat w$, $\inf_{A^c}J>J(\hat w)$, and Laplace's principle; integrability
from the growth. (3) The ball's mass is at most its volume times $e^{-\min J/T}$, bounded, while the total is at
least $e^{-A/T}(\pi T/B)^{d/2}\to\infty$. (4) loss $=J/N$. $\square$

For $d=1$, $L=\frac h2(w-a)^2$, the tempered survival is a ratio of normal tails (completing the square on each
side of $0$), the independent number of the check. *Reproduced:* survival $.038,.522,.951,.9997$ at
$T=.01,.1,1,10$, for the unit of P20 with $\lVert a\rVert=0.2$ and $\tau=0.1$ (found by matching).
"""

import numpy as np
from scipy.integrate import quad
from scipy.stats import norm

from theory.checks import Check
from theory.orthogonal_unit import posterior_survival


def tempered_survival(temperature: float, threshold: float, effect: float, curvature: float, rate: float, dim: int) -> float:
    """P_T(||w|| > threshold | D) of one orthogonal unit with a group Laplace slab."""
    return posterior_survival(threshold, effect, curvature / temperature, rate / temperature, dim)


def scalar_survival(temperature: float, threshold: float, effect: float, curvature: float, rate: float) -> float:
    """The same for a single weight, from normal tails."""
    scale = (temperature / curvature) ** 0.5
    centres = effect - rate / curvature, -effect - rate / curvature
    log_weights = np.array([curvature * centre**2 / (2 * temperature) for centre in centres])
    weights = np.exp(log_weights - log_weights.max())
    tails = (weights @ [norm.sf(limit, centre, scale) for centre in centres] for limit in (threshold, 0.0))
    above, total = tails
    return float(above / total)


def checks() -> list[Check]:
    """One weight in closed form, the two limits, and the printed survivals."""
    printed = zip((0.01, 0.1, 1.0, 10.0), (0.038, 0.522, 0.951, 0.9997), (5e-4, 5e-4, 5e-4, 5e-5), strict=True)
    inside, outside = (quad(_mean_loss_density, *ends)[0] for ends in ((0.0, 0.1), (0.1, 60.0)))
    return [
        *(
            Check("P27", f"d=1, T={t:g}", tempered_survival(t, 0.1, 0.2, 100.0, 12.0, 1), _closed(t), 1e-10)
            for t in (0.05, 1.0, 20.0)
        ),
        *(
            Check("P27", f"T={t:g}, printed", tempered_survival(t, 0.1, 0.2, 100.0, 12.0, 5), value, digit)
            for t, value, digit in printed
        ),
        Check("P27", "T=1e-5 -> 1[MAP norm .08 > .07]", tempered_survival(1e-5, 0.07, 0.2, 100, 12, 5), 1.0, 1e-6),
        Check("P27", "mean loss is T=N=1000", outside / (inside + outside), _closed(1000.0), 1e-9),
    ]


def _closed(temperature: float) -> float:
    return scalar_survival(temperature, 0.1, 0.2, 100.0, 12.0)


def _mean_loss_density(size: float) -> float:
    """exp(-loss) at +size plus at -size, for the mean of 1000 terms of the scalar problem and its penalty."""
    losses = ((100.0 / 2 * (w - 0.2) ** 2 + 12.0 * abs(w)) / 1000 for w in (size, -size))
    return float(sum(np.exp(-loss) for loss in losses))
