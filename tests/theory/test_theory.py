"""The oracle is sound (every check passes), independent (it imports nothing of ours) and cannot fail quietly."""

import ast
import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import theory
from theory import expected_penalty, overlap, sparse_group
from theory.__main__ import main, module_names, run, table
from theory.checks import Check

FOLDER = Path(theory.__path__[0])
FORBIDDEN = {"bayes_guided", "torch", "pyro"}


@pytest.mark.parametrize("name", module_names())
def test_every_check_of_the_module_passes(name: str) -> None:
    found = run(name)
    failed = [check for check in found if not check.passed]
    assert found
    assert not failed, f"\n{table(failed)}"
    assert all(0 <= check.tolerance < math.inf for check in found)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("**/*.py")), ids=lambda path: path.stem)
def test_no_module_imports_what_it_is_to_judge(path: Path) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or node.module is None or node.module.split(".")[0] not in FORBIDDEN
            imported.add((node.module or "").split(".")[0])
    assert not imported & FORBIDDEN


def runner_status(folder: Path, value: str) -> int:
    """Exit status of `python -m theory` on a copy of the runner whose one module yields this value against 1."""
    package = folder / "theory"
    package.mkdir()
    for name in ("__init__", "__main__", "checks"):
        shutil.copy(FOLDER / f"{name}.py", package)
    (package / "claim.py").write_text(
        f"from theory.checks import Check\n\ndef checks():\n    return [Check('P0', 'claim', float('{value}'), 1.0, 1e-9)]\n"
    )
    done = subprocess.run([sys.executable, "-m", "theory"], cwd=folder, capture_output=True, text=True, check=False)
    assert "1 checks" in done.stdout, done.stderr
    return done.returncode


@pytest.mark.parametrize(("value", "status"), [("1.0", 0), ("2.0", 1), ("nan", 1), ("inf", 1)])
def test_runner_exit_status(tmp_path: Path, value: str, status: int) -> None:
    assert runner_status(tmp_path, value) == status


def test_runner_fails_when_there_is_nothing_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theory.__main__.module_names", list)
    assert main([]) == 1


@pytest.mark.parametrize(
    ("value", "reference", "tolerance"),
    [(math.nan, 0.0, 1.0), (0.0, math.nan, 1.0), (0.0, 0.0, math.nan), (math.inf, math.inf, 1.0), (0.0, 1.1, 1.0)],
)
def test_check_fails(value: float, reference: float, tolerance: float) -> None:
    assert not Check("P0", "claim", value, reference, tolerance).passed


def test_check_passes_at_its_tolerance() -> None:
    assert Check("P0", "claim", 0.5, 1.0, 0.5).passed


def test_table_marks_the_failed_line() -> None:
    lines = table([Check("P0", "right", 1.0, 1.0, 0.0), Check("P0", "wrong", 1.0, 2.0, 0.5)]).splitlines()
    assert lines[1].endswith("pass")
    assert lines[2].endswith("FAIL")


@pytest.mark.parametrize(("rate", "group_rate"), [(0.0, 0.0), (-1.0, 2.0), (2.0, -1.0)])
def test_sparse_group_refuses_rates_without_a_density(rate: float, group_rate: float) -> None:
    with pytest.raises(ValueError, match="rates must be"):
        sparse_group.log_normalizer(rate, group_rate, 3)


def test_overlap_refuses_an_uncovered_weight() -> None:
    with pytest.raises(ValueError, match="positive rate"):
        overlap.log_normalizer(np.array([[True, False]]), np.array([1.0]), 10, np.random.default_rng(0))


def test_overlap_bounds_refuse_a_weight_of_one_group() -> None:
    with pytest.raises(ValueError, match="exactly two"):
        overlap.log_normalizer_bounds(np.array([[True, True], [True, False]]), np.ones(2))


@pytest.mark.parametrize("power", [0.0, 2.0])
def test_expected_norm_power_refuses_powers_without_the_integral(power: float) -> None:
    with pytest.raises(ValueError, match="power must lie"):
        expected_penalty.expected_norm_power(np.ones(2), np.ones(2), power)
