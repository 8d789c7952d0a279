"""LeNet-300-100: its quick form, gates, its counts and verdicts, and what its README says of the stored results."""

from pathlib import Path
from statistics import mean

import pytest
import torch
from torch import nn

import bayes_guided as bg
from bayes_guided.config import load_config
from bayes_guided.config.fit import MAPSettings
from experiments.lenet300_mnist.bars import BARS, macs, parameters
from experiments.lenet300_mnist.figure import read_counts
from experiments.lenet300_mnist.fits import FORMS, guidance
from experiments.lenet300_mnist.net import PIXELS, gated_again, gated_lenet300
from experiments.lenet300_mnist.run import STUDY
from experiments.lenet300_mnist.tables import SETTINGS, networks
from experiments.lenet300_mnist.teacher import answers, convolutional, mixed_labels, teacher

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
ROWS = STUDY.load()
TEXT = " ".join((STUDY.here / "README.md").read_text().split())
GROUPS = (PIXELS, "layers.layers.0", "layers.layers.1")


@pytest.mark.skipif(not (SHARED / "mnist").is_dir(), reason="the MNIST files of ../shared/data are not here")
def test_quick_goes_through_both_rounds_and_both_forms(capsys: pytest.CaptureFixture[str]) -> None:
    assert STUDY.main(["--quick", "--data-dir", str(SHARED)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| small |")]
    assert [line.split(" | ")[1] for line in lines] == list(FORMS)
    assert all("784-" not in line for line in lines), "gates leave even in the quick form"


def test_a_second_round_has_gates_on_the_pixels_that_are_left() -> None:
    torch.manual_seed(0)
    net = gated_lenet300(0.2).eval()
    inputs = torch.randn(4, 784)
    architecture = bg.Architecture.from_module(net, inputs)
    assert tuple(group.name for group in architecture.groups) == GROUPS
    masks = {group.name: torch.arange(group.size) % 3 == 0 for group in architecture.groups}
    small = bg.reduce(net, architecture.sub_architecture(masks))
    again = gated_again(small, int(masks[PIXELS].sum()), 0.2).eval()  # pyright: ignore[reportArgumentType]
    assert torch.allclose(again(inputs), small(inputs), atol=1e-6)
    found = bg.Architecture.from_module(again, inputs)
    assert tuple(group.name for group in found.groups) == GROUPS
    assert [group.size for group in found.groups] == [262, 100, 34]
    assert found.full().macs == macs((262, 100, 34))
    read = torch.autograd.functional.jacobian(lambda x: again(x).sum(0), inputs).abs().sum(dim=(0, 1)) > 0
    assert bool((read <= masks[PIXELS]).all())


@pytest.fixture(scope="module")
def taught() -> bg.MAPFit:
    torch.manual_seed(0)
    images = torch.randn(64, 784)
    chosen = {"channels": [2, 3], "hidden": 5, "dropout": [0.5, 0.5], "ridge": 5.0, "lr": 0.002, "batch_size": 32, "epochs": 1}
    return teacher((images, torch.arange(64) % 10), chosen, moves=True, seed=3)


def test_a_teacher_answers_for_an_image_with_its_mean_over_the_nine_moves(taught: bg.MAPFit) -> None:
    torch.manual_seed(1)
    images = torch.randn(3, 784)
    padded = nn.functional.pad(images.view(3, 28, 28), (1, 1, 1, 1), value=float(images.min()))
    moved = [padded[:, row : row + 28, column : column + 28].flatten(1) for row in range(3) for column in range(3)]
    with torch.no_grad():
        wanted = torch.stack([taught.net(form).softmax(dim=1) for form in moved]).mean(dim=0)
    torch.testing.assert_close(answers(taught, images, moves=True), wanted)
    torch.testing.assert_close(answers(taught, images, moves=False), taught.predict(images))


def test_a_teacher_is_a_function_of_its_seed_and_answers_without_dropout(taught: bg.MAPFit) -> None:
    images = torch.randn(4, 784)
    assert torch.equal(taught.predict(images), taught.predict(images))
    net = convolutional((2, 3), 5, (0.5, 0.5))
    assert [tuple(part.weight.shape) for part in net if isinstance(part, nn.Linear)] == [(5, 48), (10, 5)]


def test_targets_are_shared_between_the_label_and_the_teacher() -> None:
    targets = mixed_labels(torch.tensor([2, 0]), torch.full((2, 10), 0.1), 0.3)
    assert targets[0].tolist() == pytest.approx([0.03, 0.03, 0.73, *[0.03] * 7])
    assert targets[1].tolist() == pytest.approx([0.73, *[0.03] * 9])


def test_pixels_are_pressed_alike_and_later_neurons_harder() -> None:
    architecture = bg.Architecture.from_module(gated_lenet300(0.0), torch.zeros(2, 784))
    values = guidance(architecture, {PIXELS: 30.0, GROUPS[2]: 3.5}).coefficients(architecture)
    assert torch.equal(values[PIXELS], torch.full((784,), 30.0, dtype=torch.float64))
    assert bool((values[GROUPS[1]].diff() > 0).all())
    assert float(values[GROUPS[2]].mean()) == pytest.approx(3.5)


@pytest.mark.parametrize("widths", [(97, 71, 33), (784, 300, 100)])
def test_counts_are_those_of_the_network(widths: tuple[int, int, int]) -> None:
    net = nn.Sequential(nn.Linear(widths[0], widths[1]), nn.Linear(widths[1], widths[2]), nn.Linear(widths[2], 10))
    assert parameters(widths) == sum(parameter.numel() for parameter in net.parameters())
    assert macs(widths) == sum(layer.weight.numel() for layer in net if isinstance(layer, nn.Linear))


def _network(widths: tuple[int, int, int], error: float) -> dict[str, object]:
    return {"widths": list(widths), "parameters": parameters(widths), "macs": macs(widths), "error": error}


def test_verdicts_say_what_is_missed_and_by_how_much() -> None:
    layerwise, costs = BARS["A"], BARS["B"]
    assert layerwise.verdict([_network((266, 88, 33), 0.015), _network((200, 80, 20), 0.017)]) == "pass"
    assert layerwise.verdict([_network((267, 10, 33), 0.015)]) == "missed: widest 267-10-33"
    assert layerwise.verdict([_network((10, 10, 10), 0.0172)]) == "missed: 0.12 points above the error"
    assert costs.verdict([_network((100, 86, 14), 0.018)]) == "pass"
    assert "1 parameters too many, 1 macs too many" in costs.verdict([_network((311, 86, 14), 0.01)])


def test_pixels_are_counted_where_they_lie() -> None:
    counts = read_counts([{"pixels": [0, 29]}, {"pixels": [29, 783]}])
    assert (counts[0, 0], counts[1, 1], counts[27, 27], counts.sum()) == (1, 2, 1, 4)


@pytest.mark.parametrize("form", FORMS)
def test_stored_counts_are_those_of_the_stored_widths(form: str) -> None:
    for row in (row[setting][form] for row in ROWS for setting in SETTINGS):
        assert (row["macs"], row["parameters"]) == (macs(row["widths"]), parameters(row["widths"]))
        assert len(row["pixels"]) == row["widths"][0] == len(set(row["pixels"]))


def test_the_configuration_of_one_seed_is_the_medium_setting() -> None:
    config = load_config(STUDY.here / "fit.yaml")
    settings, _ = STUDY.config(quick=False)
    chosen = settings["networks"]["medium"]["rounds"][0]
    assert config.prior is not None
    assert config.net.settings == {"dropout": chosen["dropout"]}
    assert config.prior.strength == chosen["strength"]
    assert isinstance(config.fit, MAPSettings)
    assert config.fit.epochs == chosen["epochs"]
    assert config.fit.lr == settings["lr"]
    architecture = bg.Architecture.from_module(config.net.build(), torch.zeros(2, 784))
    ours = guidance(architecture, chosen["across"]).coefficients(architecture)
    theirs = config.prior.build(architecture).coefficients
    assert all(float(theirs[name].mean()) == pytest.approx(float(ours[name].mean())) for name in GROUPS)


def _mean(setting: str, form: str, error: str = "error") -> float:
    return 100 * mean(row[error] for row in networks(ROWS, setting, form))


def test_the_readme_s_verdicts_are_those_of_the_stored_results() -> None:
    verdicts = {(name, form): bar.verdict(networks(ROWS, bar.setting, form)) for name, bar in BARS.items() for form in FORMS}
    plain, moved = FORMS
    assert [verdicts[name, form] for name in "AB" for form in FORMS] == ["pass"] * 4
    assert [BARS[name].verdict(networks(ROWS, "medium", plain), "label_error") for name in "AB"] == ["pass", "pass"]
    over = {form: _mean("small", form) - BARS["C"].error for form in FORMS}
    assert all(verdicts["C", form] == f"missed: {over[form]:.2f} points above the error" for form in FORMS)
    assert f"C is missed: by {over[moved]:.2f} points on shifted images, by {over[plain]:.2f} on images as they are" in TEXT
    assert all(len(networks(ROWS, setting, plain)) == 3 for setting in SETTINGS)


def test_the_readme_s_errors_are_those_of_the_stored_results() -> None:
    plain, moved = FORMS
    medium, small = ([_mean(name, plain, error) for error in ("label_error", "error")] for name in SETTINGS)
    assert f"{medium[0]:.2f} % on labels alone and {medium[1]:.2f} % with the teacher" in TEXT
    assert f"*small* {small[0]:.2f} and {small[1]:.2f} %" in TEXT
    assert f"{_mean('medium', moved):.2f} % on shifted images" in TEXT
    assert f"MAP {_mean('medium', plain, 'map_error'):.2f} %" in TEXT


def test_the_readme_s_sizes_are_those_of_the_stored_results() -> None:
    for name, setting in (("A", "medium"), ("C", "small")):
        for form in FORMS:
            for row in networks(ROWS, setting, form):
                assert all(found <= most for found, most in zip(row["widths"], BARS[name].widths, strict=True))
    for row in networks(ROWS, "medium", "as they are"):
        assert row["parameters"] < parameters(BARS["A"].widths)
        assert row["parameters"] < parameters(BARS["B"].widths)
    room = parameters(BARS["C"].widths) / mean(row["parameters"] for row in networks(ROWS, "small", "shifted")) - 1
    assert f"97-71-33 has {100 * room:.0f} % more parameters" in TEXT


def test_the_readme_s_pixels_are_those_of_the_stored_results() -> None:
    counts = read_counts(networks(ROWS, "medium", "as they are"))
    assert f"{(counts == 3).sum()} of the {(counts > 0).sum()} pixels in all three seeds" in TEXT
