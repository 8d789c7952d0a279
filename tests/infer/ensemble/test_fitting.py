"""fit_ensemble: every member takes the steps of fit_map alone; what varies is what was asked for; P20's bootstrap."""

import copy

import numpy as np
import pytest
import torch
from scipy.stats import ncx2
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import bayes_guided as bg
from bayes_guided.exceptions import (
    ArchitectureMismatchError,
    CheckpointError,
    CollapseError,
    ConfigError,
    DataError,
    DivergedError,
    NoMAPError,
    UnsupportedNetworkError,
)
from bayes_guided.infer.ensemble.member_batches import MemberBatches, bootstrap_weights, member_orders
from bayes_guided.infer.training.batches import as_batches
from tests.infer.problems import (
    BUDGET,
    CLASSES,
    KNOWN_NOISE,
    LEARNED_NOISE,
    PROBLEMS,
    ConvNet,
    Problem,
    built,
    guided,
    image_data,
    same_bits,
    state,
)

SHORT = {**BUDGET, "epochs": 3}
MEMBERS = 3


def fitted(problem: Problem, net: nn.Module | None = None, **settings) -> bg.EnsembleFit:
    net = problem.net() if net is None else net
    settings = {"members": MEMBERS, "likelihood": problem.likelihood(), **SHORT} | settings
    data = settings.pop("data", None) or problem.data()
    return bg.fit_ensemble(net, problem.prior(net), data, **settings)


def assert_same(found: nn.Module, expected: nn.Module, tolerance: float = 2e-5) -> None:
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value, rtol=tolerance, atol=tolerance, msg=name)


# Every member is a MAP fit ------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["row", "weight"])
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_the_first_member_of_seeds_is_fit_map(problem, metric):
    ensemble = fitted(problem, metric=metric, vary="seed")
    net = problem.net()
    alone = bg.fit_map(net, problem.prior(net), problem.data(), likelihood=problem.likelihood(), metric=metric, **SHORT)
    member = ensemble.member(0)
    assert_same(member.net, alone.net)
    assert_same(ensemble.net, alone.net)
    for name, value in alone.likelihood.state_dict().items():
        torch.testing.assert_close(member.likelihood.state_dict()[name], value)


def test_every_member_of_a_bootstrap_takes_the_steps_of_a_plain_loop_over_weighted_cases():
    inputs, targets = CLASSES.data()
    ensemble = fitted(CLASSES, vary="bootstrap", schedule="constant")
    weights = bootstrap_weights(MEMBERS, len(inputs), SHORT["seed"], torch.float32)
    for index in range(MEMBERS):
        net = CLASSES.net()
        optimizer = bg.optim.ProximalAdam(net, CLASSES.prior(net), dataset_size=len(inputs), lr=SHORT["lr"], warmup_steps=10)
        with torch.random.fork_rng():
            torch.manual_seed(SHORT["seed"])
            for _ in range(SHORT["epochs"]):
                for batch in torch.randperm(len(inputs)).tensor_split(6):
                    optimizer.zero_grad()
                    nll = nn.functional.cross_entropy(net(inputs[batch]), targets[batch], reduction="none")
                    (nll * weights[index, batch]).mean().backward()
                    optimizer.step()
        assert_same(ensemble.member(index).net, net)


def test_batch_norm_keeps_the_statistics_of_every_member():
    net = built(ConvNet)
    net.dropout.p = 0.0
    prior = guided(net, image_data()[0][:2], 1.0)
    ensemble = bg.fit_ensemble(net, prior, image_data(), members=MEMBERS, **SHORT)
    assert_same(ensemble.member(0).net, bg.fit_map(net, prior, image_data(), **SHORT).net)
    assert int(ensemble.member(2).net.norm1.num_batches_tracked) == 3 * 4
    assert not torch.equal(ensemble.member(1).net.norm1.running_mean, ensemble.member(2).net.norm1.running_mean)


def test_dropout_differs_between_members():
    net = nn.Sequential(nn.Linear(5, 12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, 3))
    prior = guided(net, CLASSES.data()[0][:2], 1e-3)
    fit = bg.fit_ensemble(net, prior, CLASSES.data(), members=MEMBERS, vary="bootstrap", **SHORT)
    same = (fit.members.rows["0"][0] == fit.members.rows["0"][1]).float().mean()
    assert float(same) < 0.1


# What varies ---------------------------------------------------------------------------------------------------


def test_seeds_start_elsewhere_and_see_the_cases_in_another_order():
    net = CLASSES.net()
    settings = {**SHORT, "epochs": 1, "lr": 1e-12}  # no step moves: the starts are left
    fit = fitted(CLASSES, net, vary="seed", **settings)
    assert_same(fit.member(0).net, net, 1e-6)
    scale = 5**-0.5  # torch's start of a layer of five inputs: uniform within 1 / sqrt(5)
    for index in (1, 2):
        weight = fit.member(index).net.layers[0].weight.detach()
        assert float((weight - net.layers[0].weight).abs().min()) > 1e-6
        assert float(weight.abs().max()) <= scale + 1e-6
    assert not torch.equal(fit.member(1).net.layers[0].weight, fit.member(2).net.layers[0].weight)


def test_a_bootstrap_starts_alike():
    net = CLASSES.net()
    fit = fitted(CLASSES, net, vary="bootstrap", **{**SHORT, "epochs": 1, "lr": 1e-12})
    for index in range(MEMBERS):
        assert_same(fit.member(index).net, net, 1e-6)


def test_both_differ_from_either():
    fits = {vary: fitted(CLASSES, vary=vary) for vary in ("seed", "bootstrap", "both")}
    rows = {vary: fit.members.rows["layers.0"] for vary, fit in fits.items()}
    assert all(bool((row[0] != row[1]).any()) for row in rows.values())
    assert bool((rows["both"] != rows["seed"]).any())
    assert bool((rows["both"] != rows["bootstrap"]).any())
    assert len({fit.approximation for fit in fits.values()}) == 3
    assert all("not a posterior" in fit.approximation for fit in fits.values())


def test_frozen_weights_are_the_same_in_all_members_and_do_not_move():
    net = CLASSES.net()
    net.layers[0].requires_grad_(False)
    fit = fitted(CLASSES, net)
    for index in range(MEMBERS):
        assert torch.equal(fit.member(index).net.layers[0].weight, net.layers[0].weight)


def test_a_loader_serves_seeds_and_is_refused_for_a_bootstrap():
    loader = DataLoader(TensorDataset(*CLASSES.data()), batch_size=16, shuffle=True)
    fit = fitted(CLASSES, data=loader)
    net = CLASSES.net()
    assert_same(fit.member(0).net, bg.fit_map(net, CLASSES.prior(net), loader, **SHORT).net)
    assert not torch.equal(fit.member(0).net.layers[0].weight, fit.member(1).net.layers[0].weight)
    for vary in ("bootstrap", "both"):
        with pytest.raises(DataError, match="which cases"):
            fitted(CLASSES, data=loader, vary=vary)


# P20 -----------------------------------------------------------------------------------------------------------


def test_bootstrap_survival_is_the_closed_form_of_an_orthogonal_group_laplace():
    """P(row is not zero) = ncx2.sf(r^2 / h; d, h a^2), within four standard errors of 300 members.

    Each of four units predicts an output of its own from the same five inputs, with orthogonal columns of curvature h. The
    noise is made orthogonal to the design and of variance 1, so that the estimate is the effect a; over members the weighted
    estimate is then Gaussian around it with covariance I / h up to order 1/sqrt(cases), which 500 cases make small.
    """
    cases, width, curvature, rate, members = 500, 5, 100.0, 12.0, 300
    rng = np.random.default_rng(0)
    design = np.linalg.qr(rng.normal(size=(cases, width)))[0] * curvature**0.5
    effects = np.array([0.02, 0.05, 0.1, 0.15])
    noise = rng.normal(size=(cases, 4))
    noise -= design @ (design.T @ noise) / curvature
    noise *= (cases / (noise**2).sum(axis=0)) ** 0.5
    direction = np.eye(width)[:4] * effects[:, None]
    data = torch.as_tensor(design).float(), torch.as_tensor(design @ direction.T + noise).float()
    net = nn.Sequential(nn.Linear(width, 4, bias=False), nn.Linear(4, 4, bias=False))
    with torch.no_grad():
        net[1].weight.copy_(torch.eye(4))
    net[1].requires_grad_(False)
    prior = bg.GuidedPrior(
        bg.Architecture.from_module(net, data[0][:2]),
        weights=bg.priors.GroupLaplace(strength=rate / width**0.5),
        guidance=bg.guidance.constant(),
    )
    settings = {"epochs": 150, "batch_size": cases, "lr": 2e-2, "warmup_steps": 5, "seed": 0, "allow_empty": True}
    likelihood = bg.likelihoods.Normal(1.0)
    fit = bg.fit_ensemble(net, prior, data, members=members, vary="bootstrap", likelihood=likelihood, **settings)
    expected = ncx2.sf(rate**2 / curvature, width, curvature * effects**2)
    found = fit.unit_survival("map")["0"].numpy()
    error = np.sqrt(expected * (1 - expected) / members)
    assert (np.abs(found - expected) <= 4 * error).all(), (found, expected)


# Refusals and state ----------------------------------------------------------------------------------------------


class OwnWeights(nn.Module):
    """A layer with weights and no reset_parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(5, 8)
        self.scale = nn.Parameter(torch.ones(()))
        self.last = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x).relu()) * self.scale


def test_a_layer_that_cannot_start_anew_is_refused_for_seeds_only():
    net = OwnWeights()
    prior = guided(net, CLASSES.data()[0][:2], 2.0)
    with pytest.raises(ConfigError, match="reset_parameters"):
        bg.fit_ensemble(net, prior, CLASSES.data(), members=2, **SHORT)
    assert len(bg.fit_ensemble(net, prior, CLASSES.data(), members=2, vary="bootstrap", **SHORT)) == 2


def test_what_vmap_cannot_do_is_refused():
    net = built(ConvNet)
    net.norm1.momentum = None  # a cumulative average, which reads a counter as a number
    with pytest.raises(UnsupportedNetworkError, match="vmap"):
        bg.fit_ensemble(net, guided(net, image_data()[0][:2], 1.0), image_data(), members=2, **SHORT)


def test_refusals():
    for settings, message in (({"members": 1}, "members=1"), ({"lr": -1.0}, "lr=")):
        with pytest.raises(ConfigError, match=message):
            fitted(CLASSES, **settings)
    net = CLASSES.net()
    with pytest.raises(NoMAPError):
        bg.fit_ensemble(
            net, CLASSES.prior(net, weights=bg.priors.GroupHorseshoe(strength=1.0)), CLASSES.data(), members=2, **SHORT
        )
    with pytest.raises(ArchitectureMismatchError):
        bg.fit_ensemble(KNOWN_NOISE.net(), CLASSES.prior(net), CLASSES.data(), members=2, **SHORT)
    with pytest.raises(DivergedError):
        fitted(KNOWN_NOISE, lr=1e30)


def test_a_member_that_loses_a_group_ends_the_fit_unless_it_may():
    net = CLASSES.net()
    prior = guided(net, CLASSES.data()[0][:2], 300.0)
    with pytest.raises(CollapseError, match="member 0 of 3"):
        bg.fit_ensemble(net, prior, CLASSES.data(), members=MEMBERS, **BUDGET)
    fit = bg.fit_ensemble(net, prior, CLASSES.data(), members=MEMBERS, allow_empty=True, **BUDGET)
    assert all(int(widths.sum()) == 0 for widths in fit.member_widths.values())


def test_nothing_of_the_users_changes_and_the_same_seed_gives_the_same_bits():
    net = built(ConvNet)
    prior, data = guided(net, image_data()[0][:2], 1.0), image_data()
    before, random = state(net), torch.get_rng_state()
    first = bg.fit_ensemble(net, prior, data, members=2, vary="both", **SHORT)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    torch.rand(3)
    second = bg.fit_ensemble(copy.deepcopy(net), prior, data, members=2, vary="both", **SHORT)
    for index in range(2):
        assert same_bits(first.member(index).net, second.member(index).net)


def test_float64_and_learned_noise():
    net = LEARNED_NOISE.net().double()
    prior = guided(net, LEARNED_NOISE.data()[0][:2].double(), 2.0)
    fit = bg.fit_ensemble(net, prior, LEARNED_NOISE.data(), likelihood=bg.likelihoods.Normal(), members=2, **SHORT)
    assert fit.members.rest.dtype == torch.float64
    assert fit.members.noise_scale is not None
    assert fit.members.noise_scale[0] != fit.members.noise_scale[1]


class Stop(Exception):  # noqa: N818
    """Ends a run in the middle."""


@pytest.mark.parametrize("vary", ["seed", "both"])
def test_a_run_that_is_cut_off_goes_on_to_the_same_bits(tmp_path, monkeypatch, vary):
    net = built(ConvNet)
    prior = guided(net, image_data()[0][:2], 1.0)
    settings = {**SHORT, "members": 2, "vary": vary, "checkpoint_steps": 3}
    whole = bg.fit_ensemble(net, prior, image_data(), checkpoint=tmp_path / "whole", **settings)
    steps, step = [0], bg.optim.ProximalAdam.step

    def cut(self, closure=None):
        steps[0] += 1
        if steps[0] == 8:
            raise Stop
        return step(self, closure)

    with monkeypatch.context() as patched:
        patched.setattr(bg.optim.ProximalAdam, "step", cut)
        with pytest.raises(Stop):
            bg.fit_ensemble(net, prior, image_data(), checkpoint=tmp_path / "cut", **settings)
    again = bg.fit_ensemble(net, prior, image_data(), checkpoint=tmp_path / "cut", **settings)
    for index in range(2):
        assert same_bits(whole.member(index).net, again.member(index).net)
    assert whole.history == again.history
    with pytest.raises(CheckpointError, match="members"):
        bg.fit_ensemble(net, prior, image_data(), checkpoint=tmp_path / "cut", **{**settings, "members": 3})


def test_bootstrap_weights_are_those_of_a_flat_dirichlet():
    weights = bootstrap_weights(2000, 50, 0, torch.float64)
    torch.testing.assert_close(weights.sum(dim=1), torch.full((2000,), 50.0, dtype=torch.float64))
    # w / 50 is Dirichlet(1, ..., 1): the variance of w is 49/51; its fourth moment bounds the Monte Carlo error.
    deviations = (weights - 1).square().mean(dim=1)
    assert abs(float(deviations.mean()) - 49 / 51) < 4 * float(deviations.std()) / 2000**0.5


def test_orders_of_members_pass_over_every_case_once():
    source = as_batches((torch.arange(23.0)[:, None], torch.arange(23)), 5, torch.device("cpu"))
    batches = MemberBatches(source, orders=member_orders(4, 23, 1))
    cases = [batches.cases(*pair) for pair in batches.epoch()]
    assert [case.targets.shape for case in cases] == [(4, 5), (4, 5), (4, 5), (4, 4), (4, 4)]
    seen = torch.cat([case.targets for case in cases], dim=1)
    assert torch.equal(seen.sort(dim=1).values, torch.arange(23).expand(4, -1))
    assert len({tuple(order.tolist()) for order in seen}) == 4
    for case in cases:
        assert torch.equal(case.inputs[..., 0].long(), case.targets)


def test_a_loader_leaves_the_callers_generator_as_it_was():
    x, y = CLASSES.data()
    before = torch.get_rng_state()
    fitted(CLASSES, data=DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True), epochs=1)
    assert torch.equal(torch.get_rng_state(), before)
