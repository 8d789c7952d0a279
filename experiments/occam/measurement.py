"""What is measured of one case: exact posteriors over models on a UCI set, or a variational one on MNIST."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import bayes_guided as bg
from bayes_guided.datasets import Dataset, load_idx, load_uci
from bayes_guided.datasets.scaling import standardise_images
from bayes_guided.infer.inclusion.fitting import fit_inclusion
from bayes_guided.priors.models.model_prior import ModelPrior
from experiments.cases import Row

from .exact import GROUP, Evidences, ModelPosterior, architecture_of
from .laws import kind_of_unit
from .model_priors import FAMILIES
from .regression import regression

Pair = tuple[Tensor, Tensor]


def measure(case: Row, settings: Row, folder: Path) -> Row:
    """Exact for `part` "uci"; variational for "mnist" (models and weights) and "bound" (the weights of one width)."""
    if case["part"] == "uci":
        return _exact(case, settings["uci"], folder)
    data = _some_of(case, folder)
    return {"mnist": _variational, "bound": _one_width}[case["part"]](case, settings["mnist"], *data)


def _exact(case: Row, settings: Row, folder: Path) -> Row:
    """Laws of the width by family and factor, and what the data say of single units and of the nested path."""
    data = load_uci(folder / "uci" / case["data"], split=case["seed"])
    # Keys of a JSON object are strings.
    twins = {int(copy): original for copy, original in settings["twins"].items()}
    whole = regression(
        data,
        units=settings["units"],
        needless=settings["needless"],
        twins=twins,
        noise_fraction=settings["noise_fraction"],
        seed=case["seed"],
    )
    evidences = Evidences(whole.first(case["n"]), settings["slab_variance"])
    architecture = architecture_of(settings["units"])
    path = [evidences.parts(torch.arange(width)) for width in range(settings["units"] + 1)]
    return {
        "cases": len(evidences.regression.targets),
        "noise_scale": round(whole.noise_scale, 4),
        "unit_kinds": [kind_of_unit(unit, settings) for unit in range(1, settings["units"] + 1)],
        "unit_log_bayes_factors": _rounded(evidences.unit_log_bayes_factors),
        "path_fit": [round(model.fit, 2) for model in path],
        "path_log_occam": [round(model.log_occam, 2) for model in path],
        "posteriors": {
            name: [
                _posterior(evidences, family(architecture, settings["mean_width"], factor), factor)
                for factor in settings["factors"]
            ]
            for name, family in FAMILIES.items()
        },
    }


def _posterior(evidences: Evidences, prior: ModelPrior, factor: float) -> dict[str, Any]:
    posterior = ModelPosterior(evidences, prior)
    return {
        "factor": factor,
        "prior_log_width_law": _rounded(prior.log_width_pmf(GROUP)),
        "width_law": _rounded(posterior.width_law),
        "divergence": round(posterior.divergence, 3),
        "log_evidence": round(posterior.log_evidence, 3),
    }


def _some_of(case: Row, folder: Path) -> tuple[Pair, Pair]:
    """`n` training images, the first of the seed's order, and all test images."""
    data = _images(folder / case["data"]).limited(case["n"], case["seed"])
    return (data.train_x, data.train_y), (data.test_x, data.test_y)


@lru_cache(maxsize=1)
def _images(folder: Path) -> Dataset:
    """All training and test images, standardised; kept, since every case asks for them."""
    data = load_idx(folder)
    train_x, test_x = standardise_images(data.train_x, data.test_x)
    return replace(data, train_x=train_x, test_x=test_x)


def _variational(case: Row, settings: Row, train: Pair, test: Pair) -> Row:
    """The width under q(m), its divergence from the prior, the bound, and the error of the predictive mean."""
    net, architecture = _net(case, settings["units"], train)
    models = FAMILIES[case["prior"]](architecture, settings["mean_width"], case["factor"])
    prior = bg.SpikeAndSlabPrior(architecture, models, _slab(settings, train))
    # Relaxed gates, since 50 units are too many to list their models.
    fit = fit_inclusion(net, prior, train, allow_empty=True, **_budget(case, settings))
    comparison = bg.compare(prior, fit).dataset
    evaluation = fit.evaluate(test, draws=settings["draws"])
    return {
        "prior_width_law": _rounded(torch.from_numpy(comparison["prior_size_pmf"].values)),
        "width_law": _rounded(torch.from_numpy(comparison["posterior_size_pmf"].values)),
        "divergence": round(float(comparison["divergence_all"]), 2),
        "bound": round(float(fit.bound.value), 1),
        "bound_error": round(float(fit.bound.standard_error), 1),
        "test_error": evaluation.error,
    }


def _one_width(case: Row, settings: Row, train: Pair, test: Pair) -> Row:
    """The bound on the evidence of a network of one width under the same prior on its weights, and its error."""
    net, architecture = _net(case, case["width"], train)
    prior = bg.GuidedPrior(architecture, weights=_slab(settings, train), guidance=bg.guidance.constant())
    fit = bg.fit_svi(net, prior, train, **_budget(case, settings))
    evaluation = fit.evaluate(test, draws=settings["draws"])
    bound = fit.elbo
    assert bound is not None, "a Gaussian guide has a bound"
    return {
        "bound": round(float(bound.value), 1),
        "bound_error": round(float(bound.standard_error), 1),
        "test_error": evaluation.error,
    }


def _net(case: Row, units: int, train: Pair) -> tuple[nn.Module, bg.Architecture]:
    torch.manual_seed(case["seed"])
    net = bg.nets.mlp(train[0].shape[1], [units], outputs=10)
    return net, bg.Architecture.from_module(net, train[0][:2])


def _slab(settings: Row, train: Pair) -> bg.priors.Normal:
    """exp(-r w^2) has variance 1 / (2 r)."""
    return bg.priors.Normal(strength=0.5 * train[0].shape[1] / settings["slab_variance"])


def _budget(case: Row, settings: Row) -> dict[str, Any]:
    """About the same number of gradient steps for every N."""
    batch_size = min(settings["batch_size"], case["n"])
    epochs = max(1, round(settings["steps"] * batch_size / case["n"]))
    return {
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": settings["lr"],
        "ramp_epochs": settings["ramp"] * epochs,
        "elbo_draws": settings["elbo_draws"],
        "seed": case["seed"],
        "progress": False,
    }


def _rounded(values: Tensor) -> list[float]:
    return [float(f"{value:.4g}") if abs(value) > 1e-6 else 0.0 for value in values.tolist()]
