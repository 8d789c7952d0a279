"""Models weighted by their cost where blocks can be left out: products of three widths, and depth."""

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from bayes_guided.architecture import Architecture
from bayes_guided.nn import GatedBlock
from bayes_guided.priors import GibbsComplexity
from bayes_guided.priors.models.complexity import CustomComplexity, PairwiseComplexity


class Stream(nn.Module):
    """A residual stream, guided or protected by a norm, with two gated blocks."""

    def __init__(self, norm: bool) -> None:
        super().__init__()
        self.stem = nn.Linear(2, 3)
        self.norm = nn.LayerNorm(3) if norm else nn.Identity()
        self.block1 = GatedBlock(nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 3)), residual=False)
        self.block2 = GatedBlock(nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)), residual=False)
        self.out = nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        x = x + self.block1(x)
        return self.out(x + self.block2(x))


@pytest.mark.parametrize("cost", ["parameters", "macs"])
@pytest.mark.parametrize(("norm", "kind"), [(True, PairwiseComplexity), (False, CustomComplexity)])
def test_against_every_model(norm: bool, kind: type, cost: str) -> None:
    architecture = Architecture.from_module(Stream(norm), torch.randn(2, 2))
    prior = GibbsComplexity(architecture, cost, beta=0.07)
    assert isinstance(prior.complexity, kind)
    masks = []
    for group in architecture.groups:
        bits = [torch.tensor(bits) for bits in product([False, True], repeat=group.size)]
        masks.append([mask for mask in bits if mask.any() or group.removable_whole])
    subs = [
        architecture.sub_architecture(dict(zip((g.name for g in architecture.groups), choice, strict=True)))
        for choice in product(*masks)
    ]
    costs = torch.tensor([float(getattr(s, "num_parameters" if cost == "parameters" else cost)) for s in subs]).double()
    expected = torch.log_softmax(-0.07 * costs, 0)
    stacked = {name: torch.stack([sub.masks[name] for sub in subs]) for name in subs[0].masks}
    actual = torch.stack([prior.log_prob(sub) for sub in subs])
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)
    for name, survival in prior.unit_survival().items():
        torch.testing.assert_close(survival, expected.exp() @ stacked[name].double(), rtol=0, atol=1e-12)
    assert 0.01 < float(prior.unit_survival()["block1.gate"]) < 0.99
