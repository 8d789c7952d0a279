"""The curves are the prior's own answers."""

from typing import Any

import pytest
import torch

import bayes_guided as bg
from bayes_guided.analysis.implied import Evidence, Shrinkage, Threshold
from bayes_guided.analysis.reading_curves import reading_curves
from bayes_guided.exceptions import ReadingError


def _row_prior(weights: Any) -> Any:
    architecture = bg.Architecture.from_module(bg.nets.mlp(5, [7], outputs=2), torch.zeros(2, 5))
    prior = bg.GuidedPrior(architecture, weights=weights, guidance=bg.guidance.linear())
    return prior.row_priors["layers.0"]


def test_every_reading_in_order() -> None:
    prior = _row_prior(bg.priors.GroupLaplace(2.0))
    curves = reading_curves("layers.0", prior.model_log_odds, taus=[0.1, 2.0], curvature=30.0)
    assert curves.readings == ("threshold", "threshold", "shrinkage", "evidence")
    wanted = (Threshold(0.1), Threshold(2.0), Shrinkage(30.0), Evidence(30.0))
    torch.testing.assert_close(curves.log_odds, torch.stack([prior.model_log_odds(reading) for reading in wanted]))
    torch.testing.assert_close(curves.survival, 1 / (1 + (-curves.log_odds).exp()))
    assert not curves.missing
    assert "2" in curves.labels[1]


def test_readings_that_do_not_exist_are_named_with_the_reason() -> None:
    curves = reading_curves("a", _row_prior(bg.priors.Normal(2.0)).model_log_odds, taus=[0.1], curvature=30.0)
    assert curves.readings == ("threshold", "evidence")
    assert "no shrinkage reading" in curves.missing["shrinkage"]


def test_bad_numbers_and_priors_without_any_reading_are_refused() -> None:
    with pytest.raises(ReadingError, match="tau=-1"):
        reading_curves("a", _row_prior(bg.priors.Normal(2.0)).model_log_odds, taus=[-1.0], curvature=30.0)

    def refuse(reading: object) -> torch.Tensor:
        raise ReadingError("none at all")

    with pytest.raises(ReadingError, match="none at all"):
        reading_curves("a", refuse, taus=[1.0], curvature=1.0)
