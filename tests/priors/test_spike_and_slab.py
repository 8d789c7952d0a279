"""Spike and slab against every mask, quadrature and draws, and P11's identity with the guided regulariser."""

import math
from itertools import product

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine
from pyro.distributions import Normal as NormalNoise
from pyro.infer import TraceEnum_ELBO
from scipy.integrate import quad
from torch import nn

from bayes_guided import guidance, priors
from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import (
    ArchitectureMismatchError,
    GuidanceError,
    NoMAPError,
    ReadingError,
    RowShapeError,
    StrengthError,
    SurvivalError,
    UnitCostError,
    UnsupportedFormError,
)
from bayes_guided.priors.models.independent import IndependentInclusion
from bayes_guided.priors.models.nested import NestedWidth
from bayes_guided.priors.models.tilted import TiltedWidth
from bayes_guided.priors.models.width_laws import poisson
from bayes_guided.priors.slab_volumes import laplace_log_volume
from bayes_guided.priors.spike_and_slab import SpikeAndSlabPrior
from tests.priors.every_mask import mlp_architecture
from tests.scenarios import ALL_FAMILIES, WITH_MAP, log_normalizer, penalty_by_hand
from theory import group_lasso, identity

COSTS = {"0": torch.tensor([-1.0, 0.3, 2.0]), "2": torch.tensor([0.5, -0.7])}
SIZES = {name: len(costs) for name, costs in COSTS.items()}


@pytest.fixture(scope="module")
def architecture():
    return mlp_architecture(3, 2)


@pytest.fixture(autouse=True)
def _fixed_draws():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


def model_priors(architecture):
    steps = guidance.step(1.0)
    return {
        "independent": IndependentInclusion(architecture, COSTS),
        "protected": IndependentInclusion.from_guidance(architecture, steps, strength=1.2),
        "nested": NestedWidth.from_guidance(architecture, guidance.linear(), strength=0.4),
        "tilted": TiltedWidth.from_guidance(architecture, guidance.linear(), strength=0.6, widths=poisson(1.5)),
    }


MODELS = ("independent", "protected", "nested", "tilted")


def every_model(architecture):
    sizes = [group.size for group in architecture.groups]
    for digits in product([False, True], repeat=sum(sizes)):
        parts = torch.tensor(digits).split(sizes)
        masks = dict(zip([group.name for group in architecture.groups], parts, strict=True))
        yield architecture.sub_architecture(masks, allow_empty=True)


def rows_of(sub, dtype=torch.float64):
    """Random rows that are zero where the model has no unit."""
    return {
        group.name: torch.randn(group.size, group.row_dim, dtype=dtype) * sub.masks[group.name][:, None]
        for group in sub.architecture.groups
    }


# The joint density ------------------------------


@pytest.mark.parametrize("models", MODELS)
@pytest.mark.parametrize("family", WITH_MAP)
def test_log_prob_of_every_model(architecture, family, models):
    slab, g = WITH_MAP[family], guidance.linear()
    prior = SpikeAndSlabPrior(architecture, model_priors(architecture)[models], slab, guidance=g)
    coefficients = g.coefficients(architecture)
    for sub in every_model(architecture):
        rows, expected = rows_of(sub), float(prior.models.log_prob(sub))
        for name, row in rows.items():
            log_z = torch.from_numpy(log_normalizer(slab, coefficients[name], row.shape[1]))
            density = -penalty_by_hand(slab, coefficients[name], row) - log_z
            expected += float(density[sub.masks[name]].sum())
        found = prior.log_prob(rows, sub)
        assert found.dtype == torch.float64
        assert float(found) == pytest.approx(expected, rel=1e-12, abs=1e-9)
        if expected > -math.inf:  # else a protected unit is absent, which no row says
            assert float(prior.log_prob_rows(rows)) == float(found)


def test_rest_is_normal(architecture):
    prior = SpikeAndSlabPrior(
        architecture, IndependentInclusion(architecture, COSTS), priors.Laplace(1.0), rest=priors.Normal(strength=2.0)
    )
    sub, rest = architecture.full(), torch.randn(architecture.rest_size, dtype=torch.float64)
    exact = (math.log(2 / math.pi) / 2 - 2 * rest.square()).sum()
    rows = rows_of(sub)
    for with_rest, without in (
        (prior.log_prob(rows, sub, rest), prior.log_prob(rows, sub)),
        (prior.log_prob_rows(rows, rest), prior.log_prob_rows(rows)),
        (-prior.joint_penalty(rows, sub, rest), -prior.joint_penalty(rows, sub)),
    ):
        assert float(with_rest - without) == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_rows_of_absent_units_must_be_exactly_zero(architecture, family):
    prior = SpikeAndSlabPrior(architecture, IndependentInclusion(architecture, COSTS), ALL_FAMILIES[family])
    sub = architecture.sub_architecture({"0": torch.tensor([True, False, True])})
    rows = rows_of(sub)
    assert math.isfinite(float(prior.log_prob(rows, sub)))
    rows["0"][1, 2] = 1e-100
    assert float(prior.log_prob(rows, sub)) == -math.inf
    assert math.isfinite(float(prior.log_prob_rows(rows)))  # read off the zeros, the unit is present


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_impossible_models_have_no_density(architecture, family):
    """Also with a row of zeros of a unit that is present, where the horseshoe's density is infinite."""
    nested = model_priors(architecture)["nested"]
    prior = SpikeAndSlabPrior(architecture, nested, ALL_FAMILIES[family])
    sub = architecture.sub_architecture({"0": torch.tensor([False, True, True])})
    rows = rows_of(sub)
    rows["0"][1] = 0
    assert float(prior.log_prob(rows, sub)) == -math.inf


def test_rows_may_come_as_samples(architecture):
    prior = SpikeAndSlabPrior(architecture, IndependentInclusion(architecture, COSTS), priors.GroupLaplace(1.0))
    _, rows = prior.sample(600)
    alone = [prior.log_prob_rows({name: row[i] for name, row in rows.items()}) for i in range(20)]
    torch.testing.assert_close(prior.log_prob_rows(rows)[:20], torch.stack(alone), rtol=1e-14, atol=0)
    sub = architecture.sub_architecture({"0": torch.tensor([True, True, False])})
    joint = prior.log_prob({name: row.reshape(20, 30, *row.shape[1:]) for name, row in rows.items()}, sub)
    assert joint.shape == (20, 30)
    same = torch.stack([(row.any(dim=-1) == sub.masks[name]).all(dim=-1) for name, row in rows.items()]).all(dim=0)
    wrong = rows["0"][:, 2].any(dim=-1)
    assert 0 < same.sum() < 600
    torch.testing.assert_close(joint.flatten()[same], prior.log_prob_rows(rows)[same], rtol=1e-14, atol=0)
    assert torch.equal(joint.flatten() == -math.inf, wrong)


def two_weights():
    """Two units of one weight each."""
    net = nn.Sequential(nn.Linear(1, 2, bias=False), nn.Tanh(), nn.Linear(2, 1))
    return Architecture.from_module(net, torch.zeros(2, 1))


@pytest.mark.parametrize("family", ALL_FAMILIES)
@pytest.mark.parametrize("nested", [True, False])
def test_total_mass_is_one(family, nested):
    """Atoms and densities together, by the trapezoid rule in log |w|."""
    architecture = two_weights()
    costs = {"0": torch.tensor([0.4, -1.1])}
    models = (
        NestedWidth.from_law(architecture, {"0": torch.tensor([0.2, 0.5, 0.3])})
        if nested
        else IndependentInclusion(architecture, costs)
    )
    prior = SpikeAndSlabPrior(architecture, models, ALL_FAMILIES[family], guidance=guidance.linear())
    step = 0.4 if family == "GroupHorseshoe" else 0.2
    size = torch.exp(torch.arange(-26, 26, step, dtype=torch.float64))
    nodes = torch.cat([torch.zeros(1, dtype=torch.float64), size])
    weights = torch.cat([torch.ones(1, dtype=torch.float64), 2 * step * size])  # the atom counts as 1, a size for two signs
    rows = torch.cartesian_prod(nodes, -nodes).unsqueeze(-1)
    mass = torch.exp(prior.log_prob_rows({"0": rows})) * torch.cartesian_prod(weights, weights).prod(dim=-1)
    assert float(mass.sum()) == pytest.approx(1, abs=1e-7)
    alone = mass.reshape(len(nodes), len(nodes))[1:, 0].sum()  # the first unit is present and the second is not
    exact = 0.5 if nested else (1 / (1 + math.exp(0.4))) / (1 + math.exp(1.1))
    assert float(alone) == pytest.approx(exact, abs=1e-7)


# Draws ------------------------------


@pytest.mark.parametrize("models", MODELS)
def test_masks_of_draws_follow_the_model_prior(architecture, models):
    draws = 40_000
    prior = SpikeAndSlabPrior(architecture, model_priors(architecture)[models], priors.GroupLaplace(1.0))
    masks, rows = prior.sample(draws)
    for name, survival in prior.unit_survival().items():
        assert masks[name].dtype == torch.bool
        assert rows[name].shape == (draws, SIZES[name], 4)
        assert (rows[name].any(dim=-1) == masks[name]).all()
        error = (survival * (1 - survival) / draws).sqrt()
        assert ((masks[name].double().mean(dim=0) - survival).abs() <= 4 * error).all()
    both = torch.cat([masks["0"], masks["2"]], dim=1)
    for sub in every_model(architecture):
        share = float((both == torch.cat([sub.masks["0"], sub.masks["2"]])).all(dim=1).double().mean())
        probability = float(prior.models.log_prob(sub).exp())
        assert abs(share - probability) <= 4 * math.sqrt(probability * (1 - probability) / draws)


@pytest.mark.parametrize("family", WITH_MAP)
def test_rows_of_draws_follow_the_slab(architecture, family):
    """Given presence, the penalty is Gamma(D / k, 1) whatever the mask (P1)."""
    slab, g = WITH_MAP[family], guidance.linear()
    prior = SpikeAndSlabPrior(architecture, IndependentInclusion(architecture, COSTS), slab, guidance=g)
    masks, rows = prior.sample(20_000)
    degree = {"Normal": 2.0, "GroupSqrtLaplace": 0.5}.get(family, 1.0)
    for name, coefficients in g.coefficients(architecture).items():
        for unit, coefficient in enumerate(coefficients):
            present = rows[name][masks[name][:, unit], unit].double()
            penalty = penalty_by_hand(slab, coefficient.expand(len(present)), present)
            error = float(penalty.std() / len(penalty) ** 0.5)
            assert abs(float(penalty.mean()) - 4 / degree) < 4 * error


def test_draws_from_a_generator_leave_the_global_one_alone(architecture):
    prior = SpikeAndSlabPrior(architecture, IndependentInclusion(architecture, COSTS), priors.GroupLaplace(1.0))
    before = torch.get_rng_state()
    first = prior.sample(50, torch.Generator().manual_seed(5))
    again = prior.sample(50, torch.Generator().manual_seed(5))
    other = prior.sample(50, torch.Generator().manual_seed(6))
    assert torch.equal(torch.get_rng_state(), before)
    for name in COSTS:
        assert torch.equal(first[0][name], again[0][name])
        assert torch.equal(first[1][name], again[1][name])
        assert not torch.equal(first[1][name], other[1][name])
    assert not torch.equal(prior.sample(50)[1]["0"], prior.sample(50)[1]["0"])


# The joint MAP ------------------------------


def gaps(prior, guided, architecture):
    """joint_penalty - penalty of every model that the prior allows, and how many it does not."""
    differences, impossible = [], 0
    rest = torch.randn(architecture.rest_size, dtype=torch.float64)
    for sub in every_model(architecture):
        rows = rows_of(sub)
        found = float(prior.joint_penalty(rows, sub, rest))
        if found == math.inf:
            impossible += 1
        else:
            differences.append(found - float(guided.penalty(rows, rest)))
    return np.array(differences), impossible


@pytest.mark.parametrize("family", WITH_MAP)
@pytest.mark.parametrize("profile", [guidance.linear(), guidance.step(1.0)], ids=["linear", "protected"])
def test_calibrated_joint_map_is_the_guided_regulariser(architecture, family, profile):
    """P11 (i), (iv): the same constant for all 2^5 models, or for all 2^3 that hold the protected units."""
    guided = priors.GuidedPrior(architecture, WITH_MAP[family], profile, rest=priors.Normal(strength=0.3))
    prior = SpikeAndSlabPrior.calibrated(guided, curvature=40.0)
    differences, impossible = gaps(prior, guided, architecture)
    assert impossible == (0 if (profile.coefficients(architecture)["0"] > 0).all() else 24)
    assert np.ptp(differences) < 1e-9
    assert all(not cost.abs().gt(1e-10).any() for cost in prior.unit_cost().values())


def test_calibrated_joint_map_where_only_norms_are_guided():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    architecture = Architecture.from_module(net, torch.randn(4, 2))
    guided = priors.GuidedPrior(architecture, priors.GroupLaplace(2.0), guidance.linear(), penalised="norm")
    differences, impossible = gaps(SpikeAndSlabPrior.calibrated(guided, curvature=9.0), guided, architecture)
    assert impossible == 0
    assert np.ptp(differences) < 1e-9


def test_calibrated_odds_are_the_evidence_reading(architecture):
    g = guidance.linear()
    guided = priors.GuidedPrior(architecture, priors.GroupLaplace(1.5), g)
    prior = SpikeAndSlabPrior.calibrated(guided, curvature=40.0)
    for name, survival in prior.unit_survival().items():
        rates = 1.5 * 2.0 * g.coefficients(architecture)[name].numpy()
        exact = 1 / (1 + np.exp(-identity.evidence_log_odds(rates, 4, 40.0)))
        np.testing.assert_allclose(survival, exact, rtol=1e-12)
    assert prior.slab_prior.weights is guided.weights


def test_protected_units_follow_the_base_prior_and_stay(architecture):
    guided = priors.GuidedPrior(architecture, priors.GroupLaplace(1.5), guidance.step(1.0), rest=priors.Normal(strength=3.0))
    prior = SpikeAndSlabPrior.calibrated(guided, curvature=40.0)
    masks, rows = prior.sample(40_000)
    assert masks["0"][:, 0].all()
    squares = rows["0"][:, 0].double().square()
    assert abs(float(squares.mean()) - 1 / 6) < 4 * float(squares.std()) / squares.numel() ** 0.5
    zero = {name: torch.zeros(size, 4) for name, size in SIZES.items()}
    smallest = architecture.sub_architecture({name: torch.arange(size) < 1 for name, size in SIZES.items()})
    assert float(prior.log_prob_rows(zero)) == float(prior.log_prob(zero, smallest))


def test_protected_units_pay_no_volume(architecture):
    """joint_penalty = -log_prob + log alpha of the present units that could be absent."""
    guided = priors.GuidedPrior(architecture, priors.GroupLaplace(1.5), guidance.step(1.0))
    prior = SpikeAndSlabPrior.calibrated(guided, curvature=40.0)
    rows, sub = rows_of(architecture.full()), architecture.full()
    paid = float(prior.joint_penalty(rows, sub) + prior.log_prob(rows, sub))
    assert paid == pytest.approx(3 * 2 * math.log(40 / (2 * math.pi)), rel=1e-12)
    for cost in prior.unit_cost().values():
        assert cost[0] == 0


@pytest.mark.parametrize("curvature", [1e4, 1e6])
def test_objective_differences_are_posterior_log_odds(curvature):
    """P11 (iv), one weight, L = h/2 (w - a)^2: exact posterior odds under the calibrated prior by quadrature."""
    architecture, effect, strength = two_weights(), 0.5, 40.0
    guided = priors.GuidedPrior(architecture, priors.Laplace(strength))
    prior = SpikeAndSlabPrior.calibrated(guided, curvature=curvature)
    log_odds = float(torch.logit(prior.unit_survival()["0"])[0])
    best = effect - strength / curvature
    sub = architecture.sub_architecture({"0": torch.tensor([True, False])})

    def log_joint(w):
        density = prior.log_prob({"0": torch.tensor([[w], [0.0]], dtype=torch.float64)}, sub)
        return float(density) - curvature / 2 * (w - effect) ** 2

    empty = architecture.sub_architecture({"0": torch.tensor([False, False])}, allow_empty=True)
    zero = {"0": torch.zeros(2, 1, dtype=torch.float64)}
    top, reach = log_joint(best), 12 / curvature**0.5
    integral = quad(lambda w: math.exp(log_joint(w) - top), best - reach, best + reach, epsabs=1e-12)[0]
    posterior = top + math.log(integral) - (float(prior.log_prob(zero, empty)) - curvature / 2 * effect**2)
    kept = torch.tensor([[best], [0.0]], dtype=torch.float64)
    difference = curvature / 2 * effect**2 - curvature / 2 * (best - effect) ** 2 - float(guided.penalty({"0": kept}))
    assert posterior == pytest.approx(difference, abs=1e-6)
    assert abs(log_odds) > 0.5


def test_theorys_exhaustive_example():
    """P11 on 2^5 models of a correlated design: guided 11100; c = -log Z the same; 3 nats more: 10000; c = 0: 11111."""
    rng = np.random.default_rng(11)
    design = np.linalg.qr(rng.normal(size=(60, 15)))[0] * 10 + 0.2 * rng.normal(size=(60, 15))
    directions = rng.normal(size=(5, 3))
    truth = np.array([0.5, 0.32, 0.29, 0.15, 0.1])[:, None] * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    gram = design.T @ design
    linear, rates = gram @ truth.ravel(), np.arange(6.0, 36.0, 6.0)

    net = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 1))
    architecture = Architecture.from_module(net, torch.zeros(2, 2))
    slab = priors.GroupLaplace(strength=6 / 3**0.5)
    g = guidance.custom({"0": torch.arange(1.0, 6.0)}, normalise=False)
    guided = priors.GuidedPrior(architecture, slab, g)
    np.testing.assert_allclose(guided.rates()["0"], rates, rtol=1e-14)

    def best_model(costs):
        prior = SpikeAndSlabPrior(architecture, IndependentInclusion(architecture, {"0": costs}), slab, guidance=g)
        values = {}
        for sub in every_model(architecture):
            mask = sub.masks["0"].numpy()
            kept, rows = np.repeat(mask, 3), np.zeros((5, 3))
            if mask.any():
                rows[mask] = group_lasso.solve(gram[np.ix_(kept, kept)], linear[kept], rates[mask], 3)
            flat = rows.ravel()
            loss = float(flat @ gram @ flat / 2 - linear @ flat)
            values["".join("01"[int(unit)] for unit in mask)] = loss + float(
                prior.joint_penalty({"0": torch.from_numpy(rows)}, sub)
            )
        lowest = min(values.values())  # of models that tie, with a present row at zero, the smallest
        return min((name for name in values if values[name] < lowest + 1e-9), key=lambda name: name.count("1"))

    log_z = torch.from_numpy(identity.log_slab_normalizer(rates, 3))
    support = "".join("01"[int(norm > 0)] for norm in np.linalg.norm(group_lasso.solve(gram, linear, rates, 3), axis=1))
    assert support == best_model(-log_z) == "11100"
    assert best_model(3 - log_z) == "10000"
    assert best_model(torch.zeros(5)) == "11111"


@pytest.mark.parametrize("family", WITH_MAP)
def test_unit_costs_are_what_presence_costs(architecture, family):
    """joint_penalty = constant + sum of unit_cost and penalty over present units, with every constant."""
    volume = {"0": torch.tensor([0.0, 2.0, -1.0]), "2": torch.tensor([0.3, 0.4])}
    slab, g = WITH_MAP[family], guidance.linear()
    prior = SpikeAndSlabPrior(architecture, IndependentInclusion(architecture, COSTS), slab, guidance=g, log_volume=volume)
    coefficients, costs = g.coefficients(architecture), prior.unit_cost()
    for name, cost in costs.items():
        exact = COSTS[name].numpy() + log_normalizer(slab, coefficients[name], 4) + volume[name].numpy()
        np.testing.assert_allclose(cost, exact, rtol=1e-6)
    nothing = float(torch.cat(list(COSTS.values())).double().neg().exp().log1p().sum())  # -log p(no unit)
    for sub in every_model(architecture):
        rows = rows_of(sub)
        paid = sum(float(costs[name][mask].sum()) for name, mask in sub.masks.items())
        expected = nothing + paid + float(prior.slab_prior.penalty(rows))
        assert float(prior.joint_penalty(rows, sub)) == pytest.approx(expected, abs=1e-9)


def test_changing_the_unit_of_weights_needs_a_change_of_volume():
    """Weights ten times as large cost D log 10 more per unit, unless alpha is divided by 10^D (P11)."""
    architecture = mlp_architecture(3, 2)
    models = IndependentInclusion(architecture, COSTS)
    fine = SpikeAndSlabPrior(architecture, models, priors.Laplace(1.0))
    coarse = SpikeAndSlabPrior(architecture, models, priors.Laplace(0.1))
    smaller = {name: torch.full((size,), -4 * math.log(10), dtype=torch.float64) for name, size in SIZES.items()}
    restored = SpikeAndSlabPrior(architecture, models, priors.Laplace(0.1), log_volume=smaller)
    for name in SIZES:
        shift = coarse.unit_cost()[name] - fine.unit_cost()[name]
        torch.testing.assert_close(shift, -smaller[name], rtol=1e-12, atol=0)
        torch.testing.assert_close(restored.unit_cost()[name], fine.unit_cost()[name], rtol=1e-12, atol=1e-12)


def test_joint_penalty_has_the_gradient_of_the_penalty(architecture):
    guided = priors.GuidedPrior(architecture, priors.GroupLaplace(1.5), guidance.linear())
    prior = SpikeAndSlabPrior.calibrated(guided, curvature=40.0)
    sub = architecture.sub_architecture({"0": torch.tensor([True, False, True])})
    rows = {name: row.requires_grad_() for name, row in rows_of(sub, torch.float32).items()}
    joint = torch.autograd.grad(prior.joint_penalty(rows, sub), list(rows.values()))
    for found, expected in zip(joint, torch.autograd.grad(guided.penalty(rows), list(rows.values())), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_laplace_volume_is_that_of_a_normal(architecture):
    """1 / alpha is the integral of exp(-h ||w||^2 / 2) over a row."""
    for volume in laplace_log_volume(architecture, 7.0).values():
        torch.testing.assert_close(volume, torch.full_like(volume, -4 * math.log(math.sqrt(2 * math.pi / 7))))


# Pyro ------------------------------


def test_pyro_sites_have_the_priors_law(architecture):
    prior = SpikeAndSlabPrior(architecture, IndependentInclusion(architecture, COSTS), priors.GroupLaplace(1.0))
    like = torch.empty((), dtype=torch.float64)
    trace = poutine.trace(lambda: prior.pyro_rows(like)).get_trace()
    masks = trace.nodes["masks"]["value"].bool().split([3, 2])
    drawn = {name: trace.nodes[f"rows.{name}"]["value"] for name in SIZES}
    rows = trace.nodes["_RETURN"]["value"]
    sub = architecture.sub_architecture(dict(zip(SIZES, masks, strict=True)), allow_empty=True)
    for name, row in rows.items():
        assert row.dtype == torch.float64
        assert torch.equal(row, drawn[name] * sub.masks[name][:, None])
    every_row = float(prior.slab_prior.log_prob(drawn))
    assert float(trace.log_prob_sum()) == pytest.approx(float(prior.models.log_prob(sub)) + every_row, rel=1e-6)


@pytest.mark.parametrize("form", ["relaxed", "straight_through"])
def test_pyro_forms_with_gradients(architecture, form):
    prior = SpikeAndSlabPrior(architecture, IndependentInclusion(architecture, COSTS), priors.GroupLaplace(1.0))
    rows = prior.pyro_rows(torch.empty(()), form, temperature=0.3)
    assert {name: tuple(row.shape) for name, row in rows.items()} == {"0": (3, 4), "2": (2, 4)}


def test_enumerated_widths_are_summed_out(architecture):
    """At fixed rows, Pyro's sum over nested widths is the sum over models of prior times likelihood."""
    prior = SpikeAndSlabPrior(architecture, model_priors(architecture)["nested"], priors.GroupLaplace(1.0))
    like, noise, fixed = torch.empty(()), 0.7, prior.slab_prior.sample()

    def model():
        rows = prior.pyro_rows(like, "enumerated")
        total = sum(row.sum(dim=(-2, -1)) for row in rows.values())
        pyro.sample("y", NormalNoise(total, noise), obs=torch.tensor(1.3))

    conditioned = poutine.condition(model, {f"rows.{name}": row for name, row in fixed.items()})
    found = -TraceEnum_ELBO(max_plate_nesting=0).loss(conditioned, lambda: None)
    terms = []
    for sub in every_model(architecture):
        total = sum((fixed[name] * sub.masks[name][:, None]).sum() for name in fixed)
        terms.append(prior.models.log_prob(sub) + torch.distributions.Normal(total, noise).log_prob(torch.tensor(1.3)))
    exact = float(torch.logsumexp(torch.stack(terms), dim=0) + prior.slab_prior.log_prob(fixed))
    assert found == pytest.approx(exact, rel=1e-6)


def test_pyro_form_that_the_models_lack(architecture):
    prior = SpikeAndSlabPrior(architecture, model_priors(architecture)["tilted"], priors.GroupLaplace(1.0))
    missing = {"enumerated", "relaxed", "straight_through"} - set(prior.models.supported_forms)
    for form in missing:
        with pytest.raises(UnsupportedFormError, match=form):
            prior.pyro_rows(torch.empty(()), form)
    assert missing


# Refusals ------------------------------


def test_an_unbounded_slab_has_no_joint_map(architecture):
    prior = SpikeAndSlabPrior(architecture, IndependentInclusion(architecture, COSTS), priors.GroupHorseshoe(1.0))
    _, rows = prior.sample(1)
    assert math.isfinite(float(prior.log_prob_rows(rows)[0]))
    with pytest.raises(NoMAPError, match="GroupHorseshoe"):
        prior.joint_penalty(rows, architecture.full())
    with pytest.raises(NoMAPError, match="GroupHorseshoe"):
        prior.unit_cost()
    with pytest.raises(ReadingError, match="evidence reading"):
        SpikeAndSlabPrior.calibrated(priors.GuidedPrior(architecture, priors.GroupHorseshoe(1.0)), curvature=1.0)


@pytest.mark.parametrize("models", ["nested", "tilted"])
def test_units_that_depend_on_each_other_have_no_cost(architecture, models):
    prior = SpikeAndSlabPrior(architecture, model_priors(architecture)[models], priors.Laplace(1.0))
    with pytest.raises(UnitCostError, match="joint_penalty"):
        prior.unit_cost()


@pytest.mark.parametrize("reading", ["threshold", "evidence", "shrinkage", "nonsense"])
def test_other_readings_are_refused(architecture, reading):
    prior = SpikeAndSlabPrior(architecture, IndependentInclusion(architecture, COSTS), priors.Laplace(1.0))
    assert prior.model_prior("inclusion") is prior.model_prior() is prior.models
    with pytest.raises(ReadingError, match=reading):
        prior.model_prior(reading)


def test_models_of_another_architecture(architecture):
    models, other = IndependentInclusion(architecture, COSTS), mlp_architecture(3, 3)
    with pytest.raises(ArchitectureMismatchError):
        SpikeAndSlabPrior(other, models, priors.Laplace(1.0))
    prior = SpikeAndSlabPrior(architecture, models, priors.Laplace(1.0))
    with pytest.raises(ArchitectureMismatchError):
        prior.log_prob(rows_of(architecture.full()), other.full())


def test_a_unit_cannot_be_protected_in_the_slab_alone(architecture):
    models = IndependentInclusion(architecture, COSTS)
    with pytest.raises(GuidanceError, match="protect it in the model prior"):
        SpikeAndSlabPrior(architecture, models, priors.Laplace(1.0), guidance=guidance.step(1.0))


@pytest.mark.parametrize("volume", [{"0": torch.zeros(3)}, {"0": torch.zeros(2), "2": torch.zeros(2)}])
def test_volumes_that_do_not_fit(architecture, volume):
    with pytest.raises(SurvivalError, match="log volumes"):
        SpikeAndSlabPrior(architecture, IndependentInclusion(architecture, COSTS), priors.Laplace(1.0), log_volume=volume)


def test_rows_that_do_not_fit(architecture):
    prior = SpikeAndSlabPrior(architecture, IndependentInclusion(architecture, COSTS), priors.Laplace(1.0))
    full = architecture.full()
    rows = rows_of(full)
    for bad in ({"0": rows["0"]}, rows | {"2": rows["2"][:, :3]}, rows | {"2": rows["2"][None]}):
        with pytest.raises(RowShapeError, match="do not fit"):
            prior.log_prob(bad, full)
        with pytest.raises(RowShapeError, match="do not fit"):
            prior.log_prob_rows(bad)
    with pytest.raises(RowShapeError, match="the rest has 3"):
        prior.log_prob(rows, full, torch.zeros(3))


@pytest.mark.parametrize("curvature", [0.0, -1.0, math.inf, math.nan])
def test_curvature_must_be_positive(architecture, curvature):
    with pytest.raises(StrengthError, match="curvature"):
        SpikeAndSlabPrior.calibrated(priors.GuidedPrior(architecture, priors.Laplace(1.0)), curvature=curvature)
