"""Exchange of units between places: exact ascent of the bound along the symmetries of a network.

Hidden units of a layer can change places, with the weights that read them, and the likelihood does not notice (P26); only
prior and slab know a unit's place. Gradients cannot follow such a symmetry: a unit that does a job at a dear place and one
that does nothing at a cheap place are apart by a barrier, the job done twice. So which places the units at work have would be
an accident of the start, at any price. The best order, given q, is an assignment of units to places.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from bayes_guided.architecture import UnitGroup
from bayes_guided.architecture.exchange import exchange_statistics, exchanged_parameters, is_exchangeable
from bayes_guided.guides.base import Weights
from bayes_guided.guides.inclusion import GatedInclusion
from bayes_guided.guides.inclusion_prior import ExpectedLogPrior, SummedLogPrior
from bayes_guided.guides.spike_and_slab import SpikeAndSlabGuide

_LEAST_GAIN = 1e-6
"""Nats: orders that differ by less count as equal."""


class Exchanges:
    """Puts the units of every group whose units are exchangeable in the order of least divergence from the prior.

    The models' part is known where log p(m) has a price for each place (independent, tilted and shared-budget priors); under
    other priors, units are ordered by their slabs alone.
    """

    def __init__(self, network: nn.Module, guide: SpikeAndSlabGuide, log_prior: ExpectedLogPrior) -> None:
        """Finds out which groups can be ordered, and whose order matters."""
        self.network, self.guide = network, guide
        self.architecture = guide.prior.architecture
        self._weights = log_prior.weights if isinstance(log_prior, SummedLogPrior) else None
        self.groups = [
            group
            for group in self.architecture.groups
            if (self._weights is not None or self._has_places(group.name))
            and is_exchangeable(network, self.architecture, group)
            and self._leaves_frozen(group)
        ]

    @torch.no_grad()
    def __call__(self, optimizer: torch.optim.Optimizer) -> None:
        """Moves the units, their odds, the optimiser's state of both, and the network's running statistics."""
        for group in self.groups:
            order = self.best_order(group)
            if order is not None:
                self._move(group, order, optimizer)

    def best_order(self, group: UnitGroup) -> Int[Tensor, "units"] | None:
        """Which unit each place should have; None if none is better than the present order."""
        index = self.guide.inclusion.guided.index[group.name]
        prices = self.prices(group).cpu().numpy()
        units, places = linear_sum_assignment(prices)
        if prices[units, places].sum() > np.trace(prices) - _LEAST_GAIN:
            return None
        order = torch.arange(group.size)
        order[index[torch.from_numpy(places)]] = index[torch.from_numpy(units)]
        return order

    def prices(self, group: UnitGroup) -> Float[Tensor, "units places"]:
        """What each of the group's unprotected units would add to the divergence in each place, nats."""
        inclusion, name = self.guide.inclusion, group.name
        place, index = inclusion.places[name], inclusion.guided.index[name]
        survival = inclusion.survival()[name].detach()[index.to(inclusion.device)]
        price = torch.zeros(len(index), len(index), dtype=torch.float64, device=survival.device)
        if self._weights is not None:
            price = price - self._weights[place.block][place.start : place.stop].to(price)
        if self._has_places(name):
            price = price + self.guide.place_divergences(name, self.guide.rsample(1))[index][:, index].to(price)
        return survival.unsqueeze(1) * price

    def _has_places(self, name: str) -> bool:
        """Whether the slab knows the places of a group apart."""
        guidance = self.guide.prior.slab_prior.coefficients[name]
        return not bool((guidance == guidance[0]).all())

    def _leaves_frozen(self, group: UnitGroup) -> bool:
        """Whether frozen weights would be as they are with all units one place further."""
        source, rest = self._source(group, torch.arange(group.size).roll(1)), self.guide.slab.means.rest.detach()
        first = len(source) - len(rest)
        return torch.equal(rest[~self.guide.free], rest[source[first:] - first][~self.guide.free])

    def _source(self, group: UnitGroup, order: Int[Tensor, "units"]) -> Int[Tensor, "weights"]:
        """From where in the flat weights each weight comes."""
        means = self.guide.slab.means
        sizes = [part.numel() for part in (*means.rows.values(), means.rest)]
        parts = torch.arange(self.guide.slab.count, dtype=torch.float64).split(sizes)
        rows = {name: part.reshape(row.shape) for (name, row), part in zip(means.rows.items(), parts[:-1], strict=True)}
        named = self.architecture.parameters(rows, parts[-1])
        moved = exchanged_parameters(self.network, self.architecture, group, order, named)
        found = Weights(self.architecture.rows(moved), self.architecture.rest_vector(moved))
        return found.flat().long().to(means.rest.device)

    def _move(self, group: UnitGroup, order: Int[Tensor, "units"], optimizer: torch.optim.Optimizer) -> None:
        guide, source = self.guide, self._source(group, order)
        for parameters in (list(guide.slab._means), list(guide.slab._log_sds)):
            _gather(parameters, source)
            for kind in ("exp_avg", "exp_avg_sq"):
                _gather([optimizer.state[p][kind] for p in parameters] if optimizer.state else [], source)
        place, index = guide.inclusion.places[group.name], guide.inclusion.guided.index[group.name]
        law = guide.inclusion.blocks()[place.block]
        assert isinstance(law, GatedInclusion)
        # The order of the unprotected units among themselves.
        among = torch.searchsorted(index, order[index]).to(law.logits.device)
        for values in (law.logits, *(v for k, v in optimizer.state[law.logits].items() if k != "step")):
            values[place.start : place.stop] = values[place.start : place.stop][among].clone()
        exchange_statistics(self.network, group, order)


def _gather(parts: list[Tensor], source: Int[Tensor, "weights"]) -> None:
    """Flat weights in another order, part by part, in place; nothing where there are no parts."""
    if not parts:
        return
    moved = torch.cat([part.flatten() for part in parts])[source]
    for part, values in zip(parts, moved.split([part.numel() for part in parts]), strict=True):
        part.copy_(values.reshape(part.shape))
