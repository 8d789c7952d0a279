"""`bayes-guided prior`: what is printed, what is written, and how it declines."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.run.test_prior_view import KINDS
from tests.test_cli import invoke, refusal

NET = {"name": "mlp", "settings": {"hidden": [7, 5], "outputs": 3}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder; figures are not drawn (test_prior_view draws them)."""
    monkeypatch.setattr("bayes_guided.run.prior_view.draw_prior", lambda *_, **__: [])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, **settings: Any) -> Path:
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump({"net": NET, "input_shape": [4], **settings}))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_shown(kind: str, folder: Path) -> None:
    result = invoke("prior", write(folder, **KINDS[kind]))
    assert result.exit_code == 0
    assert result.stderr == ""
    found = json.loads(Path("priors/small/prior.json").read_text())
    assert result.stdout.splitlines()[0] == found["title"]
    assert result.stdout.splitlines()[-1] == "written to priors/small"
    assert f"entropy: {found['entropy']['value']:.6g} nats" in result.stdout
    for name, law in found["width_law"].items():
        numbers = [f"{law['value']['mean']:.5g}", f"{law['value']['sd']:.4g}", f"{law['value']['quantile_95']}"]
        rows = [line.split() for line in result.stdout.splitlines() if name in line]
        assert any(all(number in row for number in numbers) for row in rows), name
    assert f"{found['size_law']['value']['mean']:.5g}" in result.stdout
    for model in found["most_probable"]["value"]:
        assert f"{model['log_prob']:.6g}" in result.stdout
    if found["wanted_guidance"]:
        assert found["wanted_guidance"]["form"] in result.stdout
        for strength in found["wanted_guidance"]["strengths"].values():
            assert f"{strength:.6g}" in result.stdout


@pytest.mark.parametrize("name", ["prior_digits.yaml", "prior_evidence.yaml"])
def test_examples(name: str, folder: Path) -> None:
    result = invoke("prior", str(files("bayes_guided") / "configs" / name), "--out", "here")
    assert result.exit_code == 0
    found = json.loads((folder / "here" / "prior.json").read_text())
    assert {name: round(law["value"]["mean"]) for name, law in found["width_law"].items()}.keys() == {"layers.0", "layers.1"}
    assert found["wanted_guidance"]["mean_widths"] == pytest.approx({"layers.0": 40, "layers.1": 20})


def test_what_is_not_exact_is_marked_and_explained(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("MAX_ENTROPY_UNITS", "MAX_LAW_UNITS"):
        monkeypatch.setattr(f"bayes_guided.priors.models.cumulative_shrinkage.{limit}", 6)
    result = invoke("prior", write(folder, **KINDS["shrinkage"]), "--out", "here")
    assert result.exit_code == 0
    found = json.loads(Path("here/prior.json").read_text())
    assert f"≈ {found['width_law']['layers.0']['value']['mean']:.5g}" in result.stdout
    assert f"≈ {found['width_law']['layers.1']['value']['mean']:.5g}" not in result.stdout
    entropy = found["entropy"]
    assert f"entropy: ≈ {entropy['value']:.6g} nats ± {entropy['standard_error']:.2g} (standard error)" in result.stdout
    assert "most probable models: not available: widths and most probable masks" in result.stdout
    assert "width of layers.0, width of all groups: standard error up to" in result.stdout
    assert "Most probable models" not in result.stdout


def test_what_cannot_be_computed_at_all_is_a_dash_with_a_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, value in (("MAX_ENTROPY_UNITS", 3), ("MAX_LAW_UNITS", 3), ("MAX_CONDITIONED_COST", 3)):
        monkeypatch.setattr(f"bayes_guided.priors.models.cumulative_shrinkage.{limit}", value)
    result = invoke("prior", write(folder, models={"kind": "shrinkage", "strength": 1, "min_width": 2}), "--out", "here")
    assert result.exit_code == 0
    assert "survival, width of layers.0, " in result.stdout
    assert "and 2 more: not available: conditioning 7 units" in result.stdout
    assert "entropy: " not in result.stdout
    assert all(line.split("│")[2].strip() == "-" for line in result.stdout.splitlines() if "layers." in line and "│" in line)


def test_many_groups_share_a_column(folder: Path) -> None:
    net = {"name": "mlp", "settings": {"hidden": [3, 4, 3, 4, 3], "outputs": 3}}
    result = invoke("prior", write(folder, net=net, models={"kind": "nested", "law": "uniform"}), "--out", "here")
    first = json.loads(Path("here/prior.json").read_text())["most_probable"]["value"][0]
    assert "-".join(str(width) for width in first["widths"].values()) in result.stdout
    assert "in network order" in result.stdout


def test_refusals_are_one_line_and_leave_nothing(folder: Path) -> None:
    config = write(folder, **KINDS["tilted"])
    assert "unknown key 'models.strenght', the nearest known one is 'models.strength'" in refusal(
        "prior", config, "--set", "models.strenght=2"
    )
    assert "'none.yaml' cannot be read" in refusal("prior", "none.yaml")
    assert "between 0 and 2.5" in refusal("prior", config, "--set", "models.mean_width=3")
    assert "has no group" not in refusal("prior", config, "--set", "models.min_width=9")
    assert "outputs" in refusal("prior", config, "--set", "net.settings={hidden: [3]}")
    assert not Path("priors").exists()
    Path("full").mkdir()
    Path("full/notes.txt").write_text("")
    assert "other files" in refusal("prior", config, "--out", "full")
    assert "cannot" in refusal("prior", config, "--out", "/proc/here")


def test_a_second_look_shows_the_same(folder: Path) -> None:
    config = write(folder, **KINDS["tilted"])
    assert invoke("prior", config).stdout == invoke("prior", config).stdout
    assert "models.strength is 1.0 there, 2.0 here" in refusal("prior", config, "--set", "models.strength=2")
