"""Laws of a number of units: geometric, Poisson, negative binomial, uniform, or a table of probabilities.

A law that is a function of the group's size is cut to minimum..size and renormalised; its stated mean is the mean before
the cut.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.exceptions import WidthLawError
from bayes_guided.priors.models.guided_units import GuidedUnits

WidthLaw = Callable[[int], Float[Tensor, "widths"]]
"""Size U to log weights of 0, ..., U units (shape (U + 1,), -inf where impossible); they need not be normalised."""

SUM_TOLERANCE = 1e-6  # a float32 table of a few thousand probabilities sums to 1 no better than this


def geometric(mean: float, *, minimum: int = 1) -> WidthLaw:
    """Log weights k log(mean / (1 + mean)): each further unit costs the same."""
    _require_positive("geometric", "mean", mean)
    return lambda size: _cut(_counts(size) * _log(mean / (1 + mean)), minimum)


def poisson(mean: float, *, minimum: int = 1) -> WidthLaw:
    """Log weights k log(mean) - log k!."""
    _require_positive("poisson", "mean", mean)
    return lambda size: _cut(_counts(size) * _log(mean) - torch.lgamma(_counts(size) + 1), minimum)


def negative_binomial(mean: float, dispersion: float, *, minimum: int = 1) -> WidthLaw:
    """Log weights of the negative binomial with variance mean + mean^2 / dispersion; geometric at dispersion 1."""
    _require_positive("negative_binomial", "mean", mean)
    _require_positive("negative_binomial", "dispersion", dispersion)

    def law(size: int) -> Float[Tensor, "widths"]:
        k = _counts(size)
        coefficients = torch.lgamma(k + dispersion) - torch.lgamma(k + 1)
        return _cut(coefficients + k * _log(mean / (mean + dispersion)), minimum)

    return law


def uniform(*, minimum: int = 1) -> WidthLaw:
    """Every width from the minimum on equally probable."""
    return lambda size: _cut(torch.zeros(size + 1, dtype=torch.float64), minimum)


@dataclass(frozen=True, eq=False)
class Table:
    """Probabilities of 0, 1, ..., U units, any float dtype, as a law for groups of U units.

    Raises:
        WidthLawError: if one is negative or not finite, they do not sum to 1 within 1e-6, or (when the law meets a group)
            there are not U + 1 of them.
    """

    probabilities: Float[Tensor, "widths"]

    def __post_init__(self) -> None:
        values = self.probabilities.detach().cpu().double()
        if not bool((torch.isfinite(values) & (values >= 0)).all()):
            raise WidthLawError("a width law holds a negative or non-finite probability.")
        if abs(float(values.sum()) - 1) > SUM_TOLERANCE:
            raise WidthLawError(f"a width law sums to {float(values.sum()):.6g}; divide it by its sum.")
        object.__setattr__(self, "probabilities", values)

    def __call__(self, size: int) -> Float[Tensor, "widths"]:
        return _of_length(self.probabilities.log(), size)


def log_laws(units: GuidedUnits, laws: WidthLaw | Mapping[str, WidthLaw | Tensor]) -> dict[str, Float[Tensor, "_"]]:
    """Normalised log laws of every group's width, 0..U, from one law for all groups or one for each.

    Laws that are functions of the size are cut to at least the group's protected units.

    Raises:
        WidthLawError: if a group has no law, its weights have the wrong length or hold NaN or +inf, no width is possible,
            or a table gives probability to widths below the protected units.
    """
    result = {}
    for group in units.architecture.groups:
        where = f"group '{group.name}'"
        result[group.name] = log_law(law_of_group(laws, group.name), group.size, units.num_protected(group.name), where)
    return result


def checked_log_laws(units: GuidedUnits, weights: Mapping[str, Float[Tensor, "_"]]) -> dict[str, Float[Tensor, "_"]]:
    """Log weights of every group's width, checked, cut to at least the protected units, and normalised.

    Raises:
        WidthLawError: if the groups are not those of the architecture, or as `normalised`.
    """
    if set(weights) != set(units.names):
        raise WidthLawError(f"width laws were given for groups {sorted(weights)}, not {sorted(units.names)}.")
    result = {}
    for group in units.architecture.groups:
        given = weights[group.name].detach().cpu().double()
        result[group.name] = normalised(given, group.size, units.num_protected(group.name), f"group '{group.name}'")
    return result


def conditioned_laws(
    units: GuidedUnits, laws: Mapping[str, Float[Tensor, "_"]], minimums: Mapping[str, int]
) -> dict[str, Float[Tensor, "_"]]:
    """Log laws of every group's width, 0..U, given that at least so many of its guided units are present.

    Raises:
        WidthLawError: if no width is left.
    """
    return {
        name: normalised(law, len(law) - 1, minimums[name] + units.num_protected(name), f"group '{name}'")
        for name, law in laws.items()
    }


def log_law(law: WidthLaw, size: int, minimum: int, where: str) -> Float[Tensor, "widths"]:
    """The normalised log law of widths 0..size, cut to at least `minimum` units; `where` names the group in errors.

    Raises:
        WidthLawError: as `log_laws`.
    """
    try:
        weights = law(size).detach().cpu().double()
    except WidthLawError as error:
        raise WidthLawError(f"{where}: {error}") from error
    if isinstance(law, Table) and float(weights[:minimum].exp().sum()) > SUM_TOLERANCE:
        raise WidthLawError(
            f"{where}: the law gives probability to fewer than the {minimum} units that are protected (guidance 0) and "
            "present in every model; set these entries to 0 and rescale."
        )
    return normalised(weights, size, minimum, where)


def normalised(weights: Float[Tensor, "widths"], size: int, minimum: int, where: str) -> Float[Tensor, "widths"]:
    """Log weights over 0..size, cut to at least `minimum` and normalised.

    Raises:
        WidthLawError: as `log_law`.
    """
    weights = _of_length(weights, size, where)
    if bool((torch.isnan(weights) | (weights == torch.inf)).any()):
        raise WidthLawError(f"{where}: the log law of widths holds NaN or +inf.")
    weights = _cut(weights, minimum)
    total = torch.logsumexp(weights, 0)
    if not bool(torch.isfinite(total)):
        raise WidthLawError(
            f"{where}: no width from {minimum} to {size} has positive probability; widen the law or lower the minimum."
        )
    return weights - total


def law_of_group(laws: WidthLaw | Mapping[str, WidthLaw | Tensor], group: str) -> WidthLaw:
    """The law of one group from one law for all, or from a mapping that may hold tensors of probabilities.

    Raises:
        WidthLawError: if the mapping has no entry for the group, or a tensor is no table of probabilities.
    """
    if not isinstance(laws, Mapping):
        return laws
    if group not in laws:
        raise WidthLawError(f"there is no width law for group '{group}'; give one for every group.")
    given = laws[group]
    if not isinstance(given, Tensor):
        return given
    try:
        return Table(given)
    except WidthLawError as error:
        raise WidthLawError(f"group '{group}': {error}") from error


def _counts(size: int) -> Float[Tensor, "widths"]:
    return torch.arange(size + 1, dtype=torch.float64)


def _cut(weights: Float[Tensor, "widths"], minimum: int) -> Float[Tensor, "widths"]:
    return torch.where(torch.arange(len(weights)) >= minimum, weights, -torch.inf)


def _log(value: float) -> float:
    return float(torch.tensor(value, dtype=torch.float64).log())


def _of_length(weights: Float[Tensor, "widths"], size: int, where: str = "a width law") -> Float[Tensor, "widths"]:
    if weights.shape != (size + 1,):
        raise WidthLawError(
            f"{where}: the law has shape {tuple(weights.shape)}; a group of {size} units needs ({size + 1},), for 0 to "
            f"{size} units."
        )
    return weights


def _require_positive(law: str, name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise WidthLawError(f"{law}({name}={value}): it must be positive and finite.")
