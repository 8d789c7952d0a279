import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bayes_guided.datasets import split_rows
from bayes_guided.exceptions import ConfigError


@given(
    labels=st.lists(st.integers(0, 5), min_size=2, max_size=80),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**31),
)
def test_parts_are_disjoint_complete_and_stratified(labels, fraction, seed):
    size = len(labels)
    if not 0 < round(fraction * size) < size:
        return
    targets = torch.tensor(labels)
    kept, cut = split_rows(targets, fraction, seed)
    assert sorted([*kept.tolist(), *cut.tolist()]) == list(range(size))
    assert len(cut) == round(fraction * size)
    share = len(cut) / size
    for label in set(labels):
        assert abs(int((targets[cut] == label).sum()) - share * labels.count(label)) <= 1.0 + 1e-9


def test_every_row_is_cut_equally_often_over_seeds():
    times = torch.zeros(10)
    seeds = 4000
    for seed in range(seeds):
        times[split_rows(torch.zeros(10), 0.3, seed)[1]] += 1
    # Binomial with probability 0.3; four standard errors.
    assert ((times / seeds - 0.3).abs() < 4 * (0.3 * 0.7 / seeds) ** 0.5).all()


def test_the_seed_decides_and_the_global_generator_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = split_rows(torch.zeros(50), 0.5, seed=1)[1]
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first, split_rows(torch.zeros(50), 0.5, seed=1)[1])
    assert not torch.equal(first, split_rows(torch.zeros(50), 0.5, seed=2)[1])


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.2, 1.5, 0.01, 0.99, float("nan"), float("inf")])
def test_a_fraction_that_empties_a_part_is_refused(fraction):
    with pytest.raises(ConfigError, match=r"choose one inside \(0, 1\)"):
        split_rows(torch.zeros(10), fraction, seed=0)
