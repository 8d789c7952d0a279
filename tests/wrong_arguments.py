"""Every entrance of the package, given something of the wrong kind.

`python -m tests.wrong_arguments` prints what was not refused as it should be, and nothing if all was.
"""

import numpy as np
import torch

import bayes_guided as bg
from bayes_guided.exceptions import BayesGuidedError

torch.manual_seed(0)
net, x, y = bg.nets.mlp(3, (4,), outputs=2), torch.randn(12, 3), torch.arange(12) % 2
architecture = bg.Architecture.from_module(net, x[:2])
ridge, linear = bg.priors.Normal(1.0), bg.guidance.linear()
guided = bg.GuidedPrior(architecture, bg.priors.GroupLaplace(1.0), linear)
models = bg.IndependentInclusion.from_guidance(architecture, linear, strength=1.0)
mixed = bg.SpikeAndSlabPrior(architecture, models, ridge)
spec = {"epochs": 1, "batch_size": 6, "seed": 0, "progress": False}
svi = bg.fit_svi(net, guided, (x, y), **spec)
rows = architecture.rows(net)


def fit(method=bg.fit_map, net=net, prior=guided, data=(x, y), **settings):
    return lambda: method(net, prior, data, **{**spec, **settings})


calls = {
    "epochs=1.5": fit(epochs=1.5),
    "epochs='3'": fit(bg.fit_svi, epochs="3"),
    "batch_size=2.5": fit(batch_size=2.5),
    "refit_epochs=1.5": fit(refit_epochs=1.5),
    "seed=1.5": fit(seed=1.5),
    "lr=a": fit(lr="a"),
    "warmup_steps=1.5": fit(warmup_steps=1.5),
    "'device' is 'gpu'": fit(device="gpu"),
    "members=2.5": fit(bg.fit_ensemble, members=2.5),
    "checkpoint_steps=0": fit(checkpoint_steps=0),
    "checkpoint_seconds=nan": fit(checkpoint_seconds=float("nan")),
    "chains=1.5": lambda: bg.fit_mcmc(net, guided, (x, y), chains=1.5),
    "particles=1.5": fit(bg.fit_svi, particles=1.5),
    "strength: got 3.0": fit(bg.fit_svi, strength=3.0),
    "kept_draws=0": fit(bg.fit_svi, kept_draws=0),
    "net: got None": fit(net=None),
    "prior: got a GroupLaplace": fit(prior=bg.priors.GroupLaplace(1.0)),
    "prior: got a SpikeAndSlabPrior": fit(prior=mixed),
    "(a SpikeAndSlabPrior is for": fit(bg.fit_ensemble, prior=mixed),
    "got the class Categorical": fit(likelihood=bg.likelihoods.Categorical),
    "likelihood: got 'Normal'": fit(likelihood="Normal"),
    "data: got Tensor": fit(data=x),
    "data: got tuple of 3": fit(data=(x, y, y)),
    "data: got NoneType": fit(data=None),
    "data: got TensorDataset": fit(data=torch.utils.data.TensorDataset(x, y)),
    "list of 12": fit(data=(x.tolist(), y.tolist())),
    "where a tensor or NumPy array goes": lambda: svi.predict(x.tolist()),
    "draws=-2": lambda: svi.predict(x, draws=-2),
    "draws=1.5": lambda: svi.evaluate((x, y), draws=1.5),
    "n=0": lambda: svi.masks("threshold", 0, tau=1.0),
    "fit: got a SVIFit": lambda: bg.laplace(svi, (x, y)),
    "a margin is that of a MAP": lambda: bg.margins(svi, (x, y)),
    "give a pair (prior, fit)": lambda: bg.compare({"a": svi}),
    "weights: got 3.0": lambda: bg.GuidedPrior(architecture, 3.0),
    "rest: got a Laplace": lambda: bg.GuidedPrior(architecture, ridge, linear, bg.priors.Laplace(1.0)),
    "got the function linear": lambda: bg.GuidedPrior(architecture, ridge, bg.guidance.linear),
    "architecture: got a MLP": lambda: bg.GuidedPrior(net, ridge),
    "slab: got None": lambda: bg.SpikeAndSlabPrior(architecture, models, None),
    "models: got None": lambda: bg.SpikeAndSlabPrior(architecture, None, ridge),
    "and not its parameters": lambda: bg.optim.ProximalAdam(net.parameters(), guided, dataset_size=12),
    "dataset_size=1.5": lambda: bg.optim.ProximalAdam(net, guided, dataset_size=1.5),
    "likelihood: got None": lambda: bg.models.BayesianNetwork(net, guided, None),
    "the network is a NoneType": lambda: bg.Architecture.from_module(None, x),
    "are empty": lambda: bg.Architecture.from_module(net, x[:0]),
    "sub: got a dict": lambda: bg.reduce(net, {}),
    "is a list; it must be torch.bool, as a tensor": lambda: architecture.sub_architecture({"layers.0": [True] * 4}),
    "masks are a Tensor": lambda: architecture.sub_architecture(torch.ones(4)),
    "rows are a list": lambda: architecture.write_rows(net, list(rows.values())),
    "are a ndarray": lambda: architecture.write_rows(net, {"layers.0": np.ones((4, 4))}),
    "across(2.0)": lambda: linear.across(2.0),
    "custom(None)": lambda: bg.guidance.custom(None),
    "power='a'": lambda: bg.guidance.polynomial("a"),
    "is None; give one number": lambda: bg.GuidedPrior(architecture, ridge, bg.guidance.custom(lambda group: None)),
    "min_width=1.5": lambda: models.condition(min_width=1.5),
    "k=1.5": lambda: models.most_probable(1.5),
    "n=-1": lambda: models.sample(-1),
    "sub: got None": lambda: models.log_prob(None),
    "curvature='a'": lambda: guided.model_prior("evidence", curvature="a"),
    "Normal(scale='a')": lambda: bg.likelihoods.Normal(scale="a"),
}
for expected, call in calls.items():
    try:
        call()
        found = "accepted"
    except BayesGuidedError as error:
        found = str(error)
    if expected not in found:
        print(f"{expected!r} was expected: {found}")
