import copy

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine
from pyro.infer import MCMC, NUTS, SVI, Predictive, Trace_ELBO
from pyro.infer.autoguide import AutoDelta, AutoNormal, init_to_value
from scipy import stats
from torch import nn

from bayes_guided import guidance
from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ArchitectureMismatchError, DataError, LabelError
from bayes_guided.likelihoods import Categorical, Likelihood, Normal
from bayes_guided.models import BayesianNetwork
from bayes_guided.priors import GroupLaplace, GuidedPrior, WeightPrior

from .scenarios import ALL_FAMILIES, MLP, RESIDUAL, SCENARIOS, Scenario


@pytest.fixture(autouse=True)
def _own_param_store():
    """Pyro's own SVI needs the global store: each test gets an empty one."""
    with pyro.get_param_store().scope():
        yield


def model_of(
    scenario: Scenario,
    weights: WeightPrior | None = None,
    likelihood: Likelihood | None = None,
    dataset_size: int | None = None,
    **settings,
) -> tuple[nn.Module, BayesianNetwork]:
    net = scenario.net()
    settings = {"guidance": guidance.linear()} | settings
    prior = GuidedPrior(scenario.architecture(net), weights or GroupLaplace(strength=0.5), **settings)
    return net, BayesianNetwork(net, prior, likelihood or scenario.likelihood, dataset_size=dataset_size)


def regression() -> tuple[nn.Module, GuidedPrior, torch.Tensor, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).double()
        inputs = torch.randn(12, 2, dtype=torch.float64)
        targets = inputs[:, 0] + 0.3 * torch.randn(12, dtype=torch.float64)
    prior = GuidedPrior(Architecture.from_module(net, inputs), GroupLaplace(strength=1.0), guidance.linear())
    return net, prior, inputs, targets


def snapshot(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_at_its_initial_values_it_is_the_network(scenario):
    net, model = model_of(scenario)
    inputs, labels = scenario.data()
    conditioned = poutine.condition(model, data=model.initial_values())
    outputs = poutine.trace(conditioned).get_trace(inputs, labels).nodes["_RETURN"]["value"]
    torch.testing.assert_close(outputs, copy.deepcopy(net)(inputs), rtol=1e-12, atol=1e-12)
    groups = {f"rows.{group.name}": (group.size, group.row_dim) for group in model.prior.architecture.groups}
    trace = poutine.trace(model).get_trace(inputs, labels)
    sampled = {name: tuple(trace.nodes[name]["value"].shape) for name in trace.stochastic_nodes if name != "data"}
    assert sampled == groups | {"rest": (model.prior.architecture.rest_size,)}
    assert trace.observation_nodes == ["targets"]


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_the_joint_density_is_the_prior_times_the_likelihood(family):
    net, model = model_of(MLP, ALL_FAMILIES[family])
    inputs, labels = MLP.data()
    values = model.initial_values()
    trace = poutine.trace(poutine.condition(model, data=values)).get_trace(inputs, labels)
    rows = {group.name: values[f"rows.{group.name}"] for group in model.prior.architecture.groups}
    prior = model.prior.log_prob(rows, values["rest"])
    likelihood = net(inputs).log_softmax(dim=1)[torch.arange(24), labels].sum()
    torch.testing.assert_close(trace.log_prob_sum(), (prior + likelihood).detach(), check_dtype=False)


def test_a_mini_batch_counts_for_the_whole_data_set():
    inputs, labels = MLP.data()
    net, model = model_of(MLP, dataset_size=24)
    conditioned = poutine.condition(model, data=model.initial_values())
    for part in (slice(0, 6), slice(6, 24)):
        trace = poutine.trace(conditioned).get_trace(inputs[part], labels[part])
        trace.compute_log_prob()
        mean = net(inputs[part]).log_softmax(dim=1)[torch.arange(len(labels[part])), labels[part]].mean()
        torch.testing.assert_close(trace.nodes["targets"]["log_prob_sum"], 24 * mean.detach())
        assert trace.nodes["targets"]["log_prob"].shape == (len(labels[part]),)


def test_the_users_network_and_likelihood_stay_as_they_are():
    likelihood = Normal()
    net = RESIDUAL.net()
    before, modes = snapshot(net), [module.training for module in net.modules()]
    identities = [id(parameter) for parameter in net.parameters()]
    prior = GuidedPrior(RESIDUAL.architecture(net), GroupLaplace(strength=0.5))
    model = BayesianNetwork(net, prior, Categorical(), dataset_size=24)
    inputs, labels = RESIDUAL.data()
    guide = AutoNormal(model, init_loc_fn=init_to_value(values=model.initial_values()))
    svi = SVI(model, guide, pyro.optim.Adam({"lr": 0.01}), Trace_ELBO())
    for _ in range(3):
        svi.step(inputs, labels)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert [module.training for module in net.modules()] == modes
    assert [id(parameter) for parameter in net.parameters()] == identities
    assert all(parameter.grad is None for parameter in net.parameters())
    assert likelihood.log_scale is not None
    # BatchNorm's statistics moved in the model's own copy.
    assert not torch.equal(model.network.norm0.running_mean, net.norm0.running_mean)


@pytest.mark.parametrize("likelihood", [Categorical(), Normal()], ids=["no noise", "learned noise"])
def test_the_model_puts_nothing_into_the_global_store(likelihood):
    if isinstance(likelihood, Categorical):
        _, model = model_of(RESIDUAL)
        inputs, targets = RESIDUAL.data()
    else:
        net, prior, inputs, targets = regression()
        model = BayesianNetwork(net, prior, likelihood)
    trace = poutine.trace(model).get_trace(inputs, targets)
    model.initial_values()
    assert not [name for name, site in trace.nodes.items() if site["type"] == "param"]
    assert not list(pyro.get_param_store().keys())
    guide = AutoDelta(model, init_loc_fn=init_to_value(values=model.initial_values()))
    SVI(model, guide, pyro.optim.Adam({"lr": 0.01}), Trace_ELBO()).step(inputs, targets)
    sites = {"rows." + group.name for group in model.prior.architecture.groups} | {"rest"}
    sites |= {"noise_scale"} if isinstance(likelihood, Normal) else set()
    assert set(pyro.get_param_store().keys()) == {f"AutoDelta.{name}" for name in sites}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
@pytest.mark.parametrize("penalised", ["row", "norm"])
@pytest.mark.parametrize("guide_class", [AutoDelta, AutoNormal])
def test_pyros_own_svi_lowers_its_loss(scenario, penalised, guide_class):
    """With protected units in every group, whose density is a mixture."""
    torch.manual_seed(0)
    _, model = model_of(scenario, guidance=guidance.step(1.0), penalised=penalised)
    inputs, labels = scenario.data()
    settings = {"init_scale": 0.01} if guide_class is AutoNormal else {}
    guide = guide_class(model, init_loc_fn=init_to_value(values=model.initial_values()), **settings)
    svi = SVI(model, guide, pyro.optim.Adam({"lr": 0.02}), Trace_ELBO())
    losses = [svi.step(inputs, labels) for _ in range(30)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0] - 2
    values = guide.median(inputs, labels)
    assert values["rest"].shape == (model.prior.architecture.rest_size,)


def test_the_guide_starts_from_the_networks_own_weights():
    net, model = model_of(MLP)
    inputs, labels = MLP.data()
    guide = AutoDelta(model, init_loc_fn=init_to_value(values=model.initial_values()))
    median = guide.median(inputs, labels)
    for name, rows in model.prior.architecture.rows(net).items():
        assert torch.equal(median[f"rows.{name}"], rows)
    assert torch.equal(median["rest"], model.prior.architecture.rest_vector(net))


@pytest.mark.parametrize("family", ["GroupLaplace", "GroupHorseshoe"])
def test_nuts_and_predictive(family):
    torch.manual_seed(0)
    net, prior, inputs, targets = regression()
    prior = GuidedPrior(prior.architecture, ALL_FAMILIES[family], guidance.linear())
    model = BayesianNetwork(net, prior, Normal())
    kernel = NUTS(model, init_strategy=init_to_value(values=model.initial_values()), max_tree_depth=4)
    chain = MCMC(kernel, num_samples=15, warmup_steps=15, disable_progbar=True)
    chain.run(inputs, targets)
    draws = chain.get_samples()
    assert {name: tuple(draw.shape) for name, draw in draws.items()} == {
        "rows.0": (15, 3, 3),
        "rest": (15, 4),
        "noise_scale": (15,),
    }
    assert bool((draws["noise_scale"] > 0).all())
    assert float(draws["rows.0"].std(dim=0).min()) > 1e-3
    predicted = Predictive(model, posterior_samples=draws, return_sites=("targets", "_RETURN"))(inputs)
    assert predicted["targets"].shape == (15, 12)
    expected = torch.stack(
        [
            torch.tanh(inputs @ row[:, :2].T + row[:, 2]) @ rest[:3] + rest[3]
            for row, rest in zip(draws["rows.0"], draws["rest"], strict=True)
        ]
    )
    torch.testing.assert_close(predicted["_RETURN"][..., 0], expected)


def test_prior_predictive_and_cases_beyond_the_data_set():
    _, model = model_of(MLP, dataset_size=24)
    inputs = torch.randn(50, 5, dtype=torch.float64)
    predicted = Predictive(model, num_samples=7)(inputs)
    assert predicted["targets"].shape == (7, 50)
    assert predicted["rows.0"].squeeze().shape == (7, 6, 6)
    assert len(predicted["rows.0"].flatten().unique()) == 7 * 6 * 6


def test_the_noise_of_a_regression_is_a_site_of_its_own():
    net, prior, inputs, targets = regression()
    model = BayesianNetwork(net, prior, Normal())
    values = model.initial_values()
    assert float(values["noise_scale"]) == 1
    values["noise_scale"] = torch.tensor(0.4, dtype=torch.float64)
    trace = poutine.trace(poutine.condition(model, data=values)).get_trace(inputs, targets)
    trace.compute_log_prob()
    outputs = net(inputs)[:, 0].detach().numpy()
    expected = stats.norm.logpdf(targets.numpy(), outputs, 0.4)
    np.testing.assert_allclose(trace.nodes["targets"]["log_prob"].numpy(), expected, rtol=1e-12)


def test_evaluation_mode_uses_the_statistics_of_the_network():
    net, model = model_of(RESIDUAL)
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.add_(0.5)
    inputs, _ = RESIDUAL.data()
    model.eval()
    outputs = poutine.condition(model, data=model.initial_values())(inputs)
    assert not torch.allclose(outputs, net.eval()(inputs))
    torch.testing.assert_close(outputs, model._modules["network"](inputs))


def test_bad_input_is_refused():
    net, model = model_of(MLP, dataset_size=10)
    inputs, labels = MLP.data()
    with pytest.raises(DataError, match=r"24 cases.*dataset_size=10"):
        model(inputs, labels)
    with pytest.raises(LabelError, match="0 to 2"):
        model(inputs[:5], labels[:5] + 2)
    with pytest.raises(DataError, match="dataset_size=0"):
        BayesianNetwork(net, model.prior, Categorical(), dataset_size=0)
    with pytest.raises(ArchitectureMismatchError, match=r"Architecture.from_module"):
        BayesianNetwork(RESIDUAL.net(), model.prior, Categorical())


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_on_a_gpu(family):
    net, here = model_of(MLP, ALL_FAMILIES[family], guidance=guidance.step(1.0))
    there = BayesianNetwork(net.cuda(), here.prior, Categorical())
    inputs, labels = MLP.data()

    def joint(model, *data):
        return poutine.trace(poutine.condition(model, data=model.initial_values())).get_trace(*data).log_prob_sum().cpu()

    torch.testing.assert_close(joint(there, inputs.cuda(), labels.cuda()), joint(here, inputs, labels))
