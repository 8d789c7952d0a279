import copy
import inspect
import math

import pytest
import torch
from torch import nn

from bayes_guided import guidance
from bayes_guided.exceptions import ArchitectureMismatchError, ConfigError, DataError, NoMAPError
from bayes_guided.likelihoods import Normal as NormalLikelihood
from bayes_guided.optim import ProximalAdam
from bayes_guided.priors import GroupHorseshoe, GroupLaplace, GuidedPrior
from tests.scenarios import MLP, RESIDUAL

METRICS = pytest.mark.parametrize("metric", ["row", "weight"])


def mlp(strength: float = 6.0, **settings) -> tuple[nn.Module, GuidedPrior]:
    net = MLP.net()
    return net, GuidedPrior(
        MLP.architecture(net), GroupLaplace(strength=strength), **({"guidance": guidance.linear()} | settings)
    )


def step(net: nn.Module, optimizer: torch.optim.Optimizer, batch: slice = slice(None)) -> torch.Tensor:
    inputs, labels = MLP.data()
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(net(inputs[batch]), labels[batch])
    loss.backward()
    optimizer.step()
    return loss.detach()


def weights(net: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


@METRICS
def test_a_plain_training_loop_gives_exact_zero_rows(metric):
    net, prior = mlp()
    optimizer = ProximalAdam(net, prior, dataset_size=24, lr=0.02, warmup_steps=5, metric=metric)
    assert isinstance(optimizer, torch.optim.Optimizer)
    for count in range(120):
        step(net, optimizer, slice(8 * (count % 3), 8 * (count % 3) + 8))
    zeros = {name: (rows == 0).all(dim=1) for name, rows in prior.architecture.rows(net).items()}
    assert any(bool(dead.any()) for dead in zeros.values())
    # A zero row is zero in the network's own parameters.
    assert torch.equal((net[0].weight == 0).all(dim=1) & (net[0].bias == 0), zeros["0"])
    assert torch.equal((net[2].weight == 0).all(dim=1) & (net[2].bias == 0), zeros["2"])


@METRICS
@pytest.mark.parametrize("at", [3, 30])
def test_a_saved_state_continues_to_the_same_bits(metric, at, tmp_path):
    def make(net):
        return ProximalAdam(net, prior, dataset_size=24, lr=0.02, warmup_steps=10, metric=metric)

    net, prior = mlp()
    optimizer = make(net)
    for _ in range(at):
        step(net, optimizer)
    optimizer.param_groups[0]["strength_scale"] = 0.5
    resumed = copy.deepcopy(net)
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    again = make(resumed)
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for _ in range(70):
        step(net, optimizer)
        step(resumed, again)
    assert torch.equal(weights(net), weights(resumed))
    fresh = copy.deepcopy(resumed)
    step(fresh, make(fresh))
    step(resumed, again)
    assert not torch.equal(weights(fresh), weights(resumed))


def test_learning_rate_schedules():
    net, prior = mlp()
    optimizer = ProximalAdam(net, prior, dataset_size=24, lr=0.02)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    moved = []
    for _ in range(3):
        before = weights(net)
        step(net, optimizer)
        schedule.step()
        moved.append(float((weights(net) - before).abs().max()))
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.0025)
    assert moved[2] < 0.5 * moved[0]
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=10)
    step(net, optimizer)
    cycle.step()
    assert optimizer.param_groups[0]["betas"][0] != 0.9


def test_closures_hooks_and_zero_grad():
    net, prior = mlp()
    optimizer = ProximalAdam(net, prior, dataset_size=24)
    calls = []
    optimizer.register_step_pre_hook(lambda *_: calls.append("pre"))
    optimizer.register_step_post_hook(lambda *_: calls.append("post"))
    inputs, labels = MLP.data()

    def closure() -> torch.Tensor:
        calls.append("closure")
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(inputs), labels)
        loss.backward()
        return loss

    expected, _ = mlp()
    other = ProximalAdam(expected, prior, dataset_size=24)
    first = float(step(expected, other))
    assert float(optimizer.step(closure)) == first
    assert calls == ["pre", "closure", "post"]
    assert torch.equal(weights(net), weights(expected))
    assert optimizer.step() is None
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in net.parameters())
    before = weights(net)
    optimizer.step()
    assert torch.equal(weights(net), before)


def test_the_strength_can_be_ramped():
    without, half, whole = [], [], []
    for scale, path in ((0.0, without), (0.5, half), (1.0, whole)):
        net, prior = mlp(strength=1.0)
        optimizer = ProximalAdam(net, prior, dataset_size=24, lr=0.02, warmup_steps=0)
        optimizer.param_groups[0]["strength_scale"] = scale
        for _ in range(20):
            step(net, optimizer)
        path.append(float(prior.penalty(prior.architecture.rows(net)).detach()))
    assert whole < half < without
    net, prior = mlp(strength=0.5)
    optimizer = ProximalAdam(net, prior, dataset_size=24, lr=0.02, warmup_steps=0)
    for _ in range(20):
        step(net, optimizer)
    assert 2 * float(prior.penalty(prior.architecture.rows(net)).detach()) == pytest.approx(half[0])


def test_no_row_vanishes_during_the_warm_up():
    net, prior = mlp(strength=1e5)
    optimizer = ProximalAdam(net, prior, dataset_size=24, warmup_steps=7)
    for _ in range(7):
        step(net, optimizer)
        assert not any(bool((rows == 0).all(dim=1).any()) for rows in prior.architecture.rows(net).values())
    step(net, optimizer)
    assert not net[0].weight.any()


@METRICS
def test_protected_units_never_vanish(metric):
    net, prior = mlp(strength=1e5, guidance=guidance.step(2.0))
    optimizer = ProximalAdam(net, prior, dataset_size=24, lr=0.02, warmup_steps=2, metric=metric)
    for _ in range(100):
        step(net, optimizer)
    for rows in prior.architecture.rows(net).values():
        assert (rows != 0).any(dim=1).tolist() == [True] * 2 + [False] * (len(rows) - 2)


def test_parameters_outside_the_network_take_plain_adam_steps():
    likelihood = NormalLikelihood()
    net, prior = mlp()
    optimizer = ProximalAdam(net, prior, dataset_size=24, lr=0.02, extra=likelihood.parameters())
    twin = NormalLikelihood()
    adam = torch.optim.Adam(twin.parameters(), lr=0.02)
    for _ in range(10):
        for noise, steps in ((likelihood, optimizer), (twin, adam)):
            steps.zero_grad()
            (noise.log_prob(torch.zeros(4), torch.full((4,), 3.0)).mean().neg()).backward()
            steps.step()
    assert likelihood.log_scale is not None
    assert twin.log_scale is not None
    torch.testing.assert_close(likelihood.log_scale, twin.log_scale)
    assert float(likelihood.log_scale.detach()) > 0.1


def test_building_it_changes_nothing():
    net, prior = mlp()
    before = weights(net)
    ProximalAdam(net, prior, dataset_size=24)
    assert torch.equal(weights(net), before)


def test_single_precision_follows_double():
    paths = []
    for dtype in (torch.float64, torch.float32):
        net = MLP.net(dtype)
        prior = GuidedPrior(MLP.architecture(net), GroupLaplace(strength=6.0), guidance.linear())
        optimizer = ProximalAdam(net, prior, dataset_size=24, lr=0.01, warmup_steps=5)
        inputs, labels = MLP.data(dtype)
        for _ in range(40):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(inputs), labels).backward()
            optimizer.step()
        assert next(net.parameters()).dtype == dtype
        paths.append(weights(net).double())
    torch.testing.assert_close(paths[1], paths[0], rtol=1e-4, atol=1e-4)


# Bad input ------------------------------


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"dataset_size": 0}, DataError, "dataset_size=0"),
        ({"dataset_size": -5}, DataError, "number of training cases"),
        ({"lr": 0.0}, ConfigError, "learning rate"),
        ({"lr": -1e-3}, ConfigError, "learning rate"),
        ({"lr": math.nan}, ConfigError, "learning rate"),
        ({"lr": math.inf}, ConfigError, "learning rate"),
        ({"betas": (1.0, 0.999)}, ConfigError, "betas"),
        ({"betas": (0.9, -0.1)}, ConfigError, "betas"),
        ({"eps": 0.0}, ConfigError, "eps"),
        ({"warmup_steps": -1}, ConfigError, "warmup_steps"),
    ],
)
def test_bad_settings_are_refused(settings, error, message):
    net, prior = mlp()
    with pytest.raises(error, match=message):
        ProximalAdam(net, prior, **({"dataset_size": 24} | settings))


def test_an_unknown_metric_is_refused():
    net, prior = mlp()
    optimizer = object.__new__(ProximalAdam)
    with pytest.raises(ConfigError, match='"row" or "weight"'):  # without the tests' own check of the annotation
        inspect.unwrap(ProximalAdam.__init__)(optimizer, net, prior, dataset_size=24, metric="tensor")


def test_another_network_is_refused():
    _, prior = mlp()
    with pytest.raises(ArchitectureMismatchError):
        ProximalAdam(RESIDUAL.net(), prior, dataset_size=24)


def test_the_horseshoe_is_refused():
    net = MLP.net()
    prior = GuidedPrior(MLP.architecture(net), GroupHorseshoe(strength=1.0))
    with pytest.raises(NoMAPError, match="without bound"):
        ProximalAdam(net, prior, dataset_size=24)


def test_parameters_that_come_later_are_refused():
    net, prior = mlp()
    optimizer = ProximalAdam(net, prior, dataset_size=24)
    with pytest.raises(ConfigError, match="extra="):
        optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))]})
    assert len(optimizer.param_groups) == 1


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@METRICS
def test_on_a_gpu(metric):
    paths = []
    for device in ("cpu", "cuda"):
        net, prior = mlp()
        net = net.to(device)
        optimizer = ProximalAdam(net, prior, dataset_size=24, lr=0.02, warmup_steps=5, metric=metric)
        inputs, labels = (part.to(device) for part in MLP.data())
        for _ in range(40):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(inputs), labels).backward()
            optimizer.step()
        paths.append(weights(net).cpu())
    torch.testing.assert_close(paths[1], paths[0], rtol=1e-7, atol=1e-9)
