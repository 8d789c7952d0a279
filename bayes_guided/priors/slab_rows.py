"""The density of all rows given which units are present: the slab where they are, exactly zero where they are not."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from bayes_guided.exceptions import RowShapeError
from bayes_guided.priors.guided import GuidedPrior
from bayes_guided.types import Masks, Rows


@dataclass(frozen=True, eq=False)
class SlabRows:
    """Rows given a model: those of present units follow `slab`, those of absent units are exactly zero."""

    slab: GuidedPrior

    def check(self, rows: Rows, rest: Float[Tensor, "rest"] | None) -> torch.Size:
        """The sample shape of rows (*samples, units, row), if they and the rest fit the architecture.

        Raises:
            RowShapeError: if not.
        """
        architecture = self.slab.architecture
        expected = {group.name: (group.size, group.row_dim) for group in architecture.groups}
        given = {name: tuple(row.shape[-2:]) for name, row in rows.items()}
        samples = {row.shape[:-2] for row in rows.values()}
        if given != expected or len(samples) != 1:
            shapes = {name: tuple(row.shape) for name, row in rows.items()}
            raise RowShapeError(f"rows of shapes {shapes} do not fit this architecture, whose rows are {expected}.")
        if rest is not None and len(rest) != architecture.rest_size:
            raise RowShapeError(f"the rest has {len(rest)} weights; this architecture's has {architecture.rest_size}.")
        return samples.pop()

    def log_prob(self, rows: Rows, masks: Masks, rest: Float[Tensor, "rest"] | None) -> Float[Tensor, "*samples"]:
        """Log density of the rows given the masks, and of the rest if given; -inf if an absent unit's row is not zero.

        With respect to the Lebesgue measure over the rows of present units; float64, nats.
        """
        parts, possible = [], []
        for name, row in rows.items():
            values, present = row.double(), masks[name].to(row.device)
            density = self.slab.distribution(name, values).log_prob(values)
            parts.append(torch.where(present, density, 0.0).sum(dim=-1))
            possible.append((present | ~row.detach().any(dim=-1)).all(dim=-1))
        if rest is not None and self.slab.architecture.rest_size:
            parts.append(self.slab.rest_distribution(rest.double()).log_prob(rest.double()))
        total = torch.stack(torch.broadcast_tensors(*parts)).sum(dim=0)
        return torch.where(torch.stack(possible).all(dim=0), total, -torch.inf)

    def sample(self, masks: Masks, generator: torch.Generator | None) -> dict[str, Float[Tensor, "samples _ _"]]:
        """Float32 rows (samples, units, row) given masks (samples, units), on the masks' device."""
        samples = len(next(iter(masks.values())))
        with _global_draws_from(generator):
            rows = self.slab.sample((samples,))
        return {name: rows[name].to(mask.device).masked_fill(~mask.unsqueeze(-1), 0.0) for name, mask in masks.items()}


@contextmanager
def _global_draws_from(generator: torch.Generator | None) -> Iterator[None]:
    """Draws from torch's global CPU generator follow `generator` inside; its own state comes back after."""
    if generator is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        yield
