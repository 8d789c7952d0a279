"""Paths hold what belongs together."""

import pytest
import torch

from bayes_guided.analysis.regularisation import RegularisationPath
from bayes_guided.exceptions import PosteriorError


def _path(strengths: list[float], evidence: list[float] | None = None) -> RegularisationPath:
    widths = {"a": torch.tensor([5, 4, 1]), "b": torch.tensor([3, 3, 0])}
    values = None if evidence is None else torch.tensor(evidence)
    return RegularisationPath("linear", torch.tensor(strengths), widths, torch.tensor([0.1, 0.2, 0.3]), values)


def test_units_in_all_groups_and_the_largest_evidence() -> None:
    assert _path([0.1, 1.0, 2.0]).units.tolist() == [8, 7, 1]
    assert _path([0.1, 1.0, 2.0]).best is None
    assert _path([0.1, 1.0, 2.0], [-3.0, -1.0, -2.0]).best == 1


@pytest.mark.parametrize("strengths", [[0.0, 1.0, 2.0], [1.0, 1.0, 2.0], [2.0, 1.0, 3.0]])
def test_strengths_ascend_from_above_zero(strengths: list[float]) -> None:
    with pytest.raises(PosteriorError, match="ascend"):
        _path(strengths)


def test_one_value_per_strength() -> None:
    with pytest.raises(PosteriorError, match="one value"):
        _path([1.0, 2.0])
    with pytest.raises(PosteriorError, match="one value"):
        _path([1.0, 2.0, 3.0], [1.0])
