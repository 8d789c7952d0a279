"""A chain over models and weights: moves on the model in turn with NUTS on the weights."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bayes_guided.infer.mcmc.chains import Chain, Record
from bayes_guided.infer.mcmc.continuous_chain import NUTSSettings, prior_start
from bayes_guided.infer.mcmc.model_moves import ModelMoves
from bayes_guided.infer.mcmc.nuts import NUTSKernel, Tuning
from bayes_guided.infer.mcmc.potential import Posterior
from bayes_guided.infer.mcmc.pseudo_prior import RowGaussians, fit_row_gaussians
from bayes_guided.priors import SpikeAndSlabPrior

Masks = Mapping[str, Bool[Tensor, "_"]]


class ModelChain(Chain):
    """NUTS on all rows (those of absent units under their pseudo-priors), then `ModelMoves`; see there for the invariance.

    The warm-up has three parts. In the first, half of it, every unit is present, and the pseudo-priors are fitted to the
    rows. In the second, a quarter, the model moves, and pseudo-priors are fitted again, to the draws in which their unit was
    present. The third tunes the step size to what then stays fixed: adaptation ends before the first draw.
    """

    def __init__(self, posterior: Posterior, prior: SpikeAndSlabPrior, settings: NUTSSettings, *, from_full: bool) -> None:
        """`from_full`: the model moves from the full model on, if the prior allows it; otherwise from a draw of the prior."""
        self.posterior, self.prior, self.settings, self.from_full = posterior, prior, settings, from_full

    def warm_up(self) -> Iterator[None]:
        """The three parts."""
        steps = self.settings.warmup
        kernel, vectors = self._kernel_at(prior_start(self.posterior), None, None, steps // 2), []
        for _ in range(steps // 2):
            position, _ = kernel.step()
            vectors.append(self.posterior.space.whole(position))
            yield
        pseudo = self._fitted(vectors[len(vectors) // 2 :], [self._full()] * (len(vectors) - len(vectors) // 2), None)
        self._begin(vectors[-1], self._first_model(), pseudo, kernel.tuning)
        yield from self._adapt(steps // 4, refit=True)
        yield from self._adapt(steps - steps // 2 - steps // 4, refit=False)

    def step(self) -> Record:
        """NUTS, then a refresh of absent rows and a sweep over the units."""
        diverged = self._weights_step(self._kernel)
        self._moves.refresh(self._state)
        odds = self._moves.sweep(self._state)
        return {
            "weights": self._present_weights(),
            "log_density": self._log_density(),
            "diverged": torch.tensor(diverged),
            **{f"masks.{name}": mask for name, mask in self._state.masks.items()},
            **{f"log_odds.{name}": values for name, values in odds.items()},
        }

    def state(self) -> dict[str, Any]:
        """Vector, model, pseudo-priors and tuning."""
        return {
            "vector": self._state.vector,
            "masks": dict(self._state.masks),
            "pseudo": {name: gaussians.to_tree() for name, gaussians in self._moves.pseudo.items()},
            **self._tuning.to_tree(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on where the state says."""
        like = self.posterior.space.base
        pseudo = {name: RowGaussians(tree["mean"].to(like), tree["factor"].to(like)) for name, tree in state["pseudo"].items()}
        masks = {name: mask.to(like.device) for name, mask in state["masks"].items()}
        self._begin(state["vector"].to(like), masks, pseudo, Tuning(state["step_size"], state["variances"].to(like)))

    def _adapt(self, steps: int, *, refit: bool) -> Iterator[None]:
        """Steps with moves on the model that tune NUTS, and the pseudo-priors at their end if asked."""
        if not steps:
            return
        kernel, vectors, masks = self._kernel_of_state(steps), [], []
        for _ in range(steps):
            self._weights_step(kernel)
            self._moves.refresh(self._state)
            self._moves.sweep(self._state)
            vectors.append(self._state.vector)
            masks.append(dict(self._state.masks))
            yield
        pseudo = self._fitted(vectors, masks, self._moves.pseudo) if refit else self._moves.pseudo
        self._begin(self._state.vector, self._state.masks, pseudo, kernel.tuning)

    def _begin(
        self,
        vector: Float[Tensor, "weights"],
        masks: Masks,
        pseudo: Mapping[str, RowGaussians],
        tuning: Tuning,
    ) -> None:
        self._moves = ModelMoves(self.posterior, self.prior, pseudo)
        self._state, self._tuning = self._moves.state(vector, masks), tuning
        self._kernel = self._kernel_of_state(0)

    def _kernel_of_state(self, adapt_steps: int) -> NUTSKernel:
        return self._kernel_at(self._state.vector, self._moves, self._tuning, adapt_steps)

    def _kernel_at(
        self,
        vector: Float[Tensor, "weights"],
        moves: ModelMoves | None,
        tuning: Tuning | None,
        adapt_steps: int,
    ) -> NUTSKernel:
        """A kernel under the present model; under the full one, and the slab on all rows, without `moves`."""
        space = self.posterior.space

        def potential(free: Float[Tensor, "free"]) -> Float[Tensor, ""]:
            if moves is None:
                return -self.posterior.log_prob(space.whole(free))
            return -moves.log_joint(space.whole(free), self._state.masks)

        return NUTSKernel(
            potential,
            vector[space.free],
            target_accept=self.settings.target_accept,
            max_tree_depth=self.settings.max_tree_depth,
            tuning=tuning,
            adapt_steps=adapt_steps,
        )

    def _weights_step(self, kernel: NUTSKernel) -> bool:
        """NUTS at the present model; whether it diverged."""
        space = self.posterior.space
        position, diverged = kernel.step(self._state.vector[space.free])
        self._state = self._moves.state(space.whole(position), self._state.masks)
        return diverged

    def _fitted(
        self, vectors: list[Tensor], masks: list[Masks], before: Mapping[str, RowGaussians] | None
    ) -> dict[str, RowGaussians]:
        rows = self.posterior.space.rows(torch.stack(vectors))
        return {
            name: fit_row_gaussians(row, torch.stack([mask[name] for mask in masks]), None if before is None else before[name])
            for name, row in rows.items()
        }

    def _full(self) -> dict[str, Bool[Tensor, "_"]]:
        device = self.posterior.space.base.device
        return {name: mask.to(device) for name, mask in self.prior.architecture.full().masks.items()}

    def _first_model(self) -> dict[str, Bool[Tensor, "_"]]:
        full = self._full()
        possible = self.prior.models.log_prob_masks({name: mask[None] for name, mask in full.items()})[0] > -torch.inf
        if self.from_full and bool(possible):
            return full
        return {name: mask[0].to(full[name].device) for name, mask in self.prior.models.sample(1).items()}

    def _present_weights(self) -> Float[Tensor, "weights"]:
        """The vector with the rows of absent units at zero."""
        vector = self._state.vector.clone()
        for name, rows in self.posterior.space.rows(vector).items():
            rows.mul_(self._state.masks[name].unsqueeze(-1))
        return vector

    def _log_density(self) -> Float[Tensor, ""]:
        """log p(m) + log prior of the present rows and other weights + log likelihood, nats."""
        state = self._state
        with torch.no_grad():
            terms = self.posterior.terms(state.vector, state.masks)
        rows = torch.stack([slab[state.masks[name]].double().sum() for name, slab in terms.rows.items()]).sum()
        model = self.prior.models.log_prob_masks({name: mask[None] for name, mask in state.masks.items()})[0]
        return rows + terms.others.double() + terms.likelihood.double() + model.to(rows.device)
