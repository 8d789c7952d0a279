"""What a run's comparison holds: margins, where they are asked for, also when it is read anew."""

from pathlib import Path

import numpy as np
import pytest
import torch

import bayes_guided as bg
from bayes_guided.config import CompareSettings, parse_config
from bayes_guided.exceptions import ConfigError
from bayes_guided.run import compare_runs, load_run, run
from bayes_guided.run.measure import data_part

from .conftest import Settings, small_settings


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("margins") / "run"
    settings = small_settings({"kind": "digits"}, compare={"margins": True})
    run(parse_config(settings, source="test", folder=folder.parent), folder, progress=False)
    return folder


def test_margins_are_those_of_the_fit_and_its_training_data(finished: Path) -> None:
    saved = load_run(finished)
    expected = bg.margins(saved.fit, data_part(saved.config.load_data(), "train"))
    comparison = compare_runs([finished])
    for name, margin in expected.margin.items():
        stored = torch.from_numpy(comparison.dataset["margin"].sel(group=name).values[: len(margin)])
        torch.testing.assert_close(stored, margin)
    assert not any("margins" in note for notes in comparison.notes.values() for note in notes)


def test_a_comparison_made_anew_keeps_the_margins(finished: Path) -> None:
    stored, anew = compare_runs([finished]), compare_runs([finished], CompareSettings(curvature=5.0, draws=50))
    assert float(anew.dataset["curvature"]) == 5.0 != float(stored.dataset["curvature"])
    np.testing.assert_array_equal(stored.dataset["margin"], anew.dataset["margin"])


@pytest.mark.parametrize(
    "changed", [{"fit": {"method": "ensemble", "epochs": 1}}, {"prior": {"family": "GroupSqrtLaplace", "strength": 1.0}}]
)
def test_margins_that_cannot_be_had_are_refused_before_the_run(changed: Settings, tmp_path: Path) -> None:
    settings = small_settings({"kind": "digits"})
    settings |= changed | {"compare": {"margins": True}}
    with pytest.raises(ConfigError, match=r"'compare\.margins' is for a fit by MAP under GroupLaplace, Laplace"):
        parse_config(settings, source="test", folder=tmp_path)
