"""Gibbs priors against every mask: chains, trees, cycles, code lengths, own functions, and the Markov chains (P13)."""

from math import comb, lgamma, log

import numpy as np
import pytest
import torch
from torch import nn

from bayes_guided.architecture import Architecture
from bayes_guided.exceptions import ComplexityError, ExactLimitError, ImproperPriorError, StrengthError
from bayes_guided.priors.models.gibbs import GibbsComplexity
from tests.priors.every_mask import EveryMask, assert_matches, assert_samples, mlp_architecture


class Residual(nn.Module):
    """A stream that two blocks read and write: couplings form a star, with the stream's square."""

    def __init__(self, stream: int, inner: int) -> None:
        super().__init__()
        self.start = nn.Linear(3, stream)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(stream, inner), nn.ReLU(), nn.Linear(inner, stream)) for _ in range(2)
        )
        self.skip = nn.Linear(stream, stream)
        self.end = nn.Linear(stream, 2)

    def forward(self, x):
        x = self.start(x)
        for block in self.blocks:
            x = x + block(x)
        return self.end(torch.relu(x + self.skip(x)))


class Triangle(nn.Module):
    """Each of three layers feeds another: couplings form a cycle."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        a, b, c = widths
        self.a = nn.Linear(3, a)
        self.b = nn.Linear(a, b)
        self.c = nn.Linear(a, c)
        self.d = nn.Linear(b, c)
        self.out = nn.Linear(c, 2)

    def forward(self, x):
        a = torch.relu(self.a(x))
        return self.out(torch.relu(self.c(a) + self.d(torch.relu(self.b(a)))))


def architecture_of(net):
    return Architecture.from_module(net, torch.zeros(2, 3))


def truth_of(architecture, cost):
    """Empty layers excluded; the cost of a mask is that of a whole sub-architecture."""
    return EveryMask.of(
        architecture,
        lambda m: -cost({g: int(m[g].sum()) for g in m}) if all(v.any() for v in m.values()) else -np.inf,
    )


def parameters(architecture, beta):
    return lambda widths: beta * architecture.costs.parameters(widths)


@pytest.mark.parametrize("beta", [0.02, 0.3])
def test_chain(beta):
    architecture = mlp_architecture(5, 4, 3)
    prior = GibbsComplexity(architecture, "parameters", beta=beta)
    truth = truth_of(architecture, parameters(architecture, beta))
    assert_matches(prior, truth)
    assert_samples(prior, truth)
    assert_matches(prior.condition(min_width={"2": 3}), truth.given({"2": 3}))


def test_macs():
    architecture = mlp_architecture(4, 6)
    prior = GibbsComplexity(architecture, "macs", beta=0.05)
    assert_matches(prior, truth_of(architecture, lambda widths: 0.05 * architecture.costs.macs(widths)))


def test_tree():
    architecture = architecture_of(Residual(4, 3))
    prior = GibbsComplexity(architecture, "parameters", beta=0.03)
    truth = truth_of(architecture, parameters(architecture, 0.03))
    assert type(prior.joint_widths).__name__ == "ForestWidths"
    assert_matches(prior, truth)
    assert_samples(prior, truth, draws=200_000)
    assert_matches(prior.condition(min_width=2), truth.given(dict.fromkeys(truth.sizes, 2)))


def test_cycle_is_listed():
    architecture = architecture_of(Triangle(4, 3, 3))
    prior = GibbsComplexity(architecture, "parameters", beta=0.04)
    assert type(prior.joint_widths).__name__ == "ListedWidths"
    truth = truth_of(architecture, parameters(architecture, 0.04))
    assert_matches(prior, truth)
    assert_samples(prior, truth, draws=200_000)


def test_code_length():
    architecture = mlp_architecture(6, 4)

    def universal(k):
        total, term = 0.0, log(k, 2)
        while term > 0:
            total += term
            term = log(term, 2)
        return total * log(2)

    sizes = {"0": 6, "2": 4}
    prior = GibbsComplexity(architecture, "mdl", beta=1.0)
    truth = truth_of(architecture, lambda widths: sum(universal(k) + log(comb(sizes[g], k)) for g, k in widths.items()))
    assert_matches(prior, truth)
    wanted = np.exp([-universal(k) for k in range(1, 7)])
    np.testing.assert_allclose(prior.width_pmf("0")[1:], wanted / wanted.sum(), rtol=1e-12)


@pytest.mark.parametrize("cost", ["parameters", "macs", "mdl", lambda w: w["0"] ** 2 + 3 * w["2"]])
def test_mean_cost_comes_back(cost):
    """Held against the cost of every mask, weighted by hand."""
    architecture = mlp_architecture(5, 4)
    uniform = GibbsComplexity(architecture, cost, beta=1e-12).mean_cost
    wanted = 0.7 * uniform
    prior = GibbsComplexity.from_mean_cost(architecture, cost, wanted)
    # C at beta = 1 is the cost itself; every mask of widths (k, j) counts once.
    k, j = torch.meshgrid(torch.arange(1, 6.0), torch.arange(1, 5.0), indexing="ij")
    costs = GibbsComplexity(architecture, cost, beta=1.0).complexity({"0": k.double(), "2": j.double()}).numpy()
    masks = np.array([[comb(5, a) * comb(4, b) for b in range(1, 5)] for a in range(1, 6)])
    weights = masks * np.exp(-prior.beta * costs)
    assert float((weights * costs).sum() / weights.sum()) == pytest.approx(wanted, abs=1e-10)
    assert prior.mean_cost == pytest.approx(wanted, abs=1e-10)
    assert uniform == pytest.approx(float((masks * costs).sum() / masks.sum()), rel=1e-9)


def test_mean_cost_of_a_wide_network():
    architecture = mlp_architecture(300, 100)
    prior = GibbsComplexity.from_mean_cost(architecture, "macs", 3000.0)
    draws = prior.sample(4000, torch.Generator().manual_seed(3))
    costs = architecture.costs.macs({name: mask.sum(dim=1).double() for name, mask in draws.items()})
    assert abs(float(costs.mean()) - 3000.0) < 4 * float(costs.std()) / 4000**0.5


def test_mean_costs_that_no_beta_has():
    architecture = mlp_architecture(5, 4)
    least = GibbsComplexity(architecture, "parameters", beta=1.0).complexity({"0": torch.ones(1), "2": torch.ones(1)})
    with pytest.raises(ComplexityError, match=f"cheapest model, {float(least):g}"):
        GibbsComplexity.from_mean_cost(architecture, "parameters", float(least))
    with pytest.raises(ComplexityError, match="give less"):
        GibbsComplexity.from_mean_cost(architecture, "parameters", float(architecture.full().num_parameters))
    with pytest.raises(ComplexityError, match="positive and finite"):
        GibbsComplexity.from_mean_cost(architecture, "parameters", 0.0)


def test_own_function():
    architecture = mlp_architecture(5, 4)
    prior = GibbsComplexity(architecture, lambda w: (w["0"] - w["2"]) ** 2, beta=0.5)
    assert_matches(prior, truth_of(architecture, lambda widths: 0.5 * (widths["0"] - widths["2"]) ** 2))


def test_wide_chain_against_the_direct_transfer_matrix():
    architecture = mlp_architecture(300, 100, 200)
    beta = 0.02
    prior = GibbsComplexity(architecture, "parameters", beta=beta)
    sizes = [300, 100, 200]

    def log_choose(n):
        return np.array([lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) for k in range(1, n + 1)])

    k = [np.arange(1, n + 1.0) for n in sizes]
    # Parameters: inputs 3 and biases per unit, and 2 outputs after the last layer.
    own = [log_choose(300) - beta * 4 * k[0], log_choose(100) - beta * k[1], log_choose(200) - beta * 3 * k[2]]
    left = np.logaddexp.reduce(own[0][:, None] - beta * np.outer(k[0], k[1]), axis=0)
    right = np.logaddexp.reduce(own[2][:, None] - beta * np.outer(k[2], k[1]), axis=0)
    middle = own[1] + left + right
    log_z = np.logaddexp.reduce(middle) - beta * 2
    assert prior.log_normaliser == pytest.approx(log_z, abs=1e-9)
    np.testing.assert_allclose(prior.log_width_pmf("2")[1:], middle - np.logaddexp.reduce(middle), rtol=1e-11, atol=1e-10)
    survival = prior.unit_survival()
    draws = prior.sample(4000, torch.Generator().manual_seed(2))
    for name, value in survival.items():
        widths = draws[name].sum(dim=1).double()
        assert abs(float(widths.mean() - value.sum())) < 4 * float(widths.std()) / 4000**0.5


@pytest.mark.parametrize("beta", [1e-4, 0.4, 5.0])
def test_strong_and_weak_couplings(beta):
    """The tiles of the messages change with the coupling; the direct sum does not."""
    architecture = mlp_architecture(90, 70)
    prior = GibbsComplexity(architecture, "parameters", beta=beta)
    k, j = np.arange(1, 91.0), np.arange(1, 71.0)
    grid = -beta * (np.outer(k, j) + 4 * k[:, None] + 3 * j + 2)
    grid += np.array([lgamma(91) - lgamma(a + 1) - lgamma(91 - a) for a in k])[:, None]
    grid += np.array([lgamma(71) - lgamma(a + 1) - lgamma(71 - a) for a in j])
    log_z = np.logaddexp.reduce(grid.ravel())
    assert prior.log_normaliser == pytest.approx(log_z, rel=1e-12)
    np.testing.assert_allclose(prior.log_width_pmf("0")[1:], np.logaddexp.reduce(grid, axis=1) - log_z, rtol=1e-11, atol=1e-10)
    sums = np.add.outer(np.arange(1, 91), np.arange(1, 71)).ravel()
    size = np.bincount(sums, weights=np.exp(grid.ravel() - log_z), minlength=161)
    np.testing.assert_allclose(prior.size_pmf(), size, atol=1e-12)


def test_markov_chains_agree_with_listing():
    architecture = architecture_of(Triangle(6, 5, 5))
    prior = GibbsComplexity(architecture, "parameters", beta=0.02)
    found = prior.estimate(400, chains=64, generator=torch.Generator().manual_seed(0))
    assert found.r_hat < 1.05
    for name in prior.units.names:
        estimate, exact = found.width_pmf[name], prior.width_pmf(name)
        assert ((estimate.value - exact).abs() <= 4 * estimate.standard_error + 1e-4).all()
        assert float(estimate.standard_error.max()) < 0.01
        survival = found.unit_survival[name]
        assert ((survival.value - prior.unit_survival()[name]).abs() <= 4 * survival.standard_error).all()
    assert ((found.size_pmf.value - prior.size_pmf()).abs() <= 4 * found.size_pmf.standard_error + 1e-4).all()


def test_models_of_middling_widths_are_listed_lazily():
    prior = GibbsComplexity(mlp_architecture(60), lambda w: (w["0"] - 30) ** 2, beta=1.0)
    ranked = prior.most_probable(50)
    assert {sub.widths["0"] for sub, _ in ranked} == {30}
    assert float(prior.log_prob(ranked[-1][0])) == pytest.approx(ranked[0][1], abs=1e-10)


def test_too_large_to_list_names_the_estimate():
    prior = GibbsComplexity(architecture_of(Triangle(200, 200, 200)), "parameters", beta=0.01)
    with pytest.raises(ExactLimitError, match="estimate"):
        prior.entropy()
    assert prior.estimate(4, chains=2, generator=torch.Generator().manual_seed(0)).r_hat > 0
    with pytest.raises(ValueError, match="chains"):
        prior.estimate(4, chains=1)


def test_size_law_limit():
    prior = GibbsComplexity(mlp_architecture(1500, 1500), "parameters", beta=0.001)
    with pytest.raises(ExactLimitError, match="sample"):
        prior.size_pmf()
    assert float(prior.width_pmf("0").sum()) == pytest.approx(1.0, abs=1e-9)


def test_bad_complexities():
    architecture = mlp_architecture(4, 3)
    with pytest.raises(ComplexityError, match="unknown"):
        GibbsComplexity(architecture, "flops", beta=1.0)
    with pytest.raises(StrengthError):
        GibbsComplexity(architecture, "macs", beta=0.0)
    with pytest.raises(ComplexityError, match="finite"):
        GibbsComplexity(architecture, lambda w: w["0"] / (w["2"] - 2), beta=1.0).entropy()
    with pytest.raises(ComplexityError, match="broadcast"):
        GibbsComplexity(architecture, lambda w: w["0"].sum(), beta=1.0).entropy()
    with pytest.raises(ImproperPriorError, match="protect"):
        GibbsComplexity(architecture, "macs", beta=1.0, protected={"0": torch.tensor([True, False, False, False])})
