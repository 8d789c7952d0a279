import math

import numpy as np
import pytest
import torch
from torch import nn

from bayes_guided import guidance
from bayes_guided.architecture import Architecture, Role
from bayes_guided.exceptions import (
    ArchitectureMismatchError,
    ConfigError,
    GuidanceError,
    NoMAPError,
    ProtectedGroupError,
    RowShapeError,
)
from bayes_guided.priors import GroupHorseshoe, GroupLaplace, GuidedPrior, Normal, SpikeAndSlabPrior
from tests.distributions.oracles import assert_mean
from tests.scenarios import ALL_FAMILIES, MLP, RESIDUAL, SCENARIOS, WITH_MAP, log_normalizer, penalty_by_hand

FAMILIES = pytest.mark.parametrize("family", WITH_MAP)
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
RIDGE = 0.3


def prior(family: str, scenario=MLP, **settings) -> GuidedPrior:
    settings = {"guidance": guidance.linear(), "rest": Normal(strength=RIDGE)} | settings
    return GuidedPrior(scenario.architecture(scenario.net()), weights=ALL_FAMILIES[family], **settings)


def random_weights(found: GuidedPrior, dtype: torch.dtype, seed: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    rows = {
        group.name: torch.randn(group.size, group.row_dim, generator=generator, dtype=torch.float64).to(dtype)
        for group in found.architecture.groups
    }
    return rows, torch.randn(found.architecture.rest_size, generator=generator, dtype=torch.float64).to(dtype)


@FAMILIES
@DTYPES
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_log_prob_and_penalty_add_up_to_the_constant_of_theory(family, dtype, scenario):
    found = prior(family, scenario)
    ridge_constant = found.architecture.rest_size / 2 * math.log(math.pi / RIDGE)
    constant = ridge_constant + sum(
        log_normalizer(found.weights, found.coefficients[group.name], group.row_dim).sum()
        for group in found.architecture.groups
    )
    for seed in range(3):
        rows, rest = random_weights(found, dtype, seed)
        by_hand = RIDGE * (rest**2).sum() + sum(
            penalty_by_hand(found.weights, found.coefficients[name].to(dtype), row).sum() for name, row in rows.items()
        )
        penalty, log_prob = found.penalty(rows, rest), found.log_prob(rows, rest)
        assert penalty.dtype == log_prob.dtype == dtype
        torch.testing.assert_close(penalty, torch.as_tensor(by_hand))
        tolerance = {"rel": 1e-11} if dtype == torch.float64 else {"rel": 3e-6, "abs": 1e-4 * abs(constant)}
        assert -float(log_prob) - float(penalty) == pytest.approx(constant, **tolerance)
        without = found.penalty(rows)
        torch.testing.assert_close(penalty - without, RIDGE * (rest**2).sum(), rtol=1e-4, atol=1e-4)


def test_rates_and_coefficients_are_those_of_the_guidance():
    found = prior("GroupLaplace")
    for group in found.architecture.groups:
        coefficients = guidance.linear().coefficients(found.architecture)[group.name]
        assert torch.equal(found.coefficients[group.name], coefficients)
        torch.testing.assert_close(found.rates()[group.name], 0.5 * coefficients * math.sqrt(group.row_dim))


def test_the_default_guidance_is_constant_and_the_rest_is_proper():
    found = GuidedPrior(MLP.architecture(MLP.net()), weights=GroupLaplace(strength=1.0))
    assert all(torch.equal(values, torch.ones_like(values)) for values in found.coefficients.values())
    assert found.rest == Normal(strength=0.5)


def test_guidance_zero_is_protected():
    found = prior("GroupLaplace", guidance=guidance.step(2.0))
    rows, rest = random_weights(found, torch.float64, 0)
    assert found.rates()["0"][:2].tolist() == [0, 0]
    expected = RIDGE * sum((row[:2] ** 2).sum() for row in rows.values())
    expected += sum(penalty_by_hand(found.weights, found.coefficients[name][2:], row[2:]).sum() for name, row in rows.items())
    torch.testing.assert_close(found.penalty(rows), torch.as_tensor(expected))
    # Moved continuously to 0, the guidance of a unit would take its log density to minus infinity instead (P6).
    assert torch.isfinite(found.log_prob(rows, rest))


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_samples(family):
    found = prior(family, guidance=guidance.step(2.0))
    torch.manual_seed(0)
    assert {name: tuple(row.shape) for name, row in found.sample().items()} == {"0": (6, 6), "2": (4, 7)}
    draws = found.sample((3, 2))
    assert draws["2"].shape == (3, 2, 4, 7)
    assert draws["2"].dtype == torch.float32
    many = found.sample(torch.Size((8000,)))["0"]
    assert_mean(many[:, :2].square(), 0.5 / RIDGE)
    if family in WITH_MAP:
        density = found.distribution("0", torch.zeros((), dtype=torch.float64))
        assert_mean(many.square(), density.variance)


def test_only_the_norm_is_pressed_where_there_is_one():
    found = prior("GroupLaplace", RESIDUAL, penalised="norm")
    rows, rest = random_weights(found, torch.float64, 0)
    expected = RIDGE * (rest**2).sum()
    for group in found.architecture.groups:
        assert group.has_norm
        start = 0
        norm, ridge = [], []
        for block in group.blocks:
            part = rows[group.name][:, start : start + block.size]
            (norm if block.role in (Role.NORM_SCALE, Role.NORM_SHIFT) else ridge).append(part)
            start += block.size
        inside = torch.cat(norm, dim=1)
        # The stem carries two norms of a scale and a shift each, conv1 one; the rate counts these weights only.
        assert inside.shape[1] == {"stem": 4, "conv1": 2}[group.name]
        expected += penalty_by_hand(found.weights, found.coefficients[group.name], inside).sum()
        expected += RIDGE * (torch.cat(ridge, dim=1) ** 2).sum()
    torch.testing.assert_close(found.penalty(rows, rest), torch.as_tensor(expected))
    constant = sum(
        log_normalizer(found.weights, found.coefficients[name], size).sum() for name, size in (("stem", 4), ("conv1", 2))
    )
    others = sum(row.numel() for row in rows.values()) - 4 * 4 - 3 * 2 + len(rest)
    constant += others / 2 * math.log(math.pi / RIDGE)
    assert -float(found.log_prob(rows, rest) + found.penalty(rows, rest)) == pytest.approx(constant, rel=1e-11)


def test_groups_without_a_norm_are_penalised_whole():
    rows, rest = random_weights(prior("GroupLaplace"), torch.float64, 0)
    whole, norm = prior("GroupLaplace"), prior("GroupLaplace", penalised="norm")
    assert torch.equal(whole.penalty(rows, rest), norm.penalty(rows, rest))


def test_a_network_without_a_rest():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2, bias=False))
    with torch.no_grad():
        found = GuidedPrior(Architecture.from_module(net, torch.zeros(2, 3)), weights=GroupLaplace(strength=1.0))
    rows = found.architecture.rows(net)
    empty = torch.zeros(0)
    assert found.architecture.rest_size == 8
    with pytest.raises(RowShapeError, match=r"rest has 0 weights.* has 8"):
        found.penalty(rows, empty)


def test_rows_that_do_not_fit_are_refused():
    found = prior("GroupLaplace")
    rows, rest = random_weights(found, torch.float64, 0)
    for bad in ({"0": rows["0"]}, rows | {"2": rows["2"][:, :3]}, rows | {"more": rows["2"]}):
        for call in (found.penalty, found.log_prob):
            with pytest.raises(RowShapeError, match="do not fit this architecture"):
                call(bad, rest)
    for call in (found.penalty, found.log_prob):
        with pytest.raises(RowShapeError, match="the rest has"):
            call(rows, rest[:-1])


def test_bad_guidance_is_refused_at_once():
    architecture = MLP.architecture(MLP.net())
    for bad in (torch.ones(3), torch.tensor([1.0, -1, 1, 1]), torch.tensor([1.0, math.inf, 1, 1]), torch.zeros(4)):
        with pytest.raises(GuidanceError):
            GuidedPrior(architecture, weights=GroupLaplace(strength=1.0), guidance=guidance.custom({"2": bad}))
    with pytest.raises(ProtectedGroupError):
        GuidedPrior(architecture, weights=GroupLaplace(strength=1.0), guidance=guidance.custom({"4": torch.ones(3)}))
    with pytest.raises(ProtectedGroupError):
        prior("GroupLaplace").distribution("4", torch.zeros(()))


def test_an_unknown_part_of_the_row_is_refused():
    bad = object.__new__(GuidedPrior)  # past the tests' own check of the annotation
    object.__setattr__(bad, "penalised", "scale")
    with pytest.raises(ConfigError, match='"row" or "norm"'):
        bad.__post_init__()


def test_the_horseshoe_has_no_penalty():
    found = GuidedPrior(MLP.architecture(MLP.net()), weights=GroupHorseshoe(strength=1.0))
    rows, rest = random_weights(found, torch.float64, 0)
    assert torch.isfinite(found.log_prob(rows, rest))
    with pytest.raises(NoMAPError):
        found.penalty(rows, rest)


def test_another_network_is_refused():
    found = prior("GroupLaplace")
    found.check(MLP.net(seed=5))
    with pytest.raises(ArchitectureMismatchError, match=r"'0.weight' is \(6, 4\).*\(6, 5\)"):
        found.check(nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3)))
    longer = nn.Sequential(*MLP.net(), nn.Tanh(), nn.Linear(3, 3))
    with pytest.raises(ArchitectureMismatchError, match=r"'6.weight' is \(3, 3\).*missing"):
        found.check(longer)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@FAMILIES
def test_on_a_gpu(family):
    found = prior(family, guidance=guidance.step(2.0))
    rows, rest = random_weights(found, torch.float64, 0)
    there = {name: row.cuda() for name, row in rows.items()}
    torch.testing.assert_close(found.penalty(there, rest.cuda()).cpu(), found.penalty(rows, rest))
    torch.testing.assert_close(found.log_prob(there, rest.cuda()).cpu(), found.log_prob(rows, rest))
    assert np.isfinite(float(found.penalty(there)))


def test_evidence_of_a_norm_only_prior_is_that_of_the_calibrated_spike_and_slab() -> None:
    """P11 is about the whole row: the ridge on the columns before the norm counts."""
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    architecture = Architecture.from_module(net, torch.randn(5, 3))
    prior = GuidedPrior(architecture, weights=GroupLaplace(2.0), penalised="norm")
    calibrated = SpikeAndSlabPrior.calibrated(prior, curvature=7.0)
    for name, survival in prior.model_prior("evidence", curvature=7.0).unit_survival().items():
        torch.testing.assert_close(survival, calibrated.unit_survival()[name], rtol=1e-10, atol=0)
