"""The curve is the table, sorted."""

import numpy as np
import pytest
import torch

from bayes_guided.analysis.laplace import LaplaceEvidence, evidence_table
from bayes_guided.analysis.occam import occam_curve_of
from bayes_guided.exceptions import PosteriorError

PARTS = {"b": (-10, -4), "a": (-20, -1), "c": (-9, -7)}
TABLE = evidence_table({name: LaplaceEvidence(fit, occam, 3, "") for name, (fit, occam) in PARTS.items()})


def test_sorted_by_size_with_sums_and_the_best() -> None:
    curve = occam_curve_of(TABLE, [5, 2, 9], [-1.0, 0.0, -2.0])
    assert curve.names == ("a", "b", "c")
    assert curve.sizes.tolist() == [2, 5, 9]
    assert curve.log_evidence.tolist() == [-21, -14, -16]
    assert curve.log_posterior.tolist() == [-21, -15, -18]
    assert curve.best == 1
    assert curve.is_path
    shown = curve.against_best()
    assert shown.log_posterior.tolist() == [-6, 0, -3]
    assert (shown.fit.tolist(), shown.log_occam.tolist(), shown.log_prior.tolist()) == ([-10, 0, 1], [3, 0, -3], [1, 0, -1])


def test_the_prior_can_turn_the_choice_and_is_flat_by_default() -> None:
    assert occam_curve_of(TABLE, [5, 2, 9]).best == 1
    assert occam_curve_of(TABLE, [5, 2, 9], [-9.0, 0.0, 0.0]).best == 2
    assert not occam_curve_of(TABLE, [5, 5, 9]).is_path


def test_the_choice_agrees_with_the_tables_probabilities() -> None:
    prior = {"b": -9.0, "a": 0.0, "c": 0.0}
    models = {
        name: LaplaceEvidence(float(TABLE.fit[k]), float(TABLE.log_occam[k]), 3, "") for k, name in enumerate(TABLE.names)
    }
    table = evidence_table(models, prior)
    curve = occam_curve_of(table, [5, 2, 9], list(prior.values()))
    probability = torch.softmax(curve.log_posterior, 0)
    expected = {name: float(table.probability[place]) for place, name in enumerate(table.names)}
    np.testing.assert_allclose(probability, [expected[name] for name in curve.names], rtol=1e-12)


@pytest.mark.parametrize(("sizes", "prior"), [([1, 2], None), ([1, 2, 3], [0.0])])
def test_one_of_everything_per_model(sizes: list[int], prior: list[float] | None) -> None:
    with pytest.raises(PosteriorError, match="3 models"):
        occam_curve_of(TABLE, sizes, prior)
