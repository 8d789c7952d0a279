"""The posterior predictive: against one network per draw, a closed form, and the spread of repeated estimates."""

import copy
import dataclasses
import math
import warnings

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.profiler import ProfilerActivity, profile

from bayes_guided import likelihoods
from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ConfigError, DataError, LabelError
from bayes_guided.infer.draws import Draws
from bayes_guided.infer.prediction.draw_network import DrawNetwork
from bayes_guided.infer.prediction.evaluation import evaluate
from bayes_guided.infer.prediction.predictive import evaluate_draws, predict_draws
from bayes_guided.infer.training.batches import as_batches
from tests.infer.problems import CLASSES, LEARNED_NOISE, PROBLEMS, ConvNet, built, image_data

CPU = torch.device("cpu")


def around(net, architecture, n, *, spread=0.3, noise=False, seed=0):
    """Draws around the network's weights, each without some of the units."""
    generator = torch.Generator().manual_seed(seed)
    rows, masks = {}, {}
    for name, row in architecture.rows(net).items():
        masks[name] = torch.rand((n, len(row)), generator=generator) < 0.8
        drawn = row.detach() + spread * torch.randn((n, *row.shape), generator=generator)
        rows[name] = drawn * masks[name][:, :, None]
    rest = architecture.rest_vector(net).detach()
    rest = rest + spread * torch.randn((n, *rest.shape), generator=generator)
    return Draws(rows, rest, torch.rand(n, generator=generator) + 0.5 if noise else None, masks)


def one_by_one(net, architecture, likelihood, draws, inputs):
    """Outputs and likelihood of every draw, from networks into which its weights are written."""
    for i in range(len(draws)):
        single = copy.deepcopy(net).eval()
        architecture.write_rows(single, {name: row[i] for name, row in draws.rows.items()}, draws.rest[i])
        for name, buffer in (draws.buffers or {}).items():
            single.get_buffer(name).copy_(buffer[i])
        at = likelihood if draws.noise_scale is None else likelihoods.Normal(float(draws.noise_scale[i]))
        with torch.no_grad():
            yield single(inputs), at


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
@pytest.mark.parametrize("memory_mb", [0.05, 256.0])
def test_mixture_of_networks_of_their_own(problem, memory_mb):
    net, (inputs, targets), likelihood = problem.net(), problem.data(150), problem.likelihood()
    architecture = Architecture.from_module(net, inputs[:2])
    draws = around(net, architecture, 23, noise=problem is LEARNED_NOISE)
    singles = list(one_by_one(net, architecture, likelihood, draws, inputs))
    mean = torch.stack([at.mean(outputs) for outputs, at in singles]).mean(dim=0)
    found = predict_draws(net, architecture, likelihood, draws, inputs, memory_mb=memory_mb)
    torch.testing.assert_close(found, mean, rtol=1e-4, atol=1e-5)
    log_density = torch.stack([at.log_prob(outputs, targets) for outputs, at in singles]).double()
    evaluation = evaluate_draws(
        net, architecture, likelihood, draws, as_batches((inputs, targets), 7, CPU), memory_mb=memory_mb
    )
    exact = -(log_density.logsumexp(dim=0) - math.log(23)).mean()
    assert evaluation.nll == pytest.approx(float(exact), rel=1e-5)
    errors = likelihood.error_of_mean(mean, targets).mean()
    assert evaluation.error == pytest.approx(float(errors.sqrt() if evaluation.error_name == "RMSE" else errors), rel=1e-4)
    assert (evaluation.cases, evaluation.draws) == (150, 23)


def test_normal_targets_of_a_linear_model_have_their_closed_form():
    """y = w x + noise with w ~ N(m, S): y ~ N(m x, sigma^2 + x' S x), in density, error and coverage."""
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(3, 2, bias=False), nn.Linear(2, 1, bias=False)).double()
    inputs = torch.from_numpy(rng.normal(size=(2000, 3)))
    architecture = Architecture.from_module(net, inputs[:2])
    mean, root, sigma = np.array([[0.5, -1.0, 0.2], [0.0, 0.3, 0.8]]), rng.normal(size=(6, 6)) / 3, 0.4
    weights = mean.ravel() + rng.normal(size=(1500, 6)) @ root.T
    draws = Draws({"0": torch.from_numpy(weights.reshape(1500, 2, 3))}, torch.ones(1500, 2, dtype=torch.float64))
    design = np.tile(inputs.numpy(), (1, 2))
    centre = design @ mean.ravel()
    scale = np.sqrt(sigma**2 + ((design @ root) ** 2).sum(axis=1))
    targets = centre + scale * rng.normal(size=2000)
    batches = as_batches((inputs, torch.from_numpy(targets)), 7, CPU, torch.float64)
    found = evaluate_draws(net, architecture, likelihoods.Normal(sigma), draws, batches, memory_mb=32)
    assert found.nll_se is not None
    assert found.error_se is not None
    assert found.nll_se < 0.02
    assert found.nll == pytest.approx(-stats.norm.logpdf(targets, centre, scale).mean(), abs=4 * found.nll_se)
    exact = np.sqrt(((targets - centre) ** 2).mean())
    assert found.error == pytest.approx(exact, abs=4 * found.error_se)
    assert found.calibration_error < 4 * 0.5 / 2000**0.5
    # Each single draw is sure of too much: its intervals have the noise's width alone.
    single = evaluate_draws(net, architecture, likelihoods.Normal(sigma), draws[:1], batches)
    assert single.calibration_error > 0.1
    prediction = predict_draws(net, architecture, likelihoods.Normal(sigma), draws, inputs[:50])
    np.testing.assert_allclose(prediction.numpy(), centre[:50], atol=5 * scale.max() / 1500**0.5)


def trained(problem):
    """A network that has learned something, so that some cases are clear and some are not."""
    net, (inputs, targets), likelihood = problem.net(), problem.data(), problem.likelihood()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        (-likelihood.log_prob(net(inputs), targets).mean()).backward()
        optimizer.step()
    return net


@pytest.mark.parametrize("problem", [CLASSES, LEARNED_NOISE], ids=lambda problem: problem.name)
def test_standard_errors_are_the_spread_of_estimates_from_other_draws(problem):
    net, data, likelihood = trained(problem), problem.data(600, seed=1), problem.likelihood()
    architecture = Architecture.from_module(net, data[0][:2])
    batches = as_batches(data, 600, CPU)
    everything = around(net, architecture, 60 * 80, noise=problem is LEARNED_NOISE)
    found = [
        evaluate_draws(net, architecture, likelihood, everything[start : start + 60], batches)
        for start in range(0, len(everything), 60)
    ]
    for name in ("nll", "error", "calibration_error"):
        values = np.array([getattr(one, name) for one in found])
        claimed = np.sqrt(np.mean([getattr(one, f"{name}_se") ** 2 for one in found]))
        assert values.std(ddof=1) > 0
        # 80 estimates know their own spread to 8 %, so four standard errors are a factor of 1.4.
        assert 0.7 < claimed / values.std(ddof=1) < 1.4, name


def test_one_draw_is_the_network_itself():
    net, data = CLASSES.net(), CLASSES.data(100)
    architecture = Architecture.from_module(net, data[0][:2])
    rows = {name: row.detach()[None] for name, row in architecture.rows(net).items()}
    draws = Draws(rows, architecture.rest_vector(net).detach()[None])
    likelihood, batches = likelihoods.Categorical(), as_batches(data, 7, CPU)
    found, wanted = evaluate_draws(net, architecture, likelihood, draws, batches), evaluate(net, likelihood, batches)
    assert (found.error, found.draws, found.nll_se, wanted.nll_se) == (wanted.error, 1, None, None)
    assert found.nll == pytest.approx(wanted.nll, rel=1e-5)
    assert found.calibration_error == pytest.approx(wanted.calibration_error, rel=1e-4)


def with_buffers(net, draws, seed=1):
    generator = torch.Generator().manual_seed(seed)
    buffers = {
        name: torch.rand((len(draws), *buffer.shape), generator=generator) + 0.5
        for name, buffer in net.named_buffers()
        if buffer.is_floating_point()
    }
    return dataclasses.replace(draws, buffers=buffers)


@pytest.mark.parametrize("own_buffers", [True, False])
def test_buffers_of_each_draw_and_a_network_left_as_it_was(own_buffers):
    net, (inputs, _) = built(ConvNet), image_data(40)
    architecture = Architecture.from_module(net, inputs[:2])
    net(inputs)
    draws = around(net, architecture, 6)
    draws = draws if own_buffers else with_buffers(net, draws)
    likelihood = likelihoods.Categorical()
    before, generator = {name: value.clone() for name, value in net.state_dict().items()}, torch.get_rng_state()
    net.norm1.eval()
    modes = [module.training for module in net.modules()]
    found = predict_draws(net, architecture, likelihood, draws, inputs)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert [module.training for module in net.modules()] == modes
    assert torch.equal(torch.get_rng_state(), generator)
    exact = torch.stack([outputs.softmax(dim=1) for outputs, _ in one_by_one(net, architecture, likelihood, draws, inputs)])
    torch.testing.assert_close(found, exact.mean(dim=0), rtol=1e-4, atol=1e-5)


class Branching(nn.Module):
    """Asks for a number, which vmap cannot answer."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(5, 6), nn.Linear(6, 3)

    def forward(self, x):
        x = self.hidden(x).relu()
        return self.head(x if float(x.detach().sum()) > -1 else -x)


def test_a_network_that_vmap_cannot_take_is_named_and_predicts_all_the_same():
    net, (inputs, _) = built(Branching), CLASSES.data(30)
    architecture = Architecture.from_module(net, inputs[:2])
    draws, likelihood = around(net, architecture, 5), likelihoods.Categorical()
    with pytest.warns(UserWarning, match=r"vmap cannot take this Branching \(RuntimeError: vmap: .*one after the other"):
        found = predict_draws(net, architecture, likelihood, draws, inputs)
    exact = torch.stack([outputs.softmax(dim=1) for outputs, _ in one_by_one(net, architecture, likelihood, draws, inputs)])
    torch.testing.assert_close(found, exact.mean(dim=0), rtol=1e-5, atol=1e-6)


def peak_mb(run):
    """MiB that torch's allocator hands out at once, scratch memory included: by the profiler, not by the code under test."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        run()
    live = peak = 0
    for event in record.profiler.kineto_results.events():
        if event.name() == "[memory]":
            live += event.nbytes()
            peak = max(peak, live)
    return peak / 2**20


class Pictures(nn.Module):
    """A convolutional network with far more activations than weights."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.conv2(self.conv1(x).relu()).relu().mean((2, 3)))


@pytest.mark.parametrize(("channels", "cases", "together"), [(3, 300, True), (24, 300, False)])
@pytest.mark.parametrize("cap", [2.0, 8.0, 64.0])
def test_the_peak_of_a_convolutional_network_stays_under_the_cap(channels, cases, together, cap):
    net = built(lambda: Pictures(channels))
    inputs, labels = torch.randn(cases, 1, 12, 12, generator=torch.Generator().manual_seed(0)), torch.arange(cases) % 3
    architecture = Architecture.from_module(net, inputs[:2])
    draws, likelihood = around(net, architecture, 40), likelihoods.Categorical()
    assert DrawNetwork(net, architecture, likelihood, draws).runs_together(inputs, labels) == together
    batches = as_batches((inputs, labels), cases, CPU)
    found = []
    peak = peak_mb(lambda: found.append(evaluate_draws(net, architecture, likelihood, draws, batches, memory_mb=cap)))
    assert peak < cap
    free = peak_mb(lambda: found.append(evaluate_draws(net, architecture, likelihood, draws, batches, memory_mb=1e4)))
    if together:
        assert free > 32  # without a cap there is something to bound
        assert peak > cap / 8 or cap > free  # and the cap is made use of
    assert found[0].nll == pytest.approx(found[1].nll, rel=1e-6)
    assert found[0].nll_se == pytest.approx(found[1].nll_se, rel=1e-3)


def test_a_cap_that_holds_not_even_one_draw_still_predicts():
    net, (inputs, _) = CLASSES.net(), CLASSES.data(5)
    architecture = Architecture.from_module(net, inputs[:2])
    draws = around(net, architecture, 3)
    least = predict_draws(net, architecture, likelihoods.Categorical(), draws, inputs, memory_mb=1e-9)
    torch.testing.assert_close(least, predict_draws(net, architecture, likelihoods.Categorical(), draws, inputs))


def test_double_precision_draws_of_a_single_precision_network():
    net, (inputs, _) = CLASSES.net(), CLASSES.data(8)
    architecture = Architecture.from_module(net, inputs[:2])
    draws = around(net, architecture, 3)
    doubled = Draws({name: row.double() for name, row in draws.rows.items()}, draws.rest.double())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = predict_draws(net, architecture, likelihoods.Categorical(), doubled, inputs)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, predict_draws(net, architecture, likelihoods.Categorical(), draws, inputs))


def test_bad_input_is_named():
    net, (inputs, labels) = CLASSES.net(), CLASSES.data(8)
    architecture = Architecture.from_module(net, inputs[:2])
    draws, likelihood = around(net, architecture, 3), likelihoods.Categorical()
    with pytest.raises(ConfigError, match="no draws"):
        predict_draws(net, architecture, likelihood, draws[:0], inputs)
    with pytest.raises(ConfigError, match="memory_mb=0"):
        predict_draws(net, architecture, likelihood, draws, inputs, memory_mb=0)
    with pytest.raises(ConfigError, match="Categorical does not know"):
        predict_draws(net, architecture, likelihood, around(net, architecture, 3, noise=True), inputs)
    with pytest.raises(DataError, match=r"does not run on inputs of shape \(8, 4\)"):
        predict_draws(net, architecture, likelihood, draws, inputs[:, :4])
    with pytest.raises(LabelError, match="to 3, but"):
        evaluate_draws(net, architecture, likelihood, draws, as_batches((inputs, labels + 1), 8, CPU))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_draws_from_the_cpu_on_a_network_on_the_gpu():
    net, (inputs, _) = CLASSES.net(), CLASSES.data(8)
    architecture = Architecture.from_module(net, inputs[:2])
    draws = around(net, architecture, 3)
    wanted = predict_draws(net, architecture, likelihoods.Categorical(), draws, inputs)
    found = predict_draws(net.cuda(), architecture, likelihoods.Categorical(), draws, inputs.cuda())
    torch.testing.assert_close(found.cpu(), wanted, rtol=1e-4, atol=1e-5)
