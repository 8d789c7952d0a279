"""Moves between models of a chain over models and weights: each leaves the posterior as it is.

The chain's state is a model m and rows w of all units, present or absent, with the joint density

    p(m) * prod_{present} slab(w_u) * prod_{absent} pseudo(w_u) * p(other weights) * p(D | m, w, other weights),

whose marginal over m and the rows of present units is the posterior, whatever the proper pseudo-priors are. Three moves:

- Heat bath over a few models that differ in one group, the weights held: one of them is drawn with its conditional
  probability. Candidates are the two states of a unit; or all widths of a group, under a prior over widths; or a present and
  an absent unit against each other (a symmetric choice of the pair, so that the move is reversible).
- Exchange of a present with an absent unit, which take each other's rows: an involution that keeps volumes, accepted by
  Metropolis' rule. Units that do the same (twins) change places by it at once.
- The rows of absent units are drawn anew from the pseudo-priors, which is their exact conditional law.

The conditional probabilities of presence that the heat bath computes are what inclusion probabilities are averaged from (P17).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bayes_guided.infer.mcmc.potential import Posterior
from bayes_guided.infer.mcmc.pseudo_prior import RowGaussians
from bayes_guided.priors import NestedWidth, SpikeAndSlabPrior


@dataclass
class ModelState:
    """Where a chain is: the whole vector, rows of absent units included, the model, and the log likelihood of the two."""

    vector: Float[Tensor, "weights"]
    masks: dict[str, Bool[Tensor, "_"]]
    log_likelihood: Float[Tensor, ""]


class ModelMoves:
    """The moves on the model of one chain; random numbers come from torch's generator."""

    def __init__(self, posterior: Posterior, prior: SpikeAndSlabPrior, pseudo: Mapping[str, RowGaussians]) -> None:
        """`posterior` is that of the slab on all rows."""
        self.posterior, self.prior, self.pseudo = posterior, prior, pseudo
        self._removable = prior.models.units.index

    def log_joint(self, vector: Float[Tensor, "weights"], masks: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        """The log joint density above, but for log p(m): what the weights move under while the model stays."""
        rows, terms = self.posterior.space.rows(vector), self.posterior.terms(vector, masks)
        pseudo = {name: self.pseudo[name].log_prob(row) for name, row in rows.items()}
        parts = [torch.where(masks[name], slab, pseudo[name]).sum() for name, slab in terms.rows.items()]
        return torch.stack([*parts, terms.others, terms.likelihood]).sum()

    def state(self, vector: Float[Tensor, "weights"], masks: Mapping[str, Tensor]) -> ModelState:
        """The state at a vector and a model."""
        return ModelState(vector, dict(masks), self._log_likelihood(vector, masks))

    @torch.no_grad()
    def refresh(self, state: ModelState) -> None:
        """Draws the rows of absent units from the pseudo-priors."""
        state.vector = state.vector.clone()
        for name, rows in self.posterior.space.rows(state.vector).items():
            rows.copy_(torch.where(state.masks[name].unsqueeze(-1), rows, self.pseudo[name].sample()))

    @torch.no_grad()
    def sweep(self, state: ModelState) -> dict[str, Float[Tensor, "units"]]:
        """Visits every unit that the prior may remove once, and tries to exchange units within every group.

        Returns the log odds of presence of every unit, given all else as it was at its visit; +inf where it cannot go.
        """
        gains = self._gains(state.vector)
        odds = {name: torch.full_like(gain, torch.inf) for name, gain in gains.items()}
        if isinstance(self.prior.models, NestedWidth):
            for name in gains:
                odds[name] = self._draw_width(state, name, gains)
            return odds
        units = [(name, int(unit)) for name, index in self._removable.items() for unit in index]
        for place in torch.randperm(len(units)).tolist():
            name, unit = units[place]
            odds[name][unit] = self._flip(state, name, unit, gains)
        for name in gains:
            self._swap(state, name, gains)
            self._exchange(state, name)
        return odds

    def _flip(self, state: ModelState, name: str, unit: int, gains: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        candidates = state.masks[name].repeat(2, 1)
        candidates[0, unit], candidates[1, unit] = True, False
        weights = self._heat_bath(state, name, candidates, gains)
        return weights[0] - weights[1]

    def _draw_width(self, state: ModelState, name: str, gains: Mapping[str, Tensor]) -> Float[Tensor, "units"]:
        index = self._removable[name]
        widths = torch.arange(len(index) + 1)
        candidates = torch.ones(len(widths), len(state.masks[name]), dtype=torch.bool)
        candidates[:, index] = torch.arange(len(index)) < widths[:, None]
        weights = self._heat_bath(state, name, candidates.to(state.vector.device), gains)
        present = candidates.to(weights.device)
        nothing = weights.new_full((), -torch.inf)
        kept = torch.where(present, weights[:, None], nothing).logsumexp(dim=0)
        gone = torch.where(present, nothing, weights[:, None]).logsumexp(dim=0)
        return kept - gone

    def _swap(self, state: ModelState, name: str, gains: Mapping[str, Tensor]) -> None:
        """A heat bath between a present and an absent unit."""
        pair = self._pair(state, name)
        if pair is not None:
            candidates = torch.stack([state.masks[name], _swapped(state.masks[name], pair)])
            self._heat_bath(state, name, candidates, gains)

    def _exchange(self, state: ModelState, name: str) -> None:
        """A present and an absent unit change places together with their rows."""
        pair = self._pair(state, name)
        if pair is None:
            return
        masks = {**state.masks, name: _swapped(state.masks[name], pair)}
        vector = state.vector.clone()
        rows = self.posterior.space.rows(vector)[name]
        rows[list(pair)] = rows[list(reversed(pair))]
        proposed = self.state(vector, masks)
        before = self._log_weight(state, name)
        after = self._log_weight(proposed, name)
        if torch.rand(()) < (after - before).nan_to_num(nan=-torch.inf).exp():
            state.vector, state.masks, state.log_likelihood = proposed.vector, proposed.masks, proposed.log_likelihood

    def _pair(self, state: ModelState, name: str) -> tuple[int, int] | None:
        """A present and an absent unit of a group, of those that may go, each drawn uniformly."""
        index = self._removable[name]
        present = state.masks[name].cpu()[index]
        if bool(present.all()) or not bool(present.any()):
            return None
        drawn = [int(among[torch.randint(len(among), ())]) for among in (index[present], index[~present])]
        return drawn[0], drawn[1]

    def _heat_bath(
        self, state: ModelState, name: str, candidates: Bool[Tensor, "samples units"], gains: Mapping[str, Tensor]
    ) -> Float[Tensor, "samples"]:
        """Draws one of a group's candidate masks, all else held; returns their log probabilities up to a constant.

        A candidate that the prior excludes costs no run of the network.
        """
        weights = self._log_models(state, name, candidates).to(state.vector.device)
        weights = weights + (candidates * gains[name]).sum(dim=1)
        found: dict[int, Tensor] = {}
        for place in (weights > -torch.inf).nonzero().flatten().tolist():
            same = torch.equal(candidates[place], state.masks[name])
            masks = {**state.masks, name: candidates[place]}
            found[place] = state.log_likelihood if same else self._log_likelihood(state.vector, masks)
            weights[place] += found[place]
        weights = weights.nan_to_num(nan=-torch.inf)
        chosen = int(torch.multinomial(weights.softmax(dim=0), 1))
        state.masks[name], state.log_likelihood = candidates[chosen].clone(), found[chosen]
        return weights

    def _gains(self, vector: Float[Tensor, "weights"]) -> dict[str, Float[Tensor, "units"]]:
        """log slab - log pseudo-prior of every row, float64: what presence adds but for prior and likelihood."""
        rows, slab = self.posterior.space.rows(vector), self.posterior.log_rows(vector)
        return {name: slab[name].double() - self.pseudo[name].log_prob(rows[name]).double() for name in rows}

    def _log_weight(self, state: ModelState, name: str) -> Float[Tensor, ""]:
        """The log joint density, but for what does not depend on the group's mask and rows."""
        rows, slab = self.posterior.space.rows(state.vector)[name], self.posterior.log_rows(state.vector)[name]
        density = torch.where(state.masks[name], slab, self.pseudo[name].log_prob(rows)).double().sum()
        model = self._log_models(state, name, state.masks[name][None])[0].to(density.device)
        return density + model + state.log_likelihood

    def _log_models(self, state: ModelState, name: str, candidates: Bool[Tensor, "samples units"]) -> Float[Tensor, "samples"]:
        """log p(m) with the group's mask replaced by each candidate."""
        others = {group: mask.expand(len(candidates), -1) for group, mask in state.masks.items()}
        return self.prior.models.log_prob_masks({**others, name: candidates})

    def _log_likelihood(self, vector: Float[Tensor, "weights"], masks: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        with torch.no_grad():
            return self.posterior.log_likelihood(vector, masks).double()


def _swapped(mask: Bool[Tensor, "units"], pair: tuple[int, int]) -> Bool[Tensor, "units"]:
    """The mask with the first of the pair absent and the second present."""
    swapped = mask.clone()
    swapped[pair[0]], swapped[pair[1]] = False, True
    return swapped
