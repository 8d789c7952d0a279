"""The folder of a prior: its numbers are the library's, `prior.json` comes last, and a refusal leaves nothing behind."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from bayes_guided.config import PriorConfig
from bayes_guided.exceptions import ConfigError, ExampleInputError, RunFolderError, WidthLawError
from bayes_guided.priors import GibbsComplexity
from bayes_guided.run import PriorView, show_prior, view_prior

LAW = {"kind": "poisson", "mean": 3}
KINDS: dict[str, dict[str, Any]] = {
    "independent": {"models": {"kind": "independent", "strength": 1, "mean_width": 2}},
    "nested": {"models": {"kind": "nested", "guidance": {"profile": "step", "free": 2}, "strength": 1, "mean_width": 2.5}},
    "shrinkage": {"models": {"kind": "shrinkage", "mean_width": 3}},
    "gibbs": {"models": {"kind": "gibbs", "cost": "macs", "beta": 0.01}},
    "tilted": {"models": {"kind": "tilted", "strength": 1, "law": LAW, "mean_width": 2, "min_width": 1}},
    "shared": {"models": {"kind": "shared", "strength": 1, "law": LAW}},
    "continuous": {"prior": {"strength": 2}, "reading": {"name": "evidence", "curvature": 50, "mean_width": 2}},
}
FILES = {
    "config.yaml",
    "model_survival.pdf",
    "model_survival.png",
    "prior.json",
    "width_law.pdf",
    "width_law.png",
}


def config(**changes: Any) -> PriorConfig:
    net = {"name": "mlp", "settings": {"hidden": [7, 5], "outputs": 3}}
    return PriorConfig.model_validate({"net": net, "input_shape": [4], **changes})


def show(folder: Path, **changes: Any) -> tuple[PriorView, dict[str, Any]]:
    view = show_prior(config(**changes), folder)
    return view, json.loads((folder / "prior.json").read_text())


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_the_librarys(kind: str, tmp_path: Path) -> None:
    view, found = show(tmp_path, **KINDS[kind])
    prior = view.prior
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert found["reading"] == ("evidence" if kind == "continuous" else "inclusion")
    for name, survival in prior.unit_survival().items():
        assert found["unit_survival"]["value"][name] == survival.tolist()
        law = found["width_law"][name]["value"]
        assert law["pmf"] == prior.width_pmf(name).tolist()
        assert law["mean"] == pytest.approx(float(survival.sum()))
        below = sum(law["pmf"][: law["quantile_05"]])
        assert below < 0.05 <= below + law["pmf"][law["quantile_05"]] + 1e-12
        assert law["pmf"][law["mode"]] == max(law["pmf"])
    assert found["size_law"]["value"]["pmf"] == prior.size_pmf().tolist()
    assert found["entropy"] == {"value": float(prior.entropy()), "exact": True, "standard_error": 0.0, "note": ""}
    models = found["most_probable"]["value"]
    expected = prior.most_probable(10)
    assert [model["log_prob"] for model in models] == [value for _, value in expected]
    for model, (sub, value) in zip(models, expected, strict=True):
        assert model["widths"] == sub.widths
        assert float(prior.log_prob(sub)) == pytest.approx(value)
        present = {name: [u for a, b in spans for u in range(a, b + 1)] for name, spans in model["units"].items()}
        assert present == sub.survivors
    assert (found["guidance"] is None) == (kind == "gibbs")
    if view.wanted is None:
        assert found["wanted_guidance"] is None
    else:
        assert found["wanted_guidance"]["strengths"] == view.wanted.strengths
        assert found["wanted_guidance"]["form"] == view.config.wanted_as


def test_figures_are_left_out_where_there_is_nothing_to_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, value in (("MAX_ENTROPY_UNITS", 3), ("MAX_LAW_UNITS", 3), ("MAX_CONDITIONED_COST", 3)):
        monkeypatch.setattr(f"bayes_guided.priors.models.cumulative_shrinkage.{limit}", value)
    _, found = show(tmp_path, models={"kind": "shrinkage", "strength": 1, "min_width": 2})
    assert {path.name for path in tmp_path.iterdir()} == {"config.yaml", "prior.json"}
    assert found["unit_survival"]["value"] is None
    assert all(law["value"] is None and law["note"] for law in found["width_law"].values())


@pytest.mark.parametrize("kind", ["nested", "shrinkage"])
def test_the_prior_solved_for_has_the_mean_width(kind: str) -> None:
    laws = view_prior(config(models={"kind": kind, "mean_width": 3})).overview.width_laws
    assert [law.value and law.value.mean for law in laws.values()] == pytest.approx([3.0, 3.0], abs=1e-10)


def test_the_strength_found_for_a_mean_cost_is_told(tmp_path: Path) -> None:
    view, found = show(tmp_path, models={"kind": "gibbs", "cost": "macs", "mean_cost": 20})
    assert isinstance(view.prior, GibbsComplexity)
    assert view.prior.mean_cost == pytest.approx(20, abs=1e-10)
    assert found["title"] == view.title
    assert f"beta {view.prior.beta:.6g} nats" in view.title


def test_the_same_prior_gives_the_same_bytes_and_another_is_refused(tmp_path: Path) -> None:
    show(tmp_path / "a", **KINDS["tilted"])
    first = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    show(tmp_path / "a", **KINDS["tilted"])
    show(tmp_path / "b", **KINDS["tilted"])
    for folder in ("a", "b"):
        assert {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()} == first
    with pytest.raises(RunFolderError, match=r"models\.kind is 'tilted' there, 'gibbs' here"):
        show(tmp_path / "a", **KINDS["gibbs"])
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == first


def test_an_estimated_prior_gives_the_same_numbers_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("MAX_ENTROPY_UNITS", "MAX_LAW_UNITS"):
        monkeypatch.setattr(f"bayes_guided.priors.models.cumulative_shrinkage.{limit}", 3)
    monkeypatch.setattr("bayes_guided.run.prior_view.draw_prior", lambda *_, **__: [])
    torch.manual_seed(1)
    _, first = show(tmp_path / "a", **KINDS["shrinkage"])
    torch.manual_seed(2)
    _, second = show(tmp_path / "b", **KINDS["shrinkage"])
    assert first == second
    assert first["entropy"]["standard_error"] > 0
    assert not first["entropy"]["exact"]
    assert first["most_probable"]["value"] is None
    assert first["most_probable"]["standard_error"] is None
    assert first["most_probable"]["note"]


def test_numbers_come_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("bayes_guided.run.prior_view.draw_prior", interrupted)
        with pytest.raises(KeyboardInterrupt):
            show(tmp_path, **KINDS["tilted"])
    assert {path.name for path in tmp_path.iterdir()} == {"config.yaml"}
    show(tmp_path, **KINDS["tilted"])
    assert {path.name for path in tmp_path.iterdir()} == FILES


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"models": {"kind": "nested", "mean_width": 6}}, WidthLawError),
        ({"models": {"kind": "nested", "law": {"layers.9": "uniform"}}}, ConfigError),
        ({**KINDS["tilted"], "input_shape": [3], "net": {"module": f"{__file__}:linear"}}, ExampleInputError),
    ],
)
def test_a_refusal_leaves_no_folder(tmp_path: Path, changes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        show_prior(config(**changes), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def linear() -> torch.nn.Module:
    """A network that takes five features."""
    return torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))


def test_a_single_group_has_no_panel_of_its_own_size() -> None:
    view = view_prior(config(**KINDS["tilted"], net={"name": "mlp", "settings": {"hidden": [5], "outputs": 2}}))
    assert list(view.overview.width_laws) == ["layers.0"]
