"""What a model costs, in nats, as a function of its widths."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ComplexityError

Widths = Mapping[str, Float[Tensor, "..."]]
WidthCost = Callable[[Widths], Float[Tensor, "..."]]
"""Widths {group: float64 tensor}, which broadcast, to the cost of each combination."""


class Complexity(ABC):
    """C(widths) in nats."""

    @abstractmethod
    def __call__(self, widths: Widths) -> Float[Tensor, "..."]:
        """The complexity at widths that broadcast, nats.

        Raises:
            ComplexityError: if it is not finite or of the wrong shape.
        """


@dataclass(frozen=True, eq=False)
class PairwiseComplexity(Complexity):
    """constant + sum_g own_g[K_g] + sum_{g, h} coupling_gh K_g K_h: what message passing can use.

    `own` holds a table (units + 1,) per group; `couplings` maps pairs of group names to nats per product of widths.
    """

    own: Mapping[str, Float[Tensor, "_"]]
    couplings: Mapping[tuple[str, str], float]
    constant: float

    def __call__(self, widths: Widths) -> Float[Tensor, "..."]:
        total = torch.tensor(self.constant, dtype=torch.float64)
        for name, table in self.own.items():
            total = total + table[widths[name].long()]
        for (first, second), coupling in self.couplings.items():
            total = total + coupling * widths[first] * widths[second]
        return total


@dataclass(frozen=True, eq=False)
class CustomComplexity(Complexity):
    """`beta` times a user's own function of the widths."""

    function: WidthCost
    beta: float

    def __call__(self, widths: Widths) -> Float[Tensor, "..."]:
        shape = torch.broadcast_shapes(*(width.shape for width in widths.values()))
        value = self.function(widths)
        if not isinstance(value, Tensor) or value.shape != shape:
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ComplexityError(
                f"the complexity returned {got} for widths that broadcast to {tuple(shape)}; return one number per "
                "combination, from tensor operations on the widths."
            )
        if not bool(torch.isfinite(value).all()):
            raise ComplexityError("the complexity is not finite for some widths; exclude widths by condition(min_width=...).")
        return self.beta * value.double()


def cost_complexity(architecture: Architecture, kind: str, beta: float) -> Complexity:
    """beta * parameters or beta * MACs of the sub-architecture, from the layers' extents: quadratic in the widths.

    A layer between two groups inside a block with a gate costs a product of three widths: no pairwise form is then possible,
    and the complexity is the cost as a function of the widths.
    """
    names = [group.name for group in architecture.groups]
    single = {group.name for group in architecture.groups if group.size == 1}
    constant = Fraction(0)
    linear = dict.fromkeys(names, Fraction(0))
    products: dict[tuple[str, str], Fraction] = {}
    for term in architecture.costs.terms:
        value = Fraction(term.parameters if kind == "parameters" else term.macs)
        expanded: dict[tuple[str, ...], Fraction] = {(): value}
        for extent in term.factors:
            parts = {(): extent.fixed, **{(name,): count for name, count in extent.per_unit.items()}}
            expanded = _multiplied(expanded, parts, single)
        for key, coefficient in expanded.items():
            if len(key) == 0:
                constant += coefficient
            elif len(key) == 1:
                linear[key[0]] += coefficient
            elif len(key) > 2:
                costs = architecture.costs
                return CustomComplexity(costs.parameters if kind == "parameters" else costs.macs, beta)
            else:
                products[key[0], key[1]] = products.get((key[0], key[1]), Fraction(0)) + coefficient
    own = {}
    for group in architecture.groups:
        k = torch.arange(group.size + 1, dtype=torch.float64)
        square = products.pop((group.name, group.name), Fraction(0))
        own[group.name] = beta * (float(linear[group.name]) * k + float(square) * k**2)
    couplings = {pair: beta * float(value) for pair, value in products.items() if value}
    return PairwiseComplexity(own, couplings, beta * float(constant))


def mdl_complexity(architecture: Architecture, beta: float) -> PairwiseComplexity:
    """beta times a two-part code length: the width in Rissanen's universal code, then which units, log binom(U, K), nats.

    At beta = 1 every width has prior probability proportional to exp(-log* K): corrected for multiplicity (P13).
    """
    own = {}
    for group in architecture.groups:
        k = torch.arange(group.size + 1, dtype=torch.float64)
        own[group.name] = beta * (universal_code_length(k) + log_binomial(group.size))
    return PairwiseComplexity(own, {}, 0.0)


def universal_code_length(k: Float[Tensor, "widths"]) -> Float[Tensor, "widths"]:
    """log* k = log2 k + log2 log2 k + ... over the positive terms, in nats, up to a constant [Rissanen1983]; 0 for k <= 1."""
    total = torch.zeros_like(k)
    term = k.clamp(min=1.0)
    while bool((term > 1).any()):
        term = term.clamp(min=1.0).log2()
        total = total + term.clamp(min=0.0)
    return total * torch.log(torch.tensor(2.0, dtype=torch.float64))


def log_binomial(units: int) -> Float[Tensor, "widths"]:
    """log binom(units, k) for k = 0..units."""
    k = torch.arange(units + 1, dtype=torch.float64)
    top = torch.lgamma(torch.tensor(units + 1.0, dtype=torch.float64))
    return top - torch.lgamma(k + 1) - torch.lgamma(units - k + 1)


def _multiplied(
    left: Mapping[tuple[str, ...], Fraction], right: Mapping[tuple[str, ...], int], single: Collection[str]
) -> dict[tuple[str, ...], Fraction]:
    """The product of two polynomials in widths; the width of a `single` unit is 0 or 1 and so its own square."""
    result: dict[tuple[str, ...], Fraction] = {}
    for a, x in left.items():
        for b, y in right.items():
            key = tuple(sorted((*a, *(name for name in b if name not in a or name not in single))))
            result[key] = result.get(key, Fraction(0)) + x * y
    return result
