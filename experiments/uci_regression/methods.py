"""The three methods on one split: the strength is chosen on a validation part, then the whole training part is fitted."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

import bayes_guided as bg
from bayes_guided.datasets import Dataset

Pair = tuple[Tensor, Tensor]
Settings = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What one method gives on one split, in the data's own units (RMSE; log density in nats per case)."""

    rmse: float
    log_density: float
    width: float
    parameters: float


def measure_methods(data: Dataset, split: int, batch_size: int, settings: Settings) -> dict[str, dict[str, Any]]:
    """By the name of each method its outcome, strength and seconds of CPU time; `data` has no validation part yet."""
    setting = _Setting(data, split, batch_size, settings)
    parts = data.split_validation(settings["validation_fraction"], seed=split)
    assert parts.validation_x is not None
    assert parts.validation_y is not None
    train, held_out = (parts.train_x, parts.train_y), (parts.validation_x, parts.validation_y)
    tuning = {strength: setting.map_fit(train, strength) for strength in settings["strengths"]}
    whole, test = (data.train_x, data.train_y), (data.test_x, data.test_y)

    def best(fit: Callable[[Pair, Pair, float], Outcome], validation: dict[float, float]) -> dict[str, Any]:
        strength = max(validation, key=lambda value: validation[value])
        started = time.process_time()
        outcome = fit(whole, test, strength)
        seconds = round(time.process_time() - started, 2)
        chosen = {"strength": strength, "validation_log_density": list(validation.values())}
        return chosen | asdict(outcome) | {"seconds": seconds}

    refitted = {strength: setting.of_map(fit, held_out).log_density for strength, fit in tuning.items()}
    # A member of the ensemble is a MAP that is not refitted, so its strength is chosen by how such a MAP does.
    plain = {strength: setting.log_density(fit.evaluate(held_out)) for strength, fit in tuning.items()}
    by_svi = {strength: setting.svi(train, held_out, strength).log_density for strength in settings["strengths"]}
    return {
        "MAP, refitted": best(lambda part, on, strength: setting.of_map(setting.map_fit(part, strength), on), refitted),
        "SVI, mean field": best(setting.svi, by_svi),
        f"ensemble of {settings['members']}": best(setting.ensemble, plain),
    }


class _Setting:
    """What all fits of one split share."""

    def __init__(self, data: Dataset, split: int, batch_size: int, settings: Settings) -> None:
        self.data, self.settings = data, settings
        self.budget = {"batch_size": batch_size, "lr": settings["lr"], "seed": split, "progress": False}
        torch.manual_seed(split)
        self.net = bg.nets.mlp(data.train_x.shape[1], [settings["hidden"]], outputs=1)
        self.architecture = bg.Architecture.from_module(self.net, data.train_x[:2])

    def prior(self, strength: float) -> bg.GuidedPrior:
        weights = bg.priors.GroupLaplace(strength=strength)
        return bg.GuidedPrior(self.architecture, weights=weights, guidance=bg.guidance.linear())

    def map_fit(self, train: Pair, strength: float) -> bg.MAPFit:
        return bg.fit_map(
            self.net,
            self.prior(strength),
            train,
            likelihood=bg.likelihoods.Normal(),
            epochs=self.settings["epochs"],
            refit_epochs=self.settings["refit_epochs"],
            allow_empty=True,
            **self.budget,
        )

    def of_map(self, fit: bg.MAPFit, on: Pair) -> Outcome:
        return self._outcome(fit.evaluate(on, refit=True), fit.sub_architecture())

    def svi(self, train: Pair, on: Pair, strength: float) -> Outcome:
        fit = bg.fit_svi(
            self.net,
            self.prior(strength),
            train,
            likelihood=bg.likelihoods.Normal(),
            epochs=self.settings["svi_epochs"],
            **self.budget,
        )
        return self._outcome(fit.evaluate(on, draws=self.settings["draws"]), fit.sub_architecture())

    def ensemble(self, train: Pair, on: Pair, strength: float) -> Outcome:
        fit = bg.fit_ensemble(
            self.net,
            self.prior(strength),
            train,
            members=self.settings["members"],
            vary="both",
            likelihood=bg.likelihoods.Normal(),
            epochs=self.settings["epochs"],
            allow_empty=True,
            **self.budget,
        )
        evaluation = fit.evaluate(on)
        subs = [fit.member(index).sub_architecture() for index in range(len(fit))]
        width = sum(_width(sub) for sub in subs) / len(subs)
        parameters = sum(sub.num_parameters for sub in subs)
        return Outcome(evaluation.error * self.data.target_std, self.log_density(evaluation), width, parameters)

    def log_density(self, evaluation: bg.infer.Evaluation) -> float:
        """Of the targets in the data's own units: those of the fit are divided by their standard deviation."""
        return -evaluation.nll - math.log(self.data.target_std)

    def _outcome(self, evaluation: bg.infer.Evaluation, sub: bg.SubArchitecture) -> Outcome:
        rmse = evaluation.error * self.data.target_std
        return Outcome(rmse, self.log_density(evaluation), _width(sub), sub.num_parameters)


def _width(sub: bg.SubArchitecture) -> int:
    (width,) = sub.widths.values()
    return width
