"""fit_map: exact zeros, the steps of a plain loop, the same bits from the same seed, and nothing of the user's changed."""

import copy
import math
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, SubsetRandomSampler, TensorDataset

import bayes_guided as bg
from bayes_guided import priors
from bayes_guided.exceptions import (
    ArchitectureMismatchError,
    CheckpointError,
    CollapseError,
    ConfigError,
    DataError,
    DivergedError,
    LabelError,
    NoMAPError,
    RunFolderError,
)
from tests.infer.problems import (
    BUDGET,
    CASES,
    CLASSES,
    KNOWN_NOISE,
    LEARNED_NOISE,
    PROBLEMS,
    ConvNet,
    Jittered,
    Problem,
    built,
    guided,
    image_data,
    same_bits,
    state,
)

SHORT = {"epochs": 3, "refit_epochs": 1}
"""For what does not need a good fit: bits, flags, refusals."""


def fitted(problem: Problem, **settings: Any) -> bg.MAPFit:
    """A fit of the problem; `prior` holds settings of its prior."""
    net = problem.net()
    prior = problem.prior(net, **settings.pop("prior", {}))
    data = settings.pop("data", None) or problem.data()
    return bg.fit_map(net, prior, data, likelihood=problem.likelihood(), **{**BUDGET, **settings})


def zero_rows(fit: bg.MAPFit, layer: str) -> Tensor:
    """Which units of a fully connected layer are exactly zero, from the layer's own tensors."""
    weight, bias = fit.net.get_parameter(f"{layer}.weight"), fit.net.get_parameter(f"{layer}.bias")
    return (weight == 0).all(dim=1) & (bias == 0)


# What a fit is ------------------------------


def test_labels_given_as_probabilities_of_one_class_make_the_same_fit():
    """Soft labels, of a teacher say, go through the whole of a fit; certain ones are the labels."""
    inputs, labels = CLASSES.data()
    soft = nn.functional.one_hot(labels).to(inputs.dtype)
    hard, certain = (fitted(CLASSES, data=(inputs, targets), **SHORT) for targets in (labels, soft))
    for name, rows in hard.rows.items():
        torch.testing.assert_close(certain.rows[name], rows)
    assert (
        certain.evaluate((inputs, soft)).error
        == certain.evaluate((inputs, labels)).error
        == hard.evaluate((inputs, labels)).error
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_units_leave_as_exact_zeros_and_the_rest_predicts(problem):
    fit = fitted(problem)
    for layer in ("layers.0", "layers.1"):
        gone = zero_rows(fit, layer)
        assert 0 < int(gone.sum()) < len(gone)
        assert fit.history.widths[layer][-1] == len(gone) - int(gone.sum())
        assert float(fit.rows[layer][~gone].norm(dim=1).min()) > 1e-3  # no unit lingers near zero
    inputs, _ = problem.data(200, seed=9)
    with torch.no_grad():
        outputs, reduced = fit.net(inputs), fit.reduce()(inputs)
    assert float((outputs - reduced).abs().max()) <= 1e-5 * float(outputs.abs().max())
    start = bg.fit_map(problem.net(), fit.prior, problem.data(), likelihood=problem.likelihood(), **{**BUDGET, "epochs": 1})
    held_out = problem.data(200, seed=9)
    assert fit.evaluate(held_out).nll < start.evaluate(held_out).nll - 0.05
    assert not fit.net.training
    assert fit.refit is None
    assert len(fit.history) == 15


def test_digits():
    data = bg.datasets.load_digits()
    net = built(lambda: bg.nets.mlp(64, (40, 20), outputs=10))
    prior = guided(net, data.train_x[:2], 3.0)
    test = (data.test_x, data.test_y)
    fit = bg.fit_map(net, prior, (data.train_x, data.train_y), epochs=12, lr=5e-3, refit_epochs=4, seed=0, validation=test)
    assert fit.refit is not None
    assert fit.sub_architecture().num_units < 50
    assert fit.evaluate(test).error < 0.08
    assert fit.evaluate(test, refit=True).error < 0.08
    assert fit.history.validation_errors is not None
    assert fit.history.validation_errors[-1] == fit.evaluate(test).error
    assert fit.refit.history.validation_errors is not None
    assert fit.refit.history.validation_errors[-1] == fit.evaluate(test, refit=True).error
    kept = fit.sub_architecture().survivors["layers.0"]
    assert np.mean(kept) < 19.5  # survivors at the end of low guidance


def test_a_plain_loop_with_the_proximal_optimiser_takes_the_same_steps():
    fit = fitted(CLASSES, ramp_epochs=2.0)
    net = CLASSES.net()
    inputs, labels = CLASSES.data()
    optimizer = bg.optim.ProximalAdam(net, CLASSES.prior(net), dataset_size=CASES, lr=2e-2, warmup_steps=10)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / 90)))
    step, epochs = 0, []
    with torch.random.fork_rng():
        torch.manual_seed(BUDGET["seed"])
        for _ in range(15):
            nll = wrong = 0.0
            for batch in torch.randperm(CASES).chunk(6):
                optimizer.param_groups[0]["strength_scale"] = min(1.0, (step + 1) / 12)
                optimizer.zero_grad()
                outputs = net(inputs[batch])
                loss = nn.functional.cross_entropy(outputs, labels[batch])
                loss.backward()
                optimizer.step()
                scheduler.step()
                nll += float(loss.detach()) * len(batch)
                wrong += int((outputs.argmax(1) != labels[batch]).sum())
                step += 1
            epochs.append((nll / CASES, wrong / CASES))
    for name, weights in state(net).items():
        torch.testing.assert_close(fit.net.get_parameter(name).detach(), weights, rtol=1e-4, atol=1e-6)
    assert [epoch.nll for epoch in fit.history.epochs] == pytest.approx([nll for nll, _ in epochs], rel=1e-4)
    assert fit.history.errors == pytest.approx([error for _, error in epochs], abs=1e-9)


def test_a_refit_leaves_the_map_alone_and_starts_from_it():
    plain, with_refit = fitted(LEARNED_NOISE), fitted(LEARNED_NOISE, refit_epochs=5)
    refit = with_refit.refit
    assert refit is not None
    assert same_bits(plain.net, with_refit.net)
    assert same_bits(plain.likelihood, with_refit.likelihood)
    assert not same_bits(refit.likelihood, with_refit.likelihood)
    assert {name: tuple(p.shape) for name, p in refit.net.named_parameters()} == {
        name: tuple(p.shape) for name, p in plain.reduce().named_parameters()
    }
    assert (len(refit.history), refit.history.widths) == (5, {})
    # Without the guidance's shrinkage the objective falls below where the reduced MAP begins.
    assert refit.history.losses[-1] < plain.history.losses[-1]
    assert with_refit.evaluate(LEARNED_NOISE.data(), refit=True).nll < with_refit.evaluate(LEARNED_NOISE.data()).nll
    assert not refit.net.training


def test_frozen_weights_stay_in_fit_and_refit():
    net = CLASSES.net()
    net.get_parameter("layers.2.weight").requires_grad_(False)
    fit = bg.fit_map(net, CLASSES.prior(net), CLASSES.data(), **{**BUDGET, **SHORT})
    assert torch.equal(fit.net.get_parameter("layers.2.weight"), net.get_parameter("layers.2.weight"))
    assert fit.refit is not None
    kept = fit.sub_architecture().survivors["layers.1"]
    assert torch.equal(fit.refit.net.get_parameter("layers.2.weight"), net.get_parameter("layers.2.weight")[:, kept])


@pytest.mark.parametrize(
    ("weights", "metric"),
    [
        (priors.SparseGroupLaplace(2.0), "row"),
        (priors.SparseGroupLaplace(2.0), "weight"),
        (priors.GroupSqrtLaplace(2.0), "row"),
        (priors.Laplace(2.0), "row"),
    ],
    ids=lambda value: getattr(value, "__class__", type).__name__ if not isinstance(value, str) else value,
)
def test_other_families_and_the_metric_per_weight_give_zeros_too(weights, metric):
    fit = fitted(CLASSES, prior={"weights": weights}, metric=metric)
    assert 2 < fit.sub_architecture().num_units < 20
    assert fit.evaluate(CLASSES.data()).error < 0.2


def test_the_metric_matters_and_a_warm_up_can_outlast_a_fit():
    rows, weights = fitted(CLASSES, epochs=2), fitted(CLASSES, epochs=2, metric="weight")
    assert not same_bits(rows.net, weights.net)
    assert fitted(CLASSES, warmup_steps=10_000).sub_architecture().num_units == 20


def test_batch_norm_takes_any_number_of_cases():
    net = built(ConvNet)
    images = image_data(cases=33)  # 33 = 2 * 16 + 1: a last batch of one case would have no variance
    fit = bg.fit_map(net, guided(net, images[0][:2], 0.5), images, **{**BUDGET, "epochs": 2})
    assert int(fit.net.get_buffer("norm1.num_batches_tracked")) == 6


# Collapse ------------------------------


def test_a_collapse_is_named_and_may_be_allowed():
    prior = {"weights": priors.GroupLaplace(1000.0)}
    with pytest.raises(CollapseError, match=r"'layers\.\d'.*lower the strength"):
        fitted(CLASSES, prior=prior, epochs=3)
    fit = fitted(CLASSES, prior=prior, allow_empty=True, **SHORT)
    assert fit.collapsed == ["layers.0", "layers.1"]
    assert fit.sub_architecture().survivors == {"layers.0": [0], "layers.1": [0]}
    inputs = CLASSES.data()[0]
    torch.testing.assert_close(fit.reduce()(inputs), fit.net(inputs))
    assert fitted(CLASSES, epochs=1).collapsed == []


# Data ------------------------------


def test_arrays_tensors_and_the_seed_give_the_same_bits():
    inputs, labels = CLASSES.data()
    first, again = (fitted(CLASSES, epochs=4) for _ in range(2))
    assert same_bits(first.net, again.net)
    assert first.history == again.history
    assert same_bits(first.net, fitted(CLASSES, epochs=4, data=(inputs.double().numpy(), labels.numpy())).net)
    assert not same_bits(first.net, fitted(CLASSES, epochs=4, seed=4).net)


def test_a_network_in_double_precision_is_trained_in_it():
    net = CLASSES.net().double()
    fit = bg.fit_map(net, guided(net, CLASSES.data()[0][:2].double(), 2.0), CLASSES.data(), **{**BUDGET, "epochs": 2})
    assert {parameter.dtype for parameter in fit.net.parameters()} == {torch.float64}
    assert fit.predict(CLASSES.data()[0]).dtype == torch.float64
    assert fit.evaluate(CLASSES.data()).cases == CASES


def test_a_loader_is_followed_batch_by_batch_and_its_augmentation_repeats():
    inputs, labels = CLASSES.data()
    loader = DataLoader(Jittered(inputs, labels), batch_size=16, shuffle=True, drop_last=True)
    settings = {"schedule": "constant", "epochs": 3}
    fit = fitted(CLASSES, data=loader, **settings)
    assert same_bits(fit.net, fitted(CLASSES, data=loader, **settings).net)
    net = CLASSES.net()
    optimizer = bg.optim.ProximalAdam(net, CLASSES.prior(net), dataset_size=CASES, lr=2e-2, warmup_steps=10)
    nll = []
    with torch.random.fork_rng():
        torch.manual_seed(BUDGET["seed"])
        for _ in range(3):
            losses = []
            for x, y in loader:
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(net(x), y)
                loss.backward()
                optimizer.step()
                losses.append(float(loss.detach()))
            nll.append(np.mean(losses))
    for name, weights in state(net).items():
        torch.testing.assert_close(fit.net.get_parameter(name).detach(), weights, rtol=1e-4, atol=1e-6)
    assert [epoch.nll for epoch in fit.history.epochs] == pytest.approx(nll, rel=1e-4)


def test_a_split_by_sampler_has_the_size_of_its_part():
    inputs, labels = CLASSES.data()
    part = TensorDataset(inputs[:40], labels[:40])
    whole = DataLoader(TensorDataset(inputs, labels), batch_size=8, sampler=SubsetRandomSampler(range(40)))
    settings = {"epochs": 2, "warmup_steps": 0}
    by_sampler = fitted(CLASSES, data=whole, **settings)
    alone = fitted(CLASSES, data=DataLoader(part, batch_size=8, sampler=SubsetRandomSampler(range(40))), **settings)
    assert same_bits(by_sampler.net, alone.net)


BAD_DATA = [
    (lambda x, y: (x[:0], y[:0]), DataError, "empty"),
    (lambda x, y: (x[:5], y), DataError, "5 rows"),
    (lambda x, y: (x.where(x < 2, float("nan")), y), DataError, "NaN"),
    (lambda x, y: (x / 0, y), DataError, "infinite"),
    (lambda x, y: (x, y + 1), LabelError, "labels run from 1 to 3"),
    (lambda x, y: (x, y - 1), LabelError, "labels run from -1"),
    (lambda x, y: (x, y.float()), LabelError, "int64"),
    (lambda x, y: (x, y.int()), LabelError, "int64"),
    (lambda x, y: (x, y[:, None]), LabelError, r"shape \(N,\)"),
    (lambda x, y: (x[:, :3], y), DataError, "does not run"),
    (lambda x, y: (x.long(), y), DataError, "does not run"),
]


@pytest.mark.parametrize(("spoil", "error", "message"), BAD_DATA)
@pytest.mark.parametrize("place", ["data", "validation"])
def test_bad_data_are_named_before_the_first_step(tmp_path, spoil, error, message, place):
    settings = {place: spoil(*CLASSES.data())}
    with pytest.raises(error, match=message):
        fitted(CLASSES, checkpoint=tmp_path / "run", checkpoint_steps=1, **settings)
    assert list(tmp_path.iterdir()) == []


def test_bad_targets_of_a_regression_are_named():
    inputs, targets = KNOWN_NOISE.data()
    for spoiled, error in [
        (targets.long(), LabelError),
        (targets[:, None].expand(-1, 2), LabelError),
        (targets / 0, DataError),
    ]:
        with pytest.raises(error):
            fitted(KNOWN_NOISE, data=(inputs, spoiled))
    with pytest.raises(LabelError, match="0 or 1"):
        bg.fit_map(
            KNOWN_NOISE.net(), KNOWN_NOISE.prior(KNOWN_NOISE.net()), (inputs, targets), likelihood=bg.likelihoods.Bernoulli()
        )


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"epochs": 0}, ConfigError, "epochs=0"),
        ({"refit_epochs": -1}, ConfigError, "epochs=-1"),
        ({"lr": -1.0}, ConfigError, "lr=-1"),
        ({"batch_size": 0}, DataError, "batch_size=0"),
        ({"seed": -1}, ConfigError, "seed=-1"),
        ({"warmup_steps": -1}, ConfigError, "warmup_steps=-1"),
        ({"checkpoint_steps": 0}, ConfigError, "checkpoint_steps=0"),
        ({"checkpoint_seconds": 0.0}, ConfigError, r"checkpoint_seconds=0\.0"),
    ],
)
def test_settings_out_of_range_are_named_before_anything_is_written(tmp_path, settings, error, message):
    with pytest.raises(error, match=message):
        fitted(CLASSES, checkpoint=tmp_path / "run", **settings)
    assert list(tmp_path.iterdir()) == []


def test_priors_without_a_map_and_of_another_network_are_refused_before_anything_is_written(tmp_path):
    horseshoe = {"weights": priors.GroupHorseshoe(1.0)}
    with pytest.raises(NoMAPError, match="without bound"):
        fitted(CLASSES, prior=horseshoe, checkpoint=tmp_path / "run", checkpoint_steps=1)
    other = built(lambda: bg.nets.mlp(5, (6, 4), outputs=3))
    with pytest.raises(ArchitectureMismatchError, match=r"layers\.0\.weight"):
        bg.fit_map(CLASSES.net(), CLASSES.prior(other), CLASSES.data(), checkpoint=tmp_path / "run", checkpoint_steps=1)
    assert list(tmp_path.iterdir()) == []


# The user's things ------------------------------


class GoesBad(nn.Module):
    """A network whose training outputs turn NaN, or that is interrupted, after some calls in training mode."""

    def __init__(self, *, nan_after: int = 10**9, interrupt_after: int = 10**9) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.3), nn.Linear(6, 3))
        self.nan_after, self.interrupt_after = nan_after, interrupt_after
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += self.training
        if self.calls > self.interrupt_after:
            raise KeyboardInterrupt
        return self.body(x) * (float("nan") if self.calls > self.nan_after else 1.0)


def everything_of(net: nn.Module, likelihood: nn.Module) -> dict[str, Any]:
    """All that a fit might change."""
    generator = np.random.get_state(legacy=True)  # noqa: NPY002  the user's global one
    return {
        "net": state(net),
        "likelihood": state(likelihood),
        "modes": [module.training for module in net.modules()],
        "grads": [None if p.grad is None else p.grad.clone() for p in net.parameters()],
        "flags": [p.requires_grad for p in net.parameters()],
        "torch": torch.get_rng_state(),
        "numpy": [str(part) for part in generator],
        "threads": torch.get_num_threads(),
        "grad mode": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
    }


def assert_same(left: Any, right: Any) -> None:
    if isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left:
            assert_same(left[key], right[key])
    elif isinstance(left, list):
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)
    elif isinstance(left, Tensor):
        assert torch.equal(left, right)
    else:
        assert left == right


@pytest.mark.parametrize(
    ("net", "settings", "error"),
    [
        (GoesBad(), {"refit_epochs": 1}, None),
        (GoesBad(nan_after=40), {}, DivergedError),
        (GoesBad(interrupt_after=40), {}, KeyboardInterrupt),
        (GoesBad(), {"weights": priors.GroupLaplace(1e4)}, CollapseError),
        (GoesBad(), {"weights": priors.GroupHorseshoe(1.0)}, NoMAPError),
        (GoesBad(), {"labels": 4}, LabelError),
        (GoesBad(), {"checkpoint": "/dev/null/run", "checkpoint_steps": 5}, RunFolderError),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("loader", [False, True], ids=["tensors", "loader"])
def test_nothing_of_the_users_changes_whatever_happens(net, settings, error, loader):
    net = copy.deepcopy(net)
    inputs, labels = CLASSES.data()
    net.train()
    net.body[1].eval()
    net(inputs).square().mean().backward()
    net.calls = 0
    settings = dict(settings)
    prior = guided(net, inputs[:2], 0.5, **({"weights": settings.pop("weights")} if "weights" in settings else {}))
    labels = labels + settings.pop("labels", 0)
    data = DataLoader(Jittered(inputs, labels), batch_size=16, shuffle=True) if loader else (inputs, labels)
    likelihood = bg.likelihoods.Categorical()
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.manual_seed(5)
    held = []  # the error holds the frames it passed: nothing may be left to a garbage collection
    try:
        before = everything_of(net, likelihood)
        with torch.no_grad():
            try:
                bg.fit_map(net, prior, data, likelihood=likelihood, **{**BUDGET, "epochs": 8, **settings})
            except BaseException as raised:  # noqa: BLE001  KeyboardInterrupt is one of the cases
                held.append(raised)
            assert not torch.is_grad_enabled()
        assert_same(everything_of(net, likelihood), before)
    finally:
        torch.set_num_threads(threads)
    assert [type(raised) for raised in held] == ([error] if error else [])


def test_without_a_seed_torchs_generator_gives_one_and_the_fit_records_it():
    torch.manual_seed(8)
    expected = int(torch.randint(2**31, ()))
    after = torch.get_rng_state()
    torch.manual_seed(8)
    fit = fitted(CLASSES, seed=None, **SHORT)
    assert fit.seed == expected
    assert torch.equal(torch.get_rng_state(), after)
    again = fitted(CLASSES, seed=fit.seed, **SHORT)
    assert same_bits(fit.net, again.net)
    assert fit.refit is not None
    assert again.refit is not None
    assert same_bits(fit.refit.net, again.refit.net)
    assert fitted(CLASSES, seed=None, epochs=1).seed != fit.seed


class Interleaving(Dataset[tuple[Tensor, Tensor]]):
    """Cases, the 200th of which is served only after another whole fit."""

    def __init__(self, problem: Problem) -> None:
        self.inputs, self.labels = problem.data()
        self.served = 0
        self.other: bg.MAPFit | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        self.served += 1
        if self.served == 200:
            self.other = fitted(LEARNED_NOISE, **SHORT)
        return self.inputs[index] + 0.1 * torch.randn(5), self.labels[index]


def test_a_fit_within_a_fit_touches_neither():
    data = Interleaving(CLASSES)
    outer = fitted(CLASSES, epochs=3, data=DataLoader(data, batch_size=16, shuffle=True))
    quiet = fitted(CLASSES, epochs=3, data=DataLoader(Jittered(*CLASSES.data()), batch_size=16, shuffle=True))
    assert same_bits(outer.net, quiet.net)
    assert data.other is not None
    alone = fitted(LEARNED_NOISE, **SHORT)
    assert same_bits(data.other.net, alone.net)
    assert data.other.history == alone.history


# Checkpoints (kills are in test_resume.py) ------------------------------


OTHER_RUNS: list[tuple[dict[str, Any], str]] = [
    ({"seed": 4}, "seed is 3 there, 4 here"),
    ({"epochs": 16}, r"MAP\.epochs is 3 there, 16 here"),
    ({"lr": 1e-2}, r"MAP\.lr"),
    ({"schedule": "constant"}, r"MAP\.schedule"),
    ({"ramp_epochs": 1.0}, r"MAP\.ramp_epochs"),
    ({"batch_size": 17}, "batch_size"),
    ({"warmup_steps": 11}, "warmup_steps"),
    ({"metric": "weight"}, "metric is 'row' there, 'weight' here"),
    ({"data": CLASSES.data(seed=1)}, "data is"),
    ({"validation": CLASSES.data(seed=1)}, "validation is None there"),
    ({"prior": {"weights": priors.GroupLaplace(2.5)}}, r"prior\.weights\.strength is 2\.0 there, 2\.5"),
    ({"prior": {"rest": priors.Normal(0.6)}}, r"prior\.rest is 0\.5 there, 0\.6 here"),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return folder, fitted(CLASSES, checkpoint=folder, **SHORT)


@pytest.mark.parametrize(
    ("settings", "message"), OTHER_RUNS, ids=[next(iter(s)) + str(i) for i, (s, _) in enumerate(OTHER_RUNS)]
)
def test_a_checkpoint_of_another_run_is_refused_by_what_differs(finished, settings, message):
    folder, _ = finished
    contents = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(CheckpointError, match=message):
        fitted(CLASSES, checkpoint=folder, **{**SHORT, **settings})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == contents


def test_other_weights_likelihoods_layers_and_refits_are_other_runs(finished):
    folder, _ = finished
    net, data = CLASSES.net(), CLASSES.data()
    with pytest.raises(CheckpointError, match=r"refit\.epochs is 1 there, 3 here"):
        fitted(CLASSES, checkpoint=folder, **{**SHORT, "refit_epochs": 3})
    with pytest.raises(CheckpointError, match=r"network\.weights"):
        bg.fit_map(CLASSES.net(seed=1), CLASSES.prior(net), data, checkpoint=folder, **{**BUDGET, **SHORT})
    frozen = CLASSES.net()
    frozen.get_parameter("layers.2.bias").requires_grad_(False)
    with pytest.raises(CheckpointError, match=r"network\.frozen is \[\] there, \['layers\.2\.bias'\] here"):
        bg.fit_map(frozen, CLASSES.prior(net), data, checkpoint=folder, **{**BUDGET, **SHORT})
    tanh = built(lambda: bg.nets.mlp(5, (12, 8), outputs=3, activation="tanh"))
    with pytest.raises(CheckpointError, match=r"network\.layers"):
        bg.fit_map(tanh, CLASSES.prior(net), data, checkpoint=folder, **{**BUDGET, **SHORT})


def test_another_known_noise_is_another_run(tmp_path):
    net, data = KNOWN_NOISE.net(), KNOWN_NOISE.data()
    prior = KNOWN_NOISE.prior(net)
    settings = {**BUDGET, "epochs": 1, "checkpoint": tmp_path}
    bg.fit_map(net, prior, data, likelihood=bg.likelihoods.Normal(0.3), **settings)
    with pytest.raises(CheckpointError, match=r"likelihood\.scale is 0\.3 there, 0\.4 here"):
        bg.fit_map(net, prior, data, likelihood=bg.likelihoods.Normal(0.4), **settings)


def test_a_finished_run_is_read_back_with_its_refit(finished):
    folder, fit = finished
    again = fitted(CLASSES, checkpoint=folder, **SHORT)
    assert fit.refit is not None
    assert again.refit is not None
    assert same_bits(fit.net, again.net)
    assert same_bits(fit.refit.net, again.refit.net)
    assert (fit.history, fit.refit.history) == (again.history, again.refit.history)


def test_a_collapse_may_be_allowed_after_the_fact(tmp_path):
    prior = {"weights": priors.GroupLaplace(1000.0)}
    settings = {"prior": prior, "checkpoint": tmp_path, "checkpoint_steps": 3, "epochs": 4}
    with suppress(CollapseError):
        fitted(CLASSES, **settings)
    resumed = fitted(CLASSES, allow_empty=True, **settings)
    assert same_bits(resumed.net, fitted(CLASSES, prior=prior, epochs=4, allow_empty=True).net)


# Devices and memory ------------------------------


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_a_fit_on_cuda_is_that_on_the_cpu_to_rounding_and_resumes(problem, tmp_path):
    host, device = fitted(problem, epochs=3), fitted(problem, epochs=3, device="cuda")
    assert next(device.net.parameters()).is_cuda
    for name, weights in state(host.net).items():
        torch.testing.assert_close(device.net.get_parameter(name).detach().cpu(), weights, rtol=1e-2, atol=1e-3)
    again = fitted(problem, epochs=3, device="cuda", checkpoint=tmp_path, checkpoint_steps=5)
    assert same_bits(device.net, again.net)
    device.save(tmp_path)
    loaded = bg.load_fit(tmp_path, problem.net())
    torch.testing.assert_close(loaded.predict(problem.data()[0]), device.predict(problem.data()[0]).cpu())


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    tensors = (value for moments in optimizer.state.values() for value in moments.values() if isinstance(value, Tensor))
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@pytest.mark.parametrize("build", [lambda: bg.nets.lenet300(), lambda: bg.nets.resnet20(in_channels=1), ConvNet])
def test_the_optimisers_state_is_smaller_than_adams(build):
    net = built(build)
    example = torch.randn(4, 784) if isinstance(net, bg.nets.mlp(2, outputs=2).__class__) else torch.randn(4, 1, 8, 8)
    guided_adam = bg.optim.ProximalAdam(net, guided(net, example[:2], 1.0), dataset_size=100, warmup_steps=0)
    plain = torch.optim.Adam(net.parameters())
    net(example).square().mean().backward()
    guided_adam.step()
    plain.step()
    weights = sum(parameter.numel() * parameter.element_size() for parameter in net.parameters())
    assert state_bytes(plain) >= 2 * weights
    assert weights < state_bytes(guided_adam) < 0.65 * state_bytes(plain)
