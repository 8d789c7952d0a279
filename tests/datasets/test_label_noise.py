"""Wrong labels: how many, which, and that nothing else is touched."""

import pytest
import torch

from bayes_guided.datasets import mislabelled
from bayes_guided.exceptions import ConfigError


def test_as_many_labels_are_wrong_as_was_asked_and_every_wrong_class_is_as_likely() -> None:
    labels = torch.arange(30_000) % 10
    wrong = mislabelled(labels, 0.3, 10, torch.Generator().manual_seed(0))
    moved = (wrong - labels) % 10
    assert int((moved != 0).sum()) == 9000
    counts = torch.bincount(moved, minlength=10)[1:].double()
    # Binomial(9000, 1/9): four standard errors.
    assert (counts - 1000).abs().max() < 4 * (9000 * (1 / 9) * (8 / 9)) ** 0.5
    assert (mislabelled(labels, 0.0, 10, torch.Generator()) == labels).all()
    two = torch.arange(100) % 2
    assert (mislabelled(two, 1.0, 2, torch.Generator()) == 1 - two).all()


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_what_is_no_fraction_is_refused(fraction: float) -> None:
    with pytest.raises(ConfigError, match="from 0 to 1"):
        mislabelled(torch.tensor([0, 1]), fraction, 2, torch.Generator())
