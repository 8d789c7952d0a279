"""One network on two real processes, started by torchrun, against one process with the same global batches."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import bayes_guided as bg
from bayes_guided.exceptions import ConfigError
from bayes_guided.infer.training.processes import Processes, current_processes
from tests.infer.problems import LEARNED_NOISE

ROOT = Path(__file__).parents[3]


def fitted(folder: Path, processes: int, *kill_at: str) -> int:
    """Runs the fit and returns the exit code."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    command = [sys.executable, *torchrun, "-m", "tests.infer.shared_fit", str(folder), *kill_at]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=120, check=False).returncode


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    assert fitted(folder, 2) == 0
    return [bg.load_fit(folder / f"fit{rank}", LEARNED_NOISE.net().double()) for rank in range(2)]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    assert fitted(folder, 1) == 0
    return bg.load_fit(folder / "fit0", LEARNED_NOISE.net().double())


def states(fit):
    return [*fit.net.state_dict().values(), *fit.refit.net.state_dict().values(), fit.likelihood.log_scale.detach()]


def test_both_processes_end_with_the_same_bits(two):
    assert all(torch.equal(a, b) for a, b in zip(states(two[0]), states(two[1]), strict=True))
    assert two[0].history == two[1].history


def test_two_processes_compute_what_one_does(one, two):
    assert 0 < sum(one.sub_architecture().widths.values()) < 20, "some units left and some did not"
    assert one.sub_architecture().widths == two[0].sub_architecture().widths
    for alone, shared in zip(states(one), states(two[0]), strict=True):
        torch.testing.assert_close(shared, alone, rtol=1e-8, atol=1e-10)
    for alone, shared in zip(one.history.epochs, two[0].history.epochs, strict=True):
        assert shared.loss == pytest.approx(alone.loss, rel=1e-10)
        assert shared.error == pytest.approx(alone.error, rel=1e-10)
        assert shared.widths == alone.widths


def test_a_killed_pair_goes_on_to_the_same_bits(two, tmp_path):
    assert fitted(tmp_path, 2, "14") != 0
    assert (tmp_path / "checkpoint" / "map.safetensors").exists()
    assert fitted(tmp_path, 2) == 0
    resumed = bg.load_fit(tmp_path / "fit0", LEARNED_NOISE.net().double())
    assert all(torch.equal(a, b) for a, b in zip(states(resumed), states(two[0]), strict=True))
    assert resumed.history == two[0].history


def test_the_readme_example_runs(tmp_path):
    section = (ROOT / "README.md").read_text().partition("### One network on several processes")[2]
    script = section.partition("```python\n")[2].partition("```")[0].replace("epochs=60", "epochs=1")
    (tmp_path / "digits.py").write_text(script)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "digits.py"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(torchrun, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("MACs per sample") == 1, "one process speaks"
    bg.load_fit(tmp_path / "runs" / "digits", bg.nets.mlp(64, (256, 128), outputs=10))


def test_alone_nothing_is_shared():
    processes = current_processes()
    assert processes == Processes(0, 1)
    assert processes.is_first
    inputs, targets = torch.randn(3, 2), torch.randn(3)
    assert processes.share(inputs, targets) == (inputs, targets)
    weight = nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    assert processes.average([weight], torch.tensor(2.0), torch.tensor(0.5), 3)[2] == 3
    assert weight.grad.tolist() == [1.0, 1.0]


def test_shares_partition_a_batch_and_a_smaller_batch_is_refused():
    inputs, targets = torch.arange(7.0)[:, None], torch.arange(7)
    shares = [Processes(rank, 3).share(inputs, targets) for rank in range(3)]
    assert torch.equal(torch.cat([share[0] for share in shares]), inputs)
    assert [len(share[1]) for share in shares] == [3, 2, 2]
    with pytest.raises(ConfigError, match=r"2 cases cannot be shared by 3 processes"):
        Processes(0, 3).share(inputs[:2], targets[:2])
