"""The scale benchmark on its small networks."""

import json

import torch

from experiments.benchmarks import scale
from experiments.benchmarks.large_nets import ResNet50, transformer


def test_the_large_networks_have_the_sizes_that_they_claim():
    with torch.device("meta"):
        assert sum(p.numel() for p in ResNet50().parameters()) == 25_557_032  # He et al.'s network
        assert sum(p.numel() for p in transformer().parameters()) == 99_230_208


def test_quick_measures_everything(tmp_path, monkeypatch, capsys):
    threads = torch.get_num_threads()
    monkeypatch.setattr("sys.argv", ["scale", "--quick", "--threads", "1", "--out", str(tmp_path / "scale.json")])
    try:
        scale.main()
    finally:
        torch.set_num_threads(threads)
    report = json.loads((tmp_path / "scale.json").read_text())
    nets = report["residual network, by width"]
    assert [row["groups"] for row in nets["sizes"]] == [37, 37]
    assert all(0 < row["parameters_reduced"] < 0.5 * row["parameters"] for row in nets["sizes"])
    assert set(nets["slopes"]) == {name for name in nets["sizes"][0] if name.endswith("_s")}
    assert "slope" in capsys.readouterr().out


def test_slopes_are_exponents():
    rows = [{"parameters": n, "work_s": 3e-9 * n**1.5, "units": 1.0} for n in (1e3, 1e4, 1e6)]
    assert abs(scale.slopes(rows)["work_s"] - 1.5) < 1e-9
