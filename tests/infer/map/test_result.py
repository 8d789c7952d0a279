"""The result of a fit: frozen, evaluated by hand, saved and read back without data or pickle."""

import copy
import dataclasses
import errno
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import bayes_guided as bg
from bayes_guided.exceptions import (
    ArchitectureMismatchError,
    CheckpointError,
    ConfigError,
    DataError,
    LabelError,
    ReadingError,
    RunFolderError,
)
from tests.infer.problems import (
    BUDGET,
    CLASSES,
    LEARNED_NOISE,
    PROBLEMS,
    ConvNet,
    built,
    guided,
    image_data,
    same_bits,
    state,
)

SHORT: dict[str, Any] = {**BUDGET, "epochs": 5}


@pytest.fixture(scope="module")
def fits() -> dict[str, bg.MAPFit]:
    """One fit of every likelihood, with a refit."""
    found = {}
    for problem in PROBLEMS:
        net = problem.net()
        settings = {**SHORT, "refit_epochs": 2, "likelihood": problem.likelihood()}
        found[problem.name] = bg.fit_map(net, problem.prior(net), problem.data(), **settings)
    return found


@pytest.fixture(scope="module")
def images() -> bg.MAPFit:
    """A fit of a network with buffers, with a refit."""
    net = built(ConvNet)
    prior = guided(net, image_data()[0][:2], 2.0, penalised="norm")
    return bg.fit_map(net, prior, image_data(), **{**BUDGET, "epochs": 20, "refit_epochs": 2})


def assert_same_fit(left: bg.MAPFit, right: bg.MAPFit) -> None:
    """Equal to the last bit."""
    assert same_bits(left.net, right.net)
    assert same_bits(left.likelihood, right.likelihood)
    assert type(left.likelihood) is type(right.likelihood)
    assert (left.history, left.seed, left.seconds) == (right.history, right.seed, right.seconds)
    assert left.architecture.fingerprint == right.architecture.fingerprint
    assert left.architecture.protected == right.architecture.protected
    assert left.prior.weights == right.prior.weights
    assert (left.prior.rest, left.prior.penalised) == (right.prior.rest, right.prior.penalised)
    for name, coefficients in left.prior.coefficients.items():
        torch.testing.assert_close(right.prior.coefficients[name], coefficients, rtol=1e-15, atol=0)
    assert (left.refit is None) == (right.refit is None)
    if left.refit is not None and right.refit is not None:
        assert same_bits(left.refit.net, right.refit.net)
        assert same_bits(left.refit.likelihood, right.refit.likelihood)
        assert left.refit.history == right.refit.history


# Reading a fit ------------------------------


def test_a_result_is_frozen(fits):
    fit = fits["classes"]
    for value in (fit, fit.refit, fit.history):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, dataclasses.fields(value)[0].name, None)


def test_rows_survival_and_sub_architecture_say_the_same(images):
    weights = dict(images.net.named_parameters())
    first = torch.cat(
        [weights["conv1.weight"].flatten(1), weights["norm1.weight"][:, None], weights["norm1.bias"][:, None]], dim=1
    )
    assert torch.equal(images.rows["conv1"], first.detach())
    assert not images.rows["conv1"].requires_grad
    alive = (first != 0).any(dim=1)
    assert 0 < int(alive.sum()) < 6
    assert torch.equal(images.unit_survival()["conv1"], alive.float())
    assert torch.equal(images.sub_architecture().masks["conv1"], alive)
    assert images.sub_architecture().widths["conv1"] == images.history.widths["conv1"][-1]
    with pytest.raises(ReadingError, match='reading "threshold"'):
        images.unit_survival(reading="threshold")


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_predictions_are_means_under_the_likelihood(fits, problem):
    fit, inputs = fits[problem.name], problem.data(2100, seed=4)[0]
    for net, refit in ((fit.net, False), (fit.refit.net, True)):
        outputs = net(inputs).detach().double().numpy()
        if problem is CLASSES:
            powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            wanted = powers / powers.sum(axis=1, keepdims=True)
        else:
            link = {"binary": lambda v: 1 / (1 + np.exp(-v)), "counts": np.exp}.get(problem.name, lambda v: v)
            wanted = link(outputs[:, 0])
        found = fit.predict(inputs, refit=refit)
        np.testing.assert_allclose(found.double().numpy(), wanted, rtol=2e-5, atol=1e-6)
        assert not found.requires_grad
    assert torch.equal(fit.predict(inputs.double().numpy()), fit.predict(inputs))


def test_evaluation_of_fit_and_refit_by_hand(fits):
    fit, (inputs, targets) = fits["learned noise"], LEARNED_NOISE.data(50, seed=4)
    for part, refit in ((fit, False), (fit.refit, True)):
        residuals = (part.net(inputs)[:, 0] - targets).detach().double().numpy()
        log_scale = float(part.likelihood.log_scale.detach())
        nll = 0.5 * np.log(2 * np.pi) + log_scale + (residuals**2).mean() / (2 * np.exp(2 * log_scale))
        found = fit.evaluate((inputs, targets), refit=refit)
        assert found.nll == pytest.approx(nll, rel=1e-5)
        assert found.error == pytest.approx(np.sqrt((residuals**2).mean()), rel=1e-5)
        assert (found.error_name, found.cases) == ("RMSE", 50)


def test_bad_questions_are_named(fits):
    fit = fits["classes"]
    inputs, labels = CLASSES.data(30)
    alone = dataclasses.replace(fit, refit=None)
    with pytest.raises(ConfigError, match="refit_epochs"):
        alone.predict(inputs, refit=True)
    with pytest.raises(ConfigError, match="refit_epochs"):
        alone.evaluate((inputs, labels), refit=True)
    with pytest.raises(DataError, match="does not run"):
        fit.predict(inputs[:, :2])
    with pytest.raises(DataError, match="does not run"):
        fit.evaluate((inputs[:, :2], labels))
    with pytest.raises(LabelError, match="labels run from"):
        fit.evaluate((inputs, labels + 1))
    with pytest.raises(LabelError, match="0 or 1"):
        fits["binary"].evaluate((inputs, labels.float()))
    with pytest.raises(LabelError, match="counts"):
        fits["counts"].evaluate((inputs, labels - 0.5))
    with pytest.raises(DataError, match="NaN"):
        fit.evaluate((inputs / 0 * 0, labels))


# On disk ------------------------------


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_fits_come_back_to_the_bit_into_a_fresh_network(fits, problem, tmp_path):
    fit = fits[problem.name]
    fit.save(tmp_path / "new" / "folder")
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["fit.safetensors"]
    other = problem.net(seed=7)
    before, generator = state(other), torch.get_rng_state()
    loaded = bg.load_fit(tmp_path / "new" / "folder", other)
    assert_same_fit(fit, loaded)
    assert all(torch.equal(value, before[name]) for name, value in state(other).items())
    assert other.training
    assert not loaded.net.training
    assert torch.equal(torch.get_rng_state(), generator)
    inputs, targets = problem.data(40, seed=5)
    for refit in (False, True):
        assert torch.equal(loaded.predict(inputs, refit=refit), fit.predict(inputs, refit=refit))
        assert loaded.evaluate((inputs, targets), refit=refit) == fit.evaluate((inputs, targets), refit=refit)
    loaded.save(tmp_path / "again")
    assert_same_fit(fit, bg.load_fit(tmp_path / "again", problem.net(seed=8)))


def test_buffers_and_the_reduced_shape_come_back(images, tmp_path):
    images.save(tmp_path)
    loaded = bg.load_fit(tmp_path, built(ConvNet, seed=3))
    assert_same_fit(images, loaded)
    assert int(loaded.net.get_buffer("norm1.num_batches_tracked")) == 80
    assert loaded.refit is not None
    assert loaded.refit.net.get_parameter("conv1.weight").shape[0] == images.sub_architecture().widths["conv1"] < 6


def test_a_fit_without_refit_protected_layers_and_double_precision_come_back(tmp_path):
    net = nn.Sequential(
        nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4), nn.LayerNorm(4), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3)
    )
    net = net.double()
    inputs, labels = CLASSES.data()
    architecture = bg.Architecture.from_module(net, (inputs[:2].double(),), protect=["4"])
    assert {layer.name for layer in architecture.protected} > {"4"}  # the layer norm's too
    prior = bg.GuidedPrior(architecture, weights=bg.priors.SparseGroupLaplace(1.0, mix=0.25), guidance=bg.guidance.step(2))
    fit = bg.fit_map(net, prior, (inputs, labels), **{**BUDGET, "epochs": 2})
    fit.save(tmp_path)
    loaded = bg.load_fit(tmp_path, copy.deepcopy(net).float())
    assert_same_fit(fit, loaded)
    assert {parameter.dtype for parameter in loaded.net.parameters()} == {torch.float64}


class TwoInputs(nn.Module):
    """A network whose example inputs are nested."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(5, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor, extra: dict[str, tuple[Tensor, int]] | None = None) -> Tensor:
        shift, factor = extra["pair"] if extra else (x.new_zeros(()), 1)
        return self.last(self.first(x).relu() + factor * shift)


def test_nested_example_inputs_come_back(tmp_path):
    net, (inputs, labels) = TwoInputs(), CLASSES.data()
    example = (inputs[:2], {"pair": (torch.zeros(()), 2)})
    prior = bg.GuidedPrior(bg.Architecture.from_module(net, example), weights=bg.priors.GroupLaplace(1.0))
    fit = bg.fit_map(net, prior, (inputs, labels), **{**BUDGET, "epochs": 1})
    fit.save(tmp_path)
    assert_same_fit(fit, bg.load_fit(tmp_path, TwoInputs()))


def test_another_network_is_refused_and_stays_as_it_was(fits, tmp_path):
    fits["classes"].save(tmp_path)
    wider = built(lambda: bg.nets.mlp(5, (13, 8), outputs=3))
    deeper = built(lambda: bg.nets.mlp(5, (12, 8, 8), outputs=3))
    reordered = nn.Sequential(nn.Linear(5, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))
    for other in (wider, deeper, reordered):
        before = state(other)
        with pytest.raises(ArchitectureMismatchError, match="Build it with the same class and sizes"):
            bg.load_fit(tmp_path, other)
        assert all(torch.equal(value, before[name]) for name, value in state(other).items())


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "flipped", "foreign", "a checkpoint"])
def test_damaged_fits_are_refused_by_name(fits, tmp_path, damage):
    fits["classes"].save(tmp_path)
    path = tmp_path / "fit.safetensors"
    content = path.read_bytes()
    path.unlink()
    if damage == "a checkpoint":
        net = CLASSES.net()
        bg.fit_map(net, CLASSES.prior(net), CLASSES.data(), checkpoint=tmp_path, **{**BUDGET, "epochs": 1})
        (tmp_path / "map.safetensors").rename(path)
    elif damage != "missing":
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        path.write_bytes(
            {"empty": b"", "truncated": content[:-5], "flipped": flipped, "foreign": b"\x80\x04 a pickle"}[damage]
        )
    with pytest.raises(CheckpointError, match=str(path)):
        bg.load_fit(tmp_path, CLASSES.net())


def test_a_folder_that_cannot_be_written_and_a_full_disk_are_named(fits, tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RunFolderError, match="file/fit"):
        fits["classes"].save(tmp_path / "file" / "fit")
    fits["classes"].save(tmp_path / "good")
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(RunFolderError, match="No space left"):
            fits["binary"].save(tmp_path / "good")
    assert_same_fit(fits["classes"], bg.load_fit(tmp_path / "good", CLASSES.net()))
    assert [path.name for path in (tmp_path / "good").iterdir()] == ["fit.safetensors"]
