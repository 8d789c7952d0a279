"""The fits of the gallery, as comparisons."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import bayes_guided as bg
from bayes_guided.infer.curvature import mean_curvature
from bayes_guided.priors import IndependentInclusion

Settings = dict[str, Any]


def digits() -> tuple[bg.datasets.Dataset, tuple[Tensor, Tensor]]:
    """The digits, and their training part."""
    data = bg.datasets.load_digits().split_validation(0.2, seed=0)
    return data, (data.train_x, data.train_y)


def seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network whose first weights depend on the seed alone."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


def digits_net(hidden: list[int], seed: int) -> nn.Module:
    """A multilayer perceptron for the digits."""
    return seeded(lambda: bg.nets.mlp(64, hidden, outputs=10), seed)


def fit_map(settings: Settings, seed: int) -> tuple[bg.MAPFit, bg.Comparison]:
    """Exact zeros under a linearly guided group lasso."""
    data, train = digits()
    net = digits_net(settings["hidden"], seed)
    architecture = bg.Architecture.from_module(net, data.train_x[:2])
    weights = bg.priors.GroupLaplace(strength=settings["strength"])
    prior = bg.GuidedPrior(architecture, weights=weights, guidance=bg.guidance.linear())
    assert data.validation_x is not None
    assert data.validation_y is not None
    fit = bg.fit_map(
        net,
        prior,
        train,
        epochs=settings["epochs"],
        refit_epochs=settings["refit_epochs"],
        batch_size=settings["batch_size"],
        validation=(data.validation_x, data.validation_y),
        seed=seed,
        progress=False,
    )
    return fit, bg.compare(prior, fit, curvature=mean_curvature(fit, train), draws=100)


def falling(architecture: bg.Architecture, first: float, last: float) -> IndependentInclusion:
    """Independent units whose log odds fall from the first to the last of every group."""
    costs = {group.name: -torch.linspace(first, last, group.size, dtype=torch.float64) for group in architecture.groups}
    return IndependentInclusion(architecture, costs)


def fit_spike_and_slab(settings: Settings, seed: int) -> bg.Comparison:
    """A variational posterior over models and weights."""
    data, train = digits()
    net = digits_net(settings["hidden"], seed)
    architecture = bg.Architecture.from_module(net, data.train_x[:2])
    models = falling(architecture, settings["prior_first"], settings["prior_last"])
    prior = bg.SpikeAndSlabPrior(architecture, models, bg.priors.Normal(strength=settings["slab"]))
    fit = bg.fit_svi(
        net, prior, train, epochs=settings["epochs"], batch_size=settings["batch_size"], seed=seed, progress=False
    )
    return bg.compare(prior, fit, draws=200)


def fit_deep(settings: Settings, seed: int) -> bg.Comparison:
    """A Gaussian posterior over the weights of a deep network under linear guidance, in the reading "shrinkage"."""
    data, train = digits()
    net = digits_net(settings["hidden"], seed)
    architecture = bg.Architecture.from_module(net, data.train_x[:2])
    weights = bg.priors.GroupLaplace(strength=settings["strength"])
    prior = bg.GuidedPrior(architecture, weights=weights, guidance=bg.guidance.linear())
    fit = bg.fit_svi(
        net, prior, train, epochs=settings["epochs"], batch_size=settings["batch_size"], seed=seed, progress=False
    )
    return bg.compare(prior, fit, reading="shrinkage", curvature=mean_curvature(fit, train), draws=50)


def fit_chain(settings: Settings, seed: int) -> bg.Comparison:
    """A Markov chain over models and weights of a linear regression on gated features, whose survivals have intervals."""
    rng = np.random.default_rng(seed)
    units, cases = settings["units"], settings["cases"]
    inputs = torch.tensor(rng.normal(size=(cases, units)) + 0.7 * rng.normal(size=(cases, 1)))
    weights = torch.tensor(rng.normal(size=units) * (np.arange(units) % 3 != 1))
    targets = inputs @ weights + settings["noise"] * torch.tensor(rng.normal(size=cases))
    net, architecture = gated(inputs)
    prior = bg.SpikeAndSlabPrior(architecture, falling(architecture, 2.0, -2.0), bg.priors.Normal(strength=0.5))
    likelihood = bg.likelihoods.Normal(settings["noise"])
    counts = {name: settings[name] for name in ("chains", "warmup", "draws")}
    fit = bg.fit_mcmc(net, prior, (inputs, targets), likelihood=likelihood, seed=seed, progress=False, **counts)
    return bg.compare(prior, fit)


def gated(inputs: Tensor) -> tuple[nn.Module, bg.Architecture]:
    """A linear model whose one group are the gates on its inputs, its weights."""
    head = nn.Linear(inputs.shape[1], 1, bias=False, dtype=torch.float64)
    head.weight = nn.Parameter(torch.ones_like(head.weight), requires_grad=False)
    net, architecture = bg.Architecture.with_gates(head, inputs[:2], inputs=True, signed=True)
    return net.double(), architecture
