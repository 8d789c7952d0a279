"""q(m) with a learned law of the width and a learned composition: what tilted priors over models call for (P13)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import pad

from bayes_guided.guides.hard_concrete import hard_concrete
from bayes_guided.guides.inclusion import SPEED, START, GatedInclusion, every_subset, natural
from bayes_guided.guides.width import IMPOSSIBLE
from bayes_guided.priors.models.tilted_units import TiltedUnits


class TiltedInclusion(GatedInclusion):
    """q(m) proportional to exp(l . m + a_|m|): logits l of the units, log weights a of the widths that are `possible`.

    Given the width, units are conditional Bernoullis with logits l; a = 0 on all widths is the product of Bernoullis. The
    normaliser sums elementary symmetric polynomials, O(units^2) per step.
    """

    possible: Tensor

    def __init__(self, possible: Bool[Tensor, "widths"]) -> None:
        """Starts as independent units with the log odds START, given a possible width."""
        super().__init__()
        self.units = len(possible) - 1
        self.register_buffer("possible", possible.clone(), persistent=False)
        self.logits = nn.Parameter(torch.full((self.units,), START / SPEED, dtype=torch.float64))
        self.widths = nn.Parameter(torch.zeros(self.units + 1, dtype=torch.float64))

    def log_width_law(self) -> Float[Tensor, "widths"]:
        """a_K + log e_K(exp l), normalised."""
        return self._log_joint(self._logits(), torch.zeros_like(self.logits)).log_softmax(dim=0)

    def log_prob(self, masks: Bool[Tensor, "samples units"]) -> Float[Tensor, "samples"]:
        """l . m + a_|m| minus the log normaliser; IMPOSSIBLE or less for impossible widths."""
        logits = self._logits()
        total = self._log_joint(logits, torch.zeros_like(logits)).logsumexp(dim=0)
        return masks.to(logits) @ logits + self._width_weights()[masks.sum(dim=1)] - total

    def log_odds(self) -> Float[Tensor, "units"]:
        """Both probabilities are derivatives of the log normaliser, sums of positive terms: right in both tails."""
        present, absent = self._marginals()
        return present.clamp(min=1e-300).log() - absent.clamp(min=1e-300).log()

    def survival(self) -> Float[Tensor, "units"]:
        """P(m_u = 1), a derivative of the log normaliser."""
        return self._marginals()[0]

    def entropy(self) -> Float[Tensor, ""]:
        """log Z - l . P(m = 1) - E a_|m|."""
        logits = self._logits()
        joint = self._log_joint(logits, torch.zeros_like(logits))
        law = joint.softmax(dim=0)
        weights = torch.where(self.possible, self._width_weights(), 0.0)
        return joint.logsumexp(dim=0) - self.survival() @ logits - law @ weights

    def sample(self, n: int, generator: torch.Generator | None) -> Bool[Tensor, "samples units"]:
        """The width first, then the composition."""
        return self._numbers().sample(n, generator).to(self.logits.device)

    def relaxed(self, n: int) -> Float[Tensor, "samples units"]:
        """Hard-concrete gates of the units' marginals, drawn independently of each other."""
        return hard_concrete(self.log_odds(), n)

    def log_count_law(self, start: int, stop: int) -> Float[Tensor, "widths"]:
        """Log probabilities that 0, 1, ... of the units `start` to `stop` are present; without gradient."""
        tilted, sizes = self._numbers(), (start, stop - start, self.units - stop)
        kept = [size for size in sizes if size]
        law = TiltedUnits(tilted.log_odds, tuple(kept), (0,) * len(kept), tilted.log_size_law).laws
        return torch.from_numpy(law.groups[1 if start else 0]).log().to(self.logits.device)

    @property
    def num_masks(self) -> int:
        """2^U, the impossible widths among them: a bound that is cheap to have."""
        return 2**self.units

    def every_mask(self) -> Bool[Tensor, "samples units"]:
        """All masks of possible widths."""
        masks = every_subset(self.units).to(self.logits.device)
        return masks[self.possible[masks.sum(dim=1)]]

    def mode(self) -> Bool[Tensor, "units"]:
        """The first of the ranked masks."""
        return next(self._numbers().ranked())[1].to(self.logits.device)

    @torch.no_grad()
    def jitter(self, sd: float) -> None:
        """Normal noise on every unit's logit."""
        self.logits.add_(sd / SPEED * torch.randn(self.units, dtype=torch.float64).to(self.logits.device))

    def _numbers(self) -> TiltedUnits:
        """The law as it stands, without gradient."""
        law = self.log_width_law().detach().cpu().masked_fill(~self.possible.cpu(), -torch.inf)
        return TiltedUnits((SPEED * self.logits).detach().cpu(), (self.units,), (0,), law)

    def _logits(self) -> Float[Tensor, "units"]:
        """l; the information is taken as that of independent units."""
        return SPEED * natural(self.logits, torch.sigmoid(SPEED * self.logits))

    def _width_weights(self) -> Float[Tensor, "widths"]:
        return (SPEED * self.widths).masked_fill(~self.possible, IMPOSSIBLE)

    def _log_joint(self, present: Float[Tensor, "units"], absent: Float[Tensor, "units"]) -> Float[Tensor, "widths"]:
        """log sum over masks of each width of exp(present . m + absent . (1 - m) + a_|m|)."""
        added = (1 << (self.units - 1).bit_length()) - self.units  # units that are never present, up to a power of two
        off, on = pad(absent, (0, added)), pad(present, (0, added), value=IMPOSSIBLE)
        counts = torch.stack([off, on], dim=1)
        while len(counts) > 1:
            counts = _log_products(counts[0::2], counts[1::2])
        return counts[0, : self.units + 1] + self._width_weights()

    def _marginals(self) -> tuple[Float[Tensor, "units"], Float[Tensor, "units"]]:
        """P(m_u = 1) and P(m_u = 0), the second not as one minus the first."""
        keep = torch.is_grad_enabled() and self.logits.requires_grad
        with torch.enable_grad():
            present = self._logits()
            present = present if present.requires_grad else present.requires_grad_()
            absent = torch.zeros_like(present).requires_grad_()
            total = self._log_joint(present, absent).logsumexp(dim=0)
            on, off = torch.autograd.grad(total, (present, absent), create_graph=keep)
        return on, off


def _log_products(left: Float[Tensor, "pairs counts"], right: Float[Tensor, "pairs counts"]) -> Float[Tensor, "pairs sums"]:
    """Logarithms of the products of polynomials whose coefficients have these logarithms, pair by pair."""
    size = left.shape[1]
    shifted = pad(right.flip(1), (size - 1, size - 1), value=IMPOSSIBLE).unfold(1, size, 1).flip(1)
    return torch.logsumexp(left[:, None, :] + shifted, dim=2)
