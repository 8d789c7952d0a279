"""LeNet-5 on MNIST: sizes by formula against the package's counter, feature gates, and what the README claims."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

import bayes_guided as bg
from experiments.lenet5_mnist import fits
from experiments.lenet5_mnist.fits import Setting, batches_of, error_of, narrowed, of_form, start
from experiments.lenet5_mnist.net import GatedFeatures, WithDropout
from experiments.lenet5_mnist.published import BARS, FULL, PUBLISHED, Bar, Size
from experiments.lenet5_mnist.run import STUDY
from experiments.lenet5_mnist.tables import Row, by_setting, mean_error, size_of
from experiments.lenet5_mnist.teacher import TaughtImages, Teacher, ridge_fit
from experiments.lenet5_mnist.units import architecture_of, widths

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


def test_a_teacher_without_its_dropout_is_the_net() -> None:
    torch.manual_seed(0)
    net, x = lenet(4, 6, 9), torch.randn(5, 1, 28, 28)
    teacher = WithDropout(net, 0.5)
    torch.testing.assert_close(teacher.eval()(x), net(x))
    assert not torch.allclose(teacher.train()(x), net(x))


@pytest.mark.parametrize("pixels", [0, 1])
def test_what_the_teacher_says_is_of_the_image_where_it_is(pixels: int) -> None:
    torch.manual_seed(0)
    teacher, images = Teacher([lenet(3, 4, 5), lenet(2, 3, 4)]), torch.rand(7, 1, 28, 28)
    taught = TaughtImages(images, teacher, pixels, temperature=2.0)
    assert taught.probabilities.shape == (2 * pixels + 1, 2 * pixels + 1, 7, 10)
    batches = list(taught.batches(3))
    assert [len(x) for x, _ in batches] == [3, 3, 1]
    for x, said in batches:
        torch.testing.assert_close(said, sum((member(x) / 2).softmax(dim=1) / 2 for member in teacher.members))
    drawn = torch.cat([x for x, _ in batches])
    at_home = (drawn[:, None] == images).flatten(2).all(dim=2)
    assert bool(at_home.any(dim=0).all()) == (pixels == 0)


def test_without_a_teacher_the_targets_are_the_labels() -> None:
    torch.manual_seed(0)
    images, labels, teacher = torch.rand(7, 1, 28, 28), torch.arange(7), Teacher([lenet(3, 4, 5)])
    for given, dtype in ((None, torch.int64), (teacher, torch.float32)):
        (_, targets), *others = batches_of((images, labels), given, 1, 2.0)(4)
        assert (targets.dtype, len(targets), len(others)) == (dtype, 4, 1)


def test_numbers_given_by_form_are_those_of_the_form() -> None:
    recipe = {"epochs": {"1": 30, "0": 8}, "lr": 0.003}
    assert of_form(recipe, 1) == {"epochs": 30, "lr": 0.003}
    assert of_form(recipe, 0) == {"epochs": 8, "lr": 0.003}


def test_a_ridge_fit_removes_nothing_and_learns_what_the_teacher_says() -> None:
    """Labels that the inputs do not hold: the best is the mean of what is said, whose NLL is its entropy."""
    torch.manual_seed(0)
    said = torch.tensor([0.7, 0.3] + [0.0] * 8).expand(64, 10)
    recipe = {"ridge": 1e-6, "epochs": 40, "batch_size": 16, "lr": 0.01}
    fit = ridge_fit(lenet(3, 4, 5), (torch.rand(64, 1, 28, 28), said), recipe, seed=0)
    assert fit.sub_architecture().widths == {"conv1": 3, "conv2": 4, "fc1": 5}
    entropy = -(0.7 * math.log(0.7) + 0.3 * math.log(0.3))
    assert entropy <= fit.history.epochs[-1].nll < entropy + 0.02


def test_a_stage_ends_when_the_network_is_small_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    setting = Setting((torch.rand(32, 1, 28, 28), torch.arange(32) % 10), shift=1, seed=0)
    stage = {"guidance": "linear", "strength": 1e-3, "rise": 1.0, "across": {"conv1": 1.0}}
    stage |= {"epochs": 1, "lr": 0.001, "batch_size": 16}
    net = lenet(3, 4, 5)
    assert narrowed(net, stage | {"below": {"macs": 10**6, "parameters": 10**4}}, setting, 0) is net
    monkeypatch.setattr(fits, "ROUNDS", 2)
    with pytest.raises(ValueError, match=r"after 2 fits the network is still .*\[3, 4, 64, 5\].* raise `strength`"):
        narrowed(net, stage | {"below": {"macs": 10**6, "parameters": 10}}, setting, 0)


def test_an_error_is_the_fraction_that_is_wrong() -> None:
    torch.manual_seed(0)
    net, x = lenet(3, 4, 5), torch.rand(30, 1, 28, 28)
    labels = net(x).argmax(dim=1)
    labels[:6] = (labels[:6] + 1) % 10
    assert error_of(net, (x, labels)) == 0.2


def test_stages_with_a_point_stop_below_its_bar() -> None:
    stages = [stage for stage in STUDY.config(quick=False)[0]["stages"] if "point" in stage]
    assert {stage["point"] for stage in stages} >= {"A", "B"}
    for stage in stages:
        size = BARS[stage["point"]].size
        assert stage["below"] == {"macs": size.macs, "parameters": size.parameters}


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
    """All networks are small enough for their bars; each setting's mean error passes or misses as the text says."""
    settings = by_setting(STUDY.load())
    readme = " ".join((STUDY.here / "README.md").read_text().split())
    assert {key: len(rows) for key, rows in settings.items()} == {(p, s): 3 for p in "AB" for s in (0, 1)}
    for (point, shift), rows in settings.items():
        assert all(BARS[point].fits(size_of(row)) for row in rows)
        assert min(row["parameters"] for row in rows) / BARS[point].size.parameters >= 0.88
        low, high = (0.65, 1.0) if shift else (0.7, 1.07)
        assert all(low <= round(row["train_error"] / row["test_error"], 2) <= high for row in rows)
        excess = mean_error(rows) - BARS[point].error
        form = "shifted" if shift else "as they are"
        verdict = f"misses by {excess:.2f} points" if excess > 0 else "passes"
        assert f"{point} {form} {verdict}, {mean_error(rows):.2f} %" in readme
    shifted, taught = settings["A", 1], settings["A", 0] + settings["B", 0]
    assert [min(shifted, key=error)["widths"][3], max(shifted, key=error)["widths"][3]] == [13, 9]
    assert sorted(row["widths"][3] for rows in (settings["A", 1], settings["A", 0]) for row in rows) == [9, 9, 10, 10, 11, 13]
    assert all(0.008 <= row["train_error"] < 0.0145 for row in taught)
    assert all(0.0083 <= row["teacher_error"] <= 0.0086 < row["test_error"] for row in taught)


def error(row: Row) -> float:
    """The test error of the network handed over."""
    return row["test_error"]
