"""Whether norms silence their units, measured, against networks in which one sees it."""

import torch
from torch import Tensor, nn

from bayes_guided import GuidedPrior, priors
from bayes_guided.architecture import Architecture
from tests.architecture.zoo_nets import Dense, Residual


class Around(nn.Module):
    """What the first convolution gives is normed, and also reaches the head as it is."""

    def __init__(self, around: bool) -> None:
        super().__init__()
        self.around = around
        self.conv, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.next, self.norm2 = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv(x)
        y = torch.relu(self.norm2(self.next(torch.relu(self.norm(first)))))
        return self.head((y + first if self.around else y).mean((2, 3)))


def silenced(net: nn.Module, inputs: Tensor) -> dict[str, bool]:
    return {group.name: group.norm_silences for group in Architecture.from_module(net, inputs).groups}


def test_norms_with_nothing_around_them_silence() -> None:
    assert set(silenced(Around(around=False), torch.randn(2, 1, 6, 6)).values()) == {True}


def test_a_group_that_is_heard_around_its_norm_is_not_silenced() -> None:
    found = silenced(Around(around=True), torch.randn(2, 1, 6, 6))
    assert found["conv"] is False, "conv reaches the head as it is"


def test_residual_and_dense_networks() -> None:
    assert silenced(Residual(), torch.randn(2, 3, 8, 8))["conv1"]
    dense = Architecture.from_module(Dense(), torch.randn(2, 3, 8, 8))
    assert not all(group.norm_silences for group in dense.groups if group.has_norm)


def test_groups_without_a_norm_do_not() -> None:
    net = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 2))
    assert silenced(net, torch.randn(2, 3)) == {"0": False}


def test_penalising_norms_leaves_whole_rows_where_the_norm_does_not_silence() -> None:
    for around in (False, True):
        found = Architecture.from_module(Around(around), torch.randn(2, 1, 6, 6))
        prior = GuidedPrior(found, priors.GroupLaplace(strength=1.0), penalised="norm")
        for group in found.groups:
            assert prior.row_priors[group.name].whole_row == (not group.norm_silences)
