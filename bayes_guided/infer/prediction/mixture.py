"""The mixture over draws, and over balanced halves of them, whose differences show its Monte Carlo error.

The draws fall into groups of neighbours, G = 2^k of them, and a Hadamard matrix says which half of the groups a half takes.
Over its G - 1 balanced rows, the mean of ((half - other half) / 2)^2 is exactly s^2 / G for anything linear in the draws, s^2
the variance between groups [McCarthy1969]. A half is about as far from the whole as the whole is from the truth, so that
errors which jump are served as well; leaving out one group at a time claims too much for them. Neighbours share a group
because a chain's draws depend on their neighbours; groups hardly do.
"""

import torch
from scipy.linalg import hadamard
from torch import Tensor

from bayes_guided.infer.prediction.draw_network import Parts

_GROUPS = 16


class Mixture:
    """Gathers what draws predict for one block of cases, in any chunks of draws."""

    def __init__(self, draws: int, *, halves: bool) -> None:
        """Mixtures of this many draws; also of halves of them, if wanted and there are two draws."""
        groups = min(_GROUPS, 2 ** (draws.bit_length() - 1)) if halves else 1
        self.group = torch.arange(draws) * groups // draws
        self.sizes = torch.bincount(self.group).double()
        self.sums: Parts = {}
        self.log_density: Tensor | None = None

    def add(self, start: int, parts: Parts) -> None:
        """Takes in the draws from `start` on; every part is (draws, batch, ...)."""
        for name, values in parts.items():
            which = self.group[start : start + len(values)].to(values.device)
            if name == "log_density":
                if self.log_density is None:
                    self.log_density = values.new_empty((len(self.group), values.shape[1]), dtype=torch.float64)
                self.log_density[start : start + len(values)] = values
                continue
            if name not in self.sums:
                self.sums[name] = values.new_zeros((len(self.sizes), *values.shape[1:]), dtype=torch.float64)
            self.sums[name].index_add_(0, which, values.double())

    def predictors(self) -> Parts:
        """The mixture of all draws, then those of the halves, then of the other halves, (predictors, batch, ...), float64."""
        weights = self._weights()
        parts = {}
        for name, sums in self.sums.items():
            parts[name] = (weights.to(sums.device) @ sums.flatten(1)).unflatten(1, sums.shape[1:])
        if self.log_density is not None:
            parts["log_density"] = self._log_mixtures(weights, self.log_density)
        return parts

    def _log_mixtures(self, weights: Tensor, log_density: Tensor) -> Tensor:
        """log of the weighted sum of densities of every predictor."""
        of_groups = torch.stack([part.logsumexp(dim=0) for part in log_density.split(self.sizes.long().tolist())])
        return torch.stack([(row.log().to(of_groups.device)[:, None] + of_groups).logsumexp(dim=0) for row in weights])

    def _weights(self) -> Tensor:
        """What each predictor multiplies the groups' sums with, (predictors, groups)."""
        # Without its first row, which takes everything.
        signs = torch.from_numpy(hadamard(len(self.sizes))[1:]).double()
        taken = torch.cat([torch.ones(1, len(self.sizes), dtype=torch.float64), (1 + signs) / 2, (1 - signs) / 2])
        return taken / (taken @ self.sizes)[:, None]
