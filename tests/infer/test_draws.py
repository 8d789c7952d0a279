"""Draws."""

import torch

from bayes_guided.infer import Draws


def test_a_slice_of_draws_slices_everything():
    draws = Draws(
        rows={"a": torch.arange(24.0).reshape(4, 3, 2)},
        rest=torch.arange(8.0).reshape(4, 2),
        noise_scale=torch.arange(4.0),
        masks={"a": torch.eye(4, 3, dtype=torch.bool)},
        buffers={"count": torch.arange(4)},
    )
    part = draws[1:3]
    assert len(draws) == 4
    assert len(part) == 2
    assert torch.equal(part.rows["a"], draws.rows["a"][1:3])
    assert torch.equal(part.rest, draws.rest[1:3])
    assert part.noise_scale.tolist() == [1.0, 2.0]
    assert torch.equal(part.masks["a"], draws.masks["a"][1:3])
    assert part.buffers["count"].tolist() == [1, 2]


def test_what_is_not_there_stays_away():
    draws = Draws({"a": torch.zeros(2, 3, 1)}, torch.zeros(2, 0))[:1]
    assert draws.noise_scale is None
    assert draws.masks is None
    assert draws.buffers is None
