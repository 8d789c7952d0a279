r"""P7. Overlapping groups: a weight that belongs to a row of one unit and to a column of another.

Let `cover[u, j]` say that weight $j$ belongs to group $G_u$, with rates $r_u\ge0$.

**Proposition (elementwise penalties).** $\sum_ug_u\sum_{j\in G_u}\omega(w_j)
=\sum_j\big(\sum_{u:j\in G_u}g_u\big)\omega(w_j)$: the prior still factorises, with the sum of the guidances as
rate.

**Proposition (norms).** $\phi(w)=\sum_ur_u\|w_{G_u}\|_2$ on $\mathbb R^D$ defines a proper density iff every
weight is covered by a positive rate. With independent $z_u\sim N(0,1)$ and $t_u=r_u^2/z_u^2$,
$$Z(r)=E\prod_{j=1}^D\sqrt{2\pi\Big/\textstyle\sum_{u:j\in G_u}t_u},\qquad Z(\lambda r)=\lambda^{-D}Z(r).$$

*Proof.* If $j$ is uncovered the integral over $w_j$ diverges; otherwise $\phi>0$ off $0$ and P1 applies, which is
also the scaling. For $Z$, apply $e^{-r\|x\|}=E\,e^{-t\|x\|^2/2}$ (P3) to each group: given $t$, $w$ is Gaussian
with independent coordinates of precision $\sum_{u:j\in G_u}t_u$. $\square$

$Z$ does not factorise over the groups, but one strength $\lambda$ can still be learned. $U$ normals are needed
however many weights there are.

**Proposition (bounds).** If every weight lies in exactly two groups and the groups have $d_u$ weights,
$$\prod_j\frac2{\sum_{u:j\in G_u}r_u}\ \le\ Z(r)\ \le\ \prod_u\big(C_{d_u}(2r_u)^{-d_u}\big)^{1/2}.$$

*Proof.* Below: $\|x\|_2\le\|x\|_1$, then the elementwise proposition. Above: Finner's inequality,
$\int\prod_uf_u(w_{G_u})dw\le\prod_u\|f_u\|_{L^2}$, with $f_u=e^{-r_u\|\cdot\|}$ and
$\int f_u^2=C_{d_u}(2r_u)^{-d_u}$ (for rows and columns it is Cauchy-Schwarz between the two partitions).
$\square$

So the norm of one group is *not* Gamma$(d_u,r_u)$: in the 2x3 example of the checks $E\|\mathrm{row}_0\|=1.58$
where the group alone would have $d/r=4.29$. Either give each weight one owner, or put a gate on each unit.
"""

import numpy as np
from scipy.integrate import dblquad
from scipy.special import logsumexp

from theory.arrays import BoolArray, FloatArray
from theory.checks import Check
from theory.densities import group_laplace_log_normalizer, sample_by_norm
from theory.monte_carlo import against_mean


def elementwise_rates(cover: BoolArray, rates: FloatArray) -> FloatArray:
    """Rate of each weight (D,) under an elementwise penalty: the sum over the groups (U, D) that contain it."""
    return rates @ cover


def penalty(weights: FloatArray, cover: BoolArray, rates: FloatArray) -> FloatArray:
    """sum_u r_u ||w_{G_u}|| of each row of weights (..., D)."""
    return np.sqrt((weights**2) @ cover.T) @ rates


def log_normalizer_draws(cover: BoolArray, rates: FloatArray, draws: int, rng: np.random.Generator) -> FloatArray:
    """log of independent unbiased estimates (draws,) of Z."""
    precision = (rates / rng.standard_normal((draws, len(rates)))) ** 2 @ cover
    return 0.5 * np.log(2 * np.pi / precision).sum(axis=1)


def log_normalizer(cover: BoolArray, rates: FloatArray, draws: int, rng: np.random.Generator) -> tuple[float, float]:
    """(log Z, its standard error) in nats.

    Raises: ValueError: if a weight is covered by no positive rate (the density is improper).
    """
    if not np.all(elementwise_rates(cover, rates) > 0):
        raise ValueError("every weight needs a group with a positive rate")
    logs = log_normalizer_draws(cover, rates, draws, rng)
    value = logsumexp(logs) - np.log(draws)
    return float(value), float(np.exp(logs - value).std() / draws**0.5)


def log_normalizer_bounds(cover: BoolArray, rates: FloatArray) -> tuple[float, float]:
    """(lower, upper) bound of log Z in nats when each weight lies in exactly two groups.

    Raises: ValueError: if some weight does not.
    """
    if not np.all(cover.sum(axis=0) == 2):
        raise ValueError("the bounds need every weight in exactly two groups")
    lower = np.log(2 / elementwise_rates(cover, rates)).sum()
    sizes = cover.sum(axis=1)
    upper = sum(
        0.5 * float(group_laplace_log_normalizer(2 * rate, int(size))) for rate, size in zip(rates, sizes, strict=True)
    )
    return float(lower), upper


def grid_cover(rows: int, columns: int) -> BoolArray:
    """Cover (rows + columns, rows * columns) of a matrix by its rows, then its columns."""
    index = np.arange(rows * columns)
    by_row = index // columns == np.arange(rows)[:, None]
    by_column = index % columns == np.arange(columns)[:, None]
    return np.concatenate([by_row, by_column])


ROW_RATES = np.array([0.7, 1.5])
COLUMN_RATES = np.array([0.5, 1.0, 2.0])


def _plane_check() -> Check:
    """Groups {0, 1} and {1} in the plane, by cubature."""
    cover, rates = np.array([[True, True], [False, True]]), np.array([1.0, 0.5])
    mass = dblquad(lambda y, x: np.exp(-np.hypot(x, y) - 0.5 * y), 0, 60, 0, 60, epsabs=1e-11)[0]
    draws = np.exp(log_normalizer_draws(cover, rates, 200_000, np.random.default_rng(10)))
    return against_mean("P7", "Z of two overlapping groups, D=2", 4 * mass, draws)


def _rejection(rng: np.random.Generator, proposals: int) -> tuple[FloatArray, FloatArray]:
    """Draws of the 2x3 density, and the acceptance weights of all proposals: rows alone, thinned by the columns."""
    rows = [sample_by_norm(rate, 3, 1.0, proposals, rng) for rate in ROW_RATES]
    weights = np.concatenate(rows, axis=1)
    acceptance = np.exp(-penalty(weights, grid_cover(2, 3)[2:], COLUMN_RATES))
    return weights[rng.random(proposals) < acceptance], acceptance


def _grid_checks() -> list[Check]:
    """The 2x3 example of the notes, by rejection from the prior of the rows alone."""
    cover, rates = grid_cover(2, 3), np.concatenate([ROW_RATES, COLUMN_RATES])
    draws, acceptance = _rejection(np.random.default_rng(11), 1_000_000)
    log_rows = float(sum(group_laplace_log_normalizer(rate, 3) for rate in ROW_RATES))
    value, error = log_normalizer(cover, rates, 400_000, np.random.default_rng(12))
    reference = log_rows + np.log(acceptance.mean())
    relative_error = acceptance.std() / acceptance.mean() / len(acceptance) ** 0.5
    lower, upper = log_normalizer_bounds(cover, rates)
    row_norm = np.linalg.norm(draws[:, :3], axis=1)
    return [
        Check("P7", "log Z, 2x3 rows and columns", value, reference, 4 * float(np.hypot(error, relative_error))),
        Check("P7", "log Z as printed (direct)", value, 1.2994, 4 * error + 5e-3),
        Check("P7", "lower <= log Z <= upper", float(np.clip(value, lower, upper)), value, 0.0),
        Check("P7", "lower bound as printed", lower, -0.41, 5e-3),
        Check("P7", "upper bound as printed", upper, 1.75, 5e-3),
        Check("P7", "rows alone, as printed", log_rows, 6.30, 5e-3),
        against_mean("P7", "E penalty = D", 6.0, penalty(draws, cover, rates)),
        against_mean("P7", "E||row 0|| as printed, not d/r = 4.29", 1.58, row_norm),
    ]


def _exact_checks() -> list[Check]:
    rng = np.random.default_rng(13)
    cover, rates = grid_cover(2, 3), np.concatenate([ROW_RATES, COLUMN_RATES])
    weights = rng.standard_normal(6)
    by_group = sum(rate * np.abs(weights[group]).sum() for rate, group in zip(rates, cover, strict=True))
    by_weight = float(elementwise_rates(cover, rates) @ np.abs(weights))
    base = log_normalizer(cover, rates, 1000, np.random.default_rng(14))[0]
    scaled = log_normalizer(cover, 3 * rates, 1000, np.random.default_rng(14))[0]
    repeats = np.array([log_normalizer(cover, rates, 4000, rng) for _ in range(100)])
    spread = float(repeats[:, 0].std(ddof=1))
    return [
        Check("P7", "L1: rates add up per weight", by_weight, float(by_group), 1e-12),
        Check("P7", "reported standard error of log Z", float(repeats[:, 1].mean()), spread, 4 * spread / 198**0.5),
        Check("P7", "log Z(3r) = log Z(r) - D log 3", scaled, base - 6 * np.log(3.0), 1e-10),
    ]


def checks() -> list[Check]:
    """Cubature in the plane and rejection sampling of the 2x3 example."""
    return [_plane_check(), *_grid_checks(), *_exact_checks()]
