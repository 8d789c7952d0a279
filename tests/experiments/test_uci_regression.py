"""The UCI experiment: its quick form, its units and choices, its table, and what its README says of the stored results."""

import math
from pathlib import Path
from statistics import mean

import pytest
import torch

from bayes_guided.datasets import load_uci
from experiments.uci_regression.methods import measure_methods
from experiments.uci_regression.published import LONGER, PAPER, PUBLISHED, SPLIT_LOGS
from experiments.uci_regression.run import STUDY
from experiments.uci_regression.tables import difference, tables

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
SETTINGS, GRID = STUDY.config(quick=False)
ROWS = STUDY.load()
MAP, SVI, ENSEMBLE = "MAP, refitted", "SVI, mean field", "ensemble of 8"


@pytest.mark.skipif(not (SHARED / "uci").is_dir(), reason="the UCI files of ../shared/data are not here")
def test_quick_measures_all_methods(capsys: pytest.CaptureFixture[str]) -> None:
    assert STUDY.main(["--quick", "--data-dir", str(SHARED)]) == 0
    printed = capsys.readouterr().out
    assert all(f"| yacht | {method} | 0 |" in printed for method in (MAP, SVI, "ensemble of 2"))


def test_numbers_are_in_the_data_s_own_units_and_the_strength_is_the_best_on_validation(tmp_path: Path) -> None:
    """A target that is ten times another has ten times its RMSE, and a log density that is less by log 10 per case."""
    torch.manual_seed(0)
    x = torch.randn(60, 2)
    y = (x @ torch.tensor([1.0, -2.0])).round(decimals=4)
    found = []
    for factor in (1, 10):
        folder = tmp_path / f"times{factor}"
        folder.mkdir()
        lines = (f"{a:.6f} {b:.6f} {factor * float(c):.4f}\n" for (a, b), c in zip(x.tolist(), y, strict=True))
        (folder / "data.txt").write_text("".join(lines))
        indices = {"features": [0, 1], "target": [2], "train_0": range(50), "test_0": range(50, 60)}
        for name, values in indices.items():
            (folder / f"index_{name}.txt").write_text("".join(f"{value}\n" for value in values))
        settings = STUDY.config(quick=True)[0] | {"hidden": 8, "strengths": [0.1, 1e4]}
        found.append(measure_methods(load_uci(folder, split=0), 0, 16, settings))
    assert found[0].keys() == found[1].keys() == {MAP, SVI, "ensemble of 2"}
    for method, one in found[0].items():
        ten = found[1][method]
        assert ten["rmse"] == pytest.approx(10 * one["rmse"], rel=1e-3)
        assert ten["log_density"] == pytest.approx(one["log_density"] - math.log(10), abs=1e-3)
        best = max(range(2), key=lambda place: one["validation_log_density"][place])
        assert one["strength"] == [0.1, 1e4][best]
        assert 1 <= one["width"] <= 8


def test_the_first_split_of_every_set_comes_before_the_second_of_any() -> None:
    cases = STUDY.cases({"datasets": ["a", "b"], "splits": [0, 1]})
    assert [tuple(case.values()) for case in cases] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


def test_the_stored_strengths_are_the_best_on_validation() -> None:
    for found in (found for row in ROWS for found in row["methods"].values()):
        best = max(range(len(SETTINGS["strengths"])), key=lambda place: found["validation_log_density"][place])
        assert found["strength"] == SETTINGS["strengths"][best]


def test_means_and_standard_errors_over_splits() -> None:
    found = {"log_density": -1.0, "width": 5, "parameters": 41, "seconds": 2.0}
    rows = [
        {"dataset": "yacht", "split": split, "methods": {"MAP": found | {"rmse": rmse}}}
        for split, rmse in enumerate([1.0, 2.0, 3.0, 4.0])
    ]
    # The sample's standard deviation is sqrt(5/3); over sqrt(4) that is 0.645.
    assert "| yacht | MAP | 0, 1, 2, 3 | 2.50 ± 0.65 | -1.00 ± 0.00 | 5.0 (5 to 5) | 41 | 2.0 |" in tables(rows)["results"]
    assert "| yacht | MAP | 0 | 1.00 | -1.00 |" in tables(rows[:1])["results"]


def test_differences_are_paired_by_split() -> None:
    """Ours less the published RMSE on splits 1 and 4 of energy, 1.007 and 0.980; a set without such a log has no line."""
    found = {"log_density": -1.0, "width": 5, "parameters": 41, "seconds": 2.0}
    rows = [
        {"dataset": "yacht", "split": 0, "methods": {"MAP": found | {"rmse": 9.0}}},
        {"dataset": "energy", "split": 1, "methods": {"MAP": found | {"rmse": 2.007}}},
        {"dataset": "energy", "split": 4, "methods": {"MAP": found | {"rmse": 3.980}}},
    ]
    assert tables(rows)["differences"].splitlines()[2:] == ["| energy | *MC dropout, 10x epochs* | MAP | 2.00 ± 1.00 |"]


def of(dataset: str, method: str, quantity: str) -> list[float]:
    """The stored values of a quantity, split by split."""
    return [row["methods"][method][quantity] for row in ROWS if row["dataset"] == dataset]


class TestReading:
    """What the README says of the stored results."""

    def test_five_splits_of_every_set(self) -> None:
        assert [(row["dataset"], row["split"]) for row in ROWS] == [
            (case["dataset"], case["split"]) for case in STUDY.cases(GRID)
        ]
        assert len(ROWS) == 20

    @pytest.mark.parametrize("method", [MAP, ENSEMBLE])
    def test_energy(self, method: str) -> None:
        longer = PUBLISHED["energy"][LONGER]
        assert mean(of("energy", method, "rmse")) < longer.rmse / 2
        assert all(ours < theirs for ours, theirs in zip(of("energy", method, "rmse"), SPLIT_LOGS["energy"].rmse, strict=True))
        assert 0.9 < mean(of("energy", method, "log_density")) - longer.log_density < 1.1
        assert 14 <= min(of("energy", method, "width")) <= max(of("energy", method, "width")) <= 26

    def test_yacht(self) -> None:
        paper, longer = PUBLISHED["yacht"].values()
        assert max(mean(of("yacht", method, "rmse")) for method in (MAP, ENSEMBLE)) < longer.rmse < paper.rmse
        for method in (MAP, ENSEMBLE):
            for width, strength in zip(of("yacht", method, "width"), of("yacht", method, "strength"), strict=True):
                assert width < 5.1 if strength == 30 else 14 <= width <= 21
        assert min(of("yacht", ENSEMBLE, "log_density")) > max(paper.log_density, longer.log_density)
        density = of("yacht", MAP, "log_density")
        assert (round(density[3], 2), round(of("yacht", MAP, "rmse")[3], 2)) == (-2.94, 1.01)
        implied = 0.416  # the smaller noise scale of a normal with this RMSE and this mean log density
        assert math.log(implied) + 0.5 * math.log(2 * math.pi) + (1.01 / implied) ** 2 / 2 == pytest.approx(2.94, abs=0.05)
        assert min(density[:3] + density[4:]) > longer.log_density

    def test_power_plant(self) -> None:
        widths = [width for method in (MAP, SVI, ENSEMBLE) for width in of("power-plant", method, "width")]
        assert (min(widths), max(widths)) == (32, 43)
        assert all(abs(difference(ROWS, "power-plant", method)[0]) < 0.025 for method in (MAP, ENSEMBLE))
        assert round(difference(ROWS, "power-plant", SVI)[0], 2) == 0.04
        assert (
            sum(strength == 1 for method in (MAP, SVI, ENSEMBLE) for strength in of("power-plant", method, "strength")) == 14
        )

    def test_concrete_is_the_miss(self) -> None:
        for method in (MAP, SVI, ENSEMBLE):
            assert 0.4 < difference(ROWS, "concrete", method)[0] < 0.6
            assert mean(of("concrete", method, "rmse")) > PUBLISHED["concrete"][PAPER].rmse
            assert mean(of("concrete", method, "rmse")) < 5.72
            assert 8 <= min(of("concrete", method, "width")) <= max(of("concrete", method, "width")) < 24.5
        worst = sorted(range(5), key=of("concrete", MAP, "rmse").__getitem__)[-2:]
        assert sorted(worst) == [split for split in range(5) if of("concrete", MAP, "strength")[split] == 30] == [3, 4]
        assert [of("concrete", MAP, "width")[split] for split in worst] == [8, 8]

    def test_svi_keeps_the_fewest_units_and_pays(self) -> None:
        for dataset in ("yacht", "energy", "power-plant"):
            assert mean(of(dataset, SVI, "width")) < min(mean(of(dataset, method, "width")) for method in (MAP, ENSEMBLE))
        paper, longer = PUBLISHED["yacht"].values()
        assert set(of("yacht", SVI, "width")) == {5, 6}
        assert longer.rmse < mean(of("yacht", SVI, "rmse")) < paper.rmse
        few = [width <= 12 for width in of("energy", SVI, "width")]
        assert sorted(width for width in of("energy", SVI, "width") if width <= 12) == [11, 12]
        assert all(error > 1.1 if small else error < 0.64 for error, small in zip(of("energy", SVI, "rmse"), few, strict=True))

    def test_time(self) -> None:
        assert round(sum(row["cpu_seconds"] for row in ROWS) / 60) == 15
        each = {name: mean(row["cpu_seconds"] for row in ROWS if row["dataset"] == name) for name in GRID["datasets"]}
        assert {name: round(seconds) for name, seconds in each.items()} == {
            "yacht": 28,
            "energy": 35,
            "concrete": 48,
            "power-plant": 68,
        }
        final = sum(found["seconds"] for row in ROWS for found in row["methods"].values())
        assert 0.3 < final / sum(row["cpu_seconds"] for row in ROWS) < 0.36
