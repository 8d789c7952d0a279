"""The methods of this package: one strength each, searched so that the network comes out at the wanted size."""

import time
from collections.abc import Callable, Iterator

from torch import nn

import bayes_guided as bg
from bayes_guided.exceptions import CollapseError
from bayes_guided.guidance import Guidance, constant, cost, linear

from .search import SizeSearch
from .setting import Candidate, Setting

PROFILES: dict[str, Guidance] = {"linear": linear(), "linear, cost": linear().across(cost("macs"))}
"""Choices of the guided method: later units pressed harder, and whole groups also in proportion to what their units cost."""


def group_lasso(setting: Setting, choice: str) -> Iterator[Candidate]:
    """Unguided group lasso by prox, at the learning rate `choice`."""
    return _searched(setting, "group_lasso", choice, lambda strength: _map(setting, strength, constant(), float(choice)))


def guided(setting: Setting, choice: str) -> Iterator[Candidate]:
    """The guided MAP under the profile `choice`, at the learning rate of all methods."""
    lr = setting.plan["lr"]
    return _searched(setting, "guided", choice, lambda strength: _map(setting, strength, PROFILES[choice], lr))


def l0(setting: Setting, choice: str) -> Iterator[Candidate]:
    """Hard-concrete gates with the same price for every unit [Louizos2018], at the learning rate `choice`."""

    def fit(strength: float) -> nn.Module:
        models = bg.IndependentInclusion.from_guidance(setting.architecture, constant(), strength=strength)
        prior = bg.SpikeAndSlabPrior(setting.architecture, models=models, slab=bg.priors.Normal(strength=0.5))
        return bg.fit_svi(
            setting.net, prior, setting.part, guide="guided_l0", gradient="hard_concrete", lr=float(choice), elbo_draws=2,
            **setting.budget,
        ).reduce()  # fmt: skip

    return _searched(setting, "l0", choice, fit)


def _map(setting: Setting, strength: float, guidance: Guidance, lr: float) -> nn.Module:
    prior = bg.GuidedPrior(setting.architecture, weights=bg.priors.GroupLaplace(strength=strength), guidance=guidance)
    return bg.fit_map(setting.net, prior, setting.part, lr=lr, **setting.budget).reduce()


def _searched(setting: Setting, method: str, choice: str, fit: Callable[[float], nn.Module]) -> Iterator[Candidate]:
    made: dict[float, tuple[nn.Module, float]] = {}

    def fraction(strength: float) -> float | None:
        started = time.process_time()
        try:
            net = fit(strength)
        except CollapseError:
            return None
        made[strength] = net, time.process_time() - started
        return setting.macs(net) / setting.dense_macs

    search = SizeSearch(fraction, setting.plan["search"])
    for target, start in zip(setting.targets, setting.plan["strengths"][method][choice], strict=True):
        strength = search.strength(target, start)
        net, seconds = made[strength]
        yield Candidate(target, choice, strength, search.fits, seconds, net)
