"""The run-time check lets through what Python users write, and nothing of a wrong shape."""

import pytest
import torch
from jaxtyping import TypeCheckError

import bayes_guided as bg
from bayes_guided.distributions import GroupLaplace
from bayes_guided.priors.rows.proximal import group_factor


def test_whole_numbers_pass_for_real_ones() -> None:
    assert bg.priors.GroupLaplace(strength=3).strength == 3


def test_wrong_shapes_are_caught() -> None:
    with pytest.raises(TypeCheckError):
        group_factor(torch.ones(3), torch.ones(4))
    assert GroupLaplace(torch.ones(2), 3).log_prob(torch.ones(2, 3)).shape == (2,)
