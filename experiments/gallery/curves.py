"""The gallery's tables that no comparison holds: path, Occam curves, readings, calibration, laws of a prior."""

from typing import Any

import numpy as np
import torch

import bayes_guided as bg
from bayes_guided.analysis.occam import OccamCurve, occam_curve_of
from bayes_guided.analysis.reading_curves import ReadingCurves, reading_curves
from bayes_guided.analysis.regularisation import RegularisationPath
from bayes_guided.analysis.sbc import CalibrationTable, calibration_of_laws
from bayes_guided.priors import IndependentInclusion
from theory.size_law import poisson_binomial_log_pmf

from .fits import Settings, gated


def path(settings: Settings, profile: str, seed: int) -> RegularisationPath:
    """MAP fits of a linear regression on gated features at every strength, with the evidence of the units that are left.

    The first features matter most. The error is that of new cases.
    """
    rng = np.random.default_rng(seed)
    units, cases = settings["units"], settings["cases"]
    inputs = torch.tensor(rng.normal(size=(cases + 500, units)))
    weights = torch.tensor(1.5 * np.exp(-np.arange(units) / 3) * rng.choice((-1.0, 1.0), units))
    targets = inputs @ weights + settings["noise"] * torch.tensor(rng.normal(size=len(inputs)))
    train, test = (inputs[:cases], targets[:cases]), (inputs[cases:], targets[cases:])
    net, architecture = gated(inputs)
    shape = bg.guidance.exponential(3.0) if profile == "exponential" else getattr(bg.guidance, profile)()
    found: list[tuple[dict[str, int], float, float]] = []
    for strength in settings["strengths"]:
        prior = bg.GuidedPrior(architecture, weights=bg.priors.GroupLaplace(strength=strength), guidance=shape)
        likelihood = bg.likelihoods.Normal(settings["noise"])
        fit = bg.fit_map(
            net,
            prior,
            train,
            likelihood=likelihood,
            epochs=settings["epochs"],
            batch_size=cases,
            lr=0.02,
            seed=seed,
            progress=False,
        )
        evidence = bg.laplace(fit, train).evidence.log_evidence
        found.append((fit.sub_architecture().widths, fit.evaluate(test).error, evidence))
    widths, errors, evidences = zip(*found, strict=True)
    return RegularisationPath(
        profile,
        torch.tensor(settings["strengths"], dtype=torch.float64),
        {name: torch.tensor([each[name] for each in widths]) for name in widths[0]},
        torch.tensor(errors, dtype=torch.float64),
        torch.tensor(evidences, dtype=torch.float64),
        error_name="RMSE",
    )


def occam(settings: Settings, seed: int) -> dict[str, OccamCurve]:
    """Polynomials in Legendre's basis: every degree, and the models that a prior finds most probable."""
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(-1, 1, settings["cases"]))
    inputs = torch.tensor(np.polynomial.legendre.legvander(x, settings["degree"] - 1))
    weights = rng.choice((-1.0, 1.0), settings["true_degree"] + 1)
    clean = np.polynomial.legendre.legval(x, weights)
    targets = torch.tensor(clean + settings["noise"] * rng.normal(size=len(x)))
    net, architecture = gated(inputs)
    (group,) = (group.name for group in architecture.groups)
    costs = {group: torch.linspace(-settings["cost"], settings["cost"], settings["degree"], dtype=torch.float64)}
    models = IndependentInclusion(architecture, costs)
    nested = [
        architecture.sub_architecture({group: torch.arange(settings["degree"]) < k}) for k in range(1, settings["degree"] + 1)
    ]
    likely = [sub for sub, _ in models.most_probable(60)]
    prior = bg.GuidedPrior(architecture, bg.priors.Normal(strength=0.5))
    curves = {}
    for name, subs in (("nested", nested), ("top", [sub for sub in likely if sub.num_units])):
        table = bg.compare_models(
            net,
            prior,
            (inputs, targets),
            subs,
            likelihood=bg.likelihoods.Normal(settings["noise"]),
            epochs=1,
            seed=seed,
            progress=False,
        )
        curves[name] = occam_curve_of(table, [sub.num_units for sub in subs], [float(models.log_prob(sub)) for sub in subs])
    return curves


def readings(settings: Settings) -> ReadingCurves:
    """One group lasso under linear guidance."""
    net = bg.nets.mlp(64, [settings["units"]], outputs=10)
    architecture = bg.Architecture.from_module(net, torch.zeros(2, 64))
    weights = bg.priors.GroupLaplace(strength=settings["strength"])
    prior = bg.GuidedPrior(architecture, weights=weights, guidance=bg.guidance.linear())
    (name,) = prior.row_priors
    log_odds = prior.row_priors[name].model_log_odds
    return reading_curves(name, log_odds, taus=settings["taus"], curvature=settings["curvature"])


def calibration(settings: Settings, seed: int) -> list[CalibrationTable]:
    """Independent measurements y = m w + noise, whose posterior is a formula: with the right prior and with a wrong one."""
    rng = np.random.default_rng(seed)
    sets, units, noise = settings["data_sets"], settings["units"], settings["noise"]
    odds = np.linspace(1.0, -1.5, units)
    present = rng.random((sets, units)) < 1 / (1 + np.exp(-odds))
    y = present * rng.normal(size=(sets, units)) + noise * rng.normal(size=(sets, units))
    factors = 0.5 * (np.log(noise**2 / (1 + noise**2)) + y**2 / noise**2 - y**2 / (1 + noise**2))
    uniform = torch.tensor(rng.random(sets))
    tables = []
    for name, assumed in (("exact", odds), ("wrong prior", odds - 0.7)):
        posterior = assumed + factors
        inclusion = torch.tensor(1 / (1 + np.exp(-posterior)))
        laws = torch.tensor(np.exp([poisson_binomial_log_pmf(row) for row in posterior]))
        tables.append(
            calibration_of_laws(name, torch.tensor(present), inclusion, laws / laws.sum(dim=1, keepdim=True), uniform)
        )
    return tables


def prior_of_widths() -> dict[str, Any]:
    """Survival and law of the width of a nested prior, for the plots of a prior alone."""
    net = bg.nets.mlp(64, [64], outputs=10)
    architecture = bg.Architecture.from_module(net, torch.zeros(2, 64))
    models = IndependentInclusion.from_guidance(architecture, bg.guidance.linear(), strength=2.0)
    (name,) = (group.name for group in architecture.groups)
    return {
        "group": name,
        "survival": models.unit_survival()[name].tolist(),
        "guidance": bg.guidance.linear().coefficients(architecture)[name].tolist(),
        "pmf": models.width_pmf(name).tolist(),
    }
