"""LeNet-5 on MNIST: sizes by formula against the package's counter, feature gates, and what the README claims."""

from pathlib import Path

import pytest
import torch
from torch import nn

import bayes_guided as bg
from experiments.lenet5_mnist.fits import architecture_of, start, widths
from experiments.lenet5_mnist.net import GatedFeatures
from experiments.lenet5_mnist.published import BARS, FULL, PUBLISHED, Bar, Size
from experiments.lenet5_mnist.run import STUDY
from experiments.lenet5_mnist.tables import by_setting, mean_error, size_of

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def lenet(a: int, b: int, d: int) -> nn.Module:
    """A LeNet-5 of these widths."""
    net = bg.nets.lenet5()
    net.conv1, net.conv2 = nn.Conv2d(1, a, 5), nn.Conv2d(a, b, 5)
    net.fc1, net.fc2 = nn.Linear(16 * b, d), nn.Linear(d, 10)
    return net


@pytest.mark.skipif(not (SHARED / "mnist").is_dir(), reason="MNIST of ../shared/data is not here")
def test_quick_prints_a_fit_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in STUDY.here.iterdir() if path.is_file()}
    assert STUDY.main(["--quick", "--data-dir", str(SHARED)]) == 0
    printed = capsys.readouterr().out
    assert "| B, training images shifted | 1 |" in printed
    assert "*published: BC-GHS*" in printed
    assert before == {path: path.read_bytes() for path in STUDY.here.iterdir() if path.is_file()}


@pytest.mark.parametrize(("a", "b", "d"), [(20, 50, 500), (5, 10, 16)])
def test_formulas_are_the_package_s_counter(a: int, b: int, d: int) -> None:
    size = Size((a, b, 16 * b, d))
    net = lenet(a, b, d)
    full = architecture_of(net).full()
    assert (size.parameters, size.macs) == (full.num_parameters, full.macs)
    assert size.parameters == sum(parameter.numel() for parameter in net.parameters())


def test_the_full_size_is_that_of_the_net() -> None:
    assert widths(bg.nets.lenet5()) == list(FULL.widths)
    assert FULL.parameters == 431_080


def test_each_feature_s_gate_is_a_unit_and_the_formula_holds_for_what_is_left() -> None:
    torch.manual_seed(0)
    net = GatedFeatures(lenet(4, 6, 9))
    architecture = architecture_of(net)
    groups = {group.name: (group.size, group.row_dim) for group in architecture.groups}
    assert groups == {"conv1": (4, 26), "features": (96, 1), "fc1": (9, 97)}
    masks = {group.name: torch.rand(group.size) < 0.6 for group in architecture.groups}
    rows = architecture.rows(net)
    architecture.write_rows(net, {name: row * masks[name][:, None] for name, row in rows.items()})
    small = bg.reduce(net, architecture.sub_architecture(masks))
    x = torch.randn(5, 1, 28, 28)
    torch.testing.assert_close(small(x), net(x))
    size = Size(tuple(widths(small)))  # pyright: ignore[reportArgumentType]
    assert size.widths == (int(masks["conv1"].sum()), 6, int(masks["features"].sum()), int(masks["fc1"].sum()))
    full = architecture_of(small).full()
    assert (size.parameters, size.macs) == (full.num_parameters, full.macs)
    assert size.parameters == sum(parameter.numel() for parameter in small.parameters())


def test_without_protection_a_channel_s_row_is_its_sixteen_gates() -> None:
    architecture = bg.Architecture.from_module(GatedFeatures(lenet(4, 6, 9)), torch.zeros(2, 1, 28, 28))
    assert {group.name: (group.size, group.row_dim) for group in architecture.groups}["features"] == (6, 16)


def test_starts_differ_by_seed_and_leave_torch_s_generator() -> None:
    before = torch.get_rng_state()
    first, again, other = (start(seed).get_parameter("fc2.bias") for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


def test_verdicts_say_what_is_missed_and_by_how_much() -> None:
    bar = BARS["C"]
    assert bar.verdict([Size((4, 9, 60, 14)), Size((3, 9, 50, 10))], 0.9) == "pass"
    assert bar.verdict([Size((5, 9, 64, 14))], 1.05) == "missed: error by 0.15 points; size by +1-+0-+4-+0"
    below = Bar(Size((5, 10, 76, 16)), 1.0)
    assert "size by +0 parameters and +0 MACs" in below.verdict([Size((5, 10, 76, 16))], 1.0)
    assert below.verdict([Size((4, 9, 60, 14))], 1.0) == "pass"


def test_published_sizes() -> None:
    """BC-GHS by hand: 26 * 5 + 126 * 10 + 77 * 16 + 17 * 10, and 576 * 125 + 64 * 1250 + 1216 + 160."""
    size = next(line.size for line in PUBLISHED if line.method == "BC-GHS")
    assert (size.parameters, size.macs) == (2792, 153_376)


def test_stored_sizes_are_those_of_the_package_s_counter() -> None:
    for row in (point for stored in STUDY.load() for point in stored["points"]):
        assert (row["parameters"], row["macs"]) == (size_of(row).parameters, size_of(row).macs)


def test_what_the_readme_reads_off_the_results() -> None:
    """All networks are small enough for their bars; B's mean error passes, A's misses by what the text names."""
    settings = by_setting(STUDY.load())
    readme = " ".join((STUDY.here / "README.md").read_text().split())
    for point, (low, high) in {"A": (0.85, 0.95), "B": (0.6, 0.85)}.items():
        rows = settings[point, 1]
        assert len(rows) == 3
        assert all(BARS[point].fits(size_of(row)) for row in rows)
        assert all(low <= row["train_error"] / row["test_error"] <= high for row in rows)
    assert f"A misses its error by {mean_error(settings['A', 1]) - BARS['A'].error:.2f} points" in readme
    assert f"On shifted images B passes: {mean_error(settings['B', 1]):.2f} %" in readme
    excess = {point: mean_error(settings[point, 0]) - BARS[point].error for point in ("A", "B")}
    assert f"both miss: B by {excess['B']:.2f} points and A by {excess['A']:.2f}" in readme
    assert all(BARS[point].fits(size_of(row)) for point in ("A", "B") for row in settings[point, 0])
    assert all(0.0015 <= row["train_error"] <= 0.007 for point in ("A", "B") for row in settings[point, 0])
    b = settings["B", 1]
    assert mean_error(b) <= BARS["B"].error
    for part in ("parameters", "macs"):
        assert 0.6 < sum(row[part] for row in b) / len(b) / getattr(BARS["B"].size, part) < 0.72
