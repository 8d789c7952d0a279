"""The readings page: its numbers against theory, and nothing on it out of date."""

import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import poisson_binom

from experiments.readings import run
from experiments.readings.compute import Config, Layer, Setting, compute
from experiments.readings.tables import fill
from theory import densities, horseshoe, readings
from theory.identity import evidence_log_odds

CONFIG = Config.load(run.HERE / "config.yaml")
SMALL = replace(CONFIG, net=CONFIG.net | {"hidden": [16, 8]})
DIM = 65
MISSING = {
    ("GroupSqrtLaplace", "shrinkage"),
    ("Laplace", "shrinkage"),
    ("Normal", "shrinkage"),
    ("GroupHorseshoe", "evidence"),
}
GUIDANCE = 2 * np.arange(1, 17) / 17


@pytest.fixture(scope="module")
def small():
    return compute(SMALL)


@pytest.fixture(scope="module")
def full():
    return compute(CONFIG)


@pytest.fixture
def folder(tmp_path):
    """A copy of the page and its results, to spoil."""
    for name in ("README.md", "results.json"):
        shutil.copy(run.HERE / name, tmp_path)
    return tmp_path


def test_the_page_is_up_to_date(full):
    assert run.stale(full, CONFIG, run.HERE) == []


def test_the_table_follows_the_results():
    stored = json.loads((run.HERE / "results.json").read_text())
    readme = (run.HERE / "README.md").read_text()
    assert fill(readme, stored, CONFIG) == readme
    stored["readings"][0]["mean_width"] += 1.0
    assert fill(readme, stored, CONFIG) != readme


def test_a_stale_table_and_stale_results_are_told_apart(folder):
    results = json.loads((folder / "results.json").read_text())
    readme = (folder / "README.md").read_text()
    (folder / "README.md").write_text(readme.replace("| threshold", "| treshold", 1))
    assert [problem.split()[0] for problem in run.stale(results, CONFIG, folder)] == ["README.md"]
    (folder / "README.md").write_text(readme)
    results["readings"][0]["mean_width"] *= 1.001
    assert [problem.split()[0] for problem in run.stale(results, CONFIG, folder)] == ["results.json"]


def test_quick_prints_every_part_and_writes_nothing(capsys):
    before = {path: path.read_bytes() for path in run.HERE.iterdir() if path.is_file()}
    assert run.main(["--quick"]) == 0
    printed = capsys.readouterr().out
    assert "U = 16 units of D = 65 weights" in printed
    assert "P(width ≤ 8)" in printed
    assert before == {path: path.read_bytes() for path in run.HERE.iterdir() if path.is_file()}


def theory_log_odds(family, setting, strength):
    """Log odds by the oracle's own formulas; infinite where double precision cannot tell a probability from 0 or 1."""
    rate, value = strength * GUIDANCE, setting.value
    if family == "GroupLaplace":
        rate = rate * DIM**0.5
    if family == "GroupSqrtLaplace":
        rate = rate * DIM**0.75
    normalizers = {
        "GroupSqrtLaplace": densities.group_sqrt_log_normalizer,
        "Laplace": densities.laplace_log_normalizer,
        "Normal": densities.gaussian_log_normalizer,
    }
    if setting.kind == "evidence":
        if family == "GroupLaplace":
            return evidence_log_odds(rate, DIM, value)
        return normalizers[family](rate, DIM) + DIM / 2 * math.log(value / (2 * math.pi))
    if setting.kind == "shrinkage":
        if family == "GroupLaplace":
            return logit(readings.group_laplace_shrinkage_survival(rate, DIM, value))
        return logit(readings.horseshoe_shrinkage_survival(value**0.5 / rate))
    tau = value * DIM**0.5
    threshold = {
        "GroupLaplace": lambda: readings.group_laplace_survival(rate, DIM, tau),
        "Laplace": lambda: readings.group_laplace_survival(rate, DIM, value * DIM),
        "Normal": lambda: readings.gaussian_survival(rate, DIM, tau),
        "GroupSqrtLaplace": lambda: readings.group_sqrt_laplace_survival(rate, DIM, tau),
        "GroupHorseshoe": lambda: horseshoe.norm_survival(tau, rate, DIM),
    }
    return logit(threshold[family]())


@pytest.mark.parametrize("setting", CONFIG.settings, ids=str)
@pytest.mark.parametrize("family", CONFIG.families)
def test_log_odds_are_those_of_theory(family, setting, small):
    if (family, setting.kind) in MISSING:
        assert (family, setting.kind) in {(row["family"], row["reading"]) for row in small["missing"]}
        return
    layer = Layer(SMALL)
    # Around this strength the units' probabilities pass from 1 to 0.
    middle = layer.half_width_strength(family, setting)
    for strength in (0.7 * middle, middle, 1.4 * middle):
        odds = layer.log_odds(family, strength, setting).numpy()
        expected = theory_log_odds(family, setting, strength)
        # A probability near 1 tells less of its odds the nearer it is.
        told = np.abs(expected) < 12
        assert told.any()
        assert np.allclose(odds[told], expected[told], rtol=1e-7, atol=1e-9)
        assert (np.sign(odds) == np.sign(expected))[~told].all()


def test_widths_are_those_of_the_poisson_binomial_law(small):
    layer = Layer(SMALL)
    for row in small["readings"]:
        odds = layer.log_odds(row["family"], row["strength"], Setting(row["reading"], row["value"])).numpy()
        law = poisson_binom(expit(odds))
        assert row["mean_width"] == pytest.approx(law.mean(), abs=1e-9)
        assert row["sd_width"] == pytest.approx(law.std(), abs=1e-6)
        at_most_half = law.pmf(np.arange(9)).sum()
        assert math.exp(row["log_prob_at_most_half"]) == pytest.approx(at_most_half, abs=1e-12)


def test_half_of_the_units_are_expected_at_the_strength_that_says_so(small):
    layer = Layer(SMALL)
    for row in small["half_width"]:
        setting = Setting(row["reading"], row["value"])
        assert layer.mean_width(row["family"], row["strength"], setting) == pytest.approx(8, abs=1e-8)


def test_the_pruning_threshold_puts_no_mass_on_small_models(full):
    """The warning itself: every unit is present with a probability that is 1 to double precision (P10)."""
    rows = [row for row in full["readings"] if row["family"] == "GroupLaplace" and row["value"] == 0.01]
    assert len(rows) == len(CONFIG.strengths)
    for row in rows:
        assert expit(row["log_odds_last"]) == 1.0
        assert row["log_prob_at_most_half"] < -1000
